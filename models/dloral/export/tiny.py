"""The tiny configuration's parts for export, from a checkpoint of its training."""

import copy

from torch import nn

from dloral.errors import UserError
from dloral.export.graphs import DecoderGraph, EncoderGraph
from dloral.export.pack import PackParts
from dloral.manifest import GraphSizes
from dloral.model.arms import Arm
from dloral.model.branches import LoraConfig
from dloral.model.tiny import TinyConfig, TinyModel
from dloral.model.tiny.dual import SingleFrameRestorer, branched_model, merged_restorer
from dloral.model.warp import warp_by_rows
from dloral.train.checkpoint import Checkpoint
from dloral.train.config import from_table
from dloral.train.dual.base import sees_pairs
from dloral.train.tables import build_part

# Everything in these networks is local, so tiles are for memory alone: 384 samples are 768 input pixels. The overlap is
# measured in models/tests/test_tiny.py: tiled and whole pictures differ by no more than a rounding.
SIZES = GraphSizes(tile=384, overlap=32, min=8, multiple=2, shape="free")


def tiny_parts(
    checkpoint: Checkpoint,
    arm: Arm,
    name: str,
    provenance: dict[str, str],
    quality: dict[str, float],
    detail_strength: float = 1.0,
) -> PackParts:
    """Parts of the averaged weights of ``checkpoint``, with the branches of ``arm`` merged if it has branches, the
    detail branch at ``detail_strength``.
    """
    model, restorer = _networks(checkpoint, arm, detail_strength)
    model.eval().requires_grad_(requires_grad=False)
    model.restorer.warp = warp_by_rows
    return PackParts(
        name=name,
        encoder=EncoderGraph(model.encoder),
        restorer=restorer,
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


def _networks(checkpoint: Checkpoint, arm: Arm, detail_strength: float) -> tuple[TinyModel, nn.Module]:
    """The model, all plain weights, and its restorer."""
    model = trained_model(checkpoint)
    if checkpoint.base:
        return model, merged_restorer(model, arm, detail_strength, pairs=sees_pairs(checkpoint.config))
    single = checkpoint.config.get("stage") == "base"
    return model, SingleFrameRestorer(model.restorer) if single else model.restorer


def trained_model(checkpoint: Checkpoint) -> TinyModel:
    """The networks with the averaged weights of ``checkpoint``, and with its branches if it has any.

    Raises :class:`UserError` where they are branches of Stable Diffusion.
    """
    if checkpoint.config.get("architecture") == "sd":
        raise UserError("the checkpoint holds branches of Stable Diffusion: give the folder of their base with --base")
    if checkpoint.base:
        sizes = build_part(TinyConfig, checkpoint.config["model"], "model")
        model = branched_model(sizes, build_part(LoraConfig, checkpoint.config["lora"], "lora"))
    else:
        model = TinyModel(from_table(checkpoint.config).model)
    model.load_state_dict(checkpoint.ema)
    return model
