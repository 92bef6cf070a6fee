"""The tiny configuration's parts for export, from a checkpoint of its training."""

import copy

from dloral.export.graphs import DecoderGraph, EncoderGraph
from dloral.export.pack import PackParts
from dloral.manifest import GraphSizes
from dloral.model.tiny import TinyModel
from dloral.train.checkpoint import Checkpoint
from dloral.train.config import from_table

# Everything in these networks is local, so tiles are for memory alone: 384 samples are 768 input pixels. The overlap is
# measured in models/tests/test_tiny.py: tiled and whole pictures differ by no more than a rounding.
SIZES = GraphSizes(tile=384, overlap=32, min=8, multiple=2, shape="free")


def tiny_parts(checkpoint: Checkpoint, name: str, provenance: dict[str, str], quality: dict[str, float]) -> PackParts:
    """Parts of the averaged weights of ``checkpoint``."""
    model = TinyModel(from_table(checkpoint.config).model)
    model.load_state_dict(checkpoint.ema)
    model.eval().requires_grad_(requires_grad=False)
    return PackParts(
        name=name,
        encoder=EncoderGraph(model.encoder),
        restorer=model.restorer,
        decoder=DecoderGraph(copy.deepcopy(model.decoder)),
        latent_channels=model.config.latent_channels,
        latent_factor=8,
        encoder_input="frame",
        conditioned=True,
        encoder_sizes=SIZES,
        restorer_sizes=SIZES,
        decoder_sizes=SIZES,
        color_fix="none",
        precision="fp32",
        licence="MIT OR Apache-2.0",
        provenance=provenance,
        quality=quality,
    )
