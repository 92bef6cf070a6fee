"""Stable Diffusion's parts for export: the reference's published checkpoint on its base folder."""

import gc
import math
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dloral.errors import UserError
from dloral.export.pack import PackParts
from dloral.export.reference import Base, merged_unet, read_base, read_checkpoint, read_codec, retrieval
from dloral.export.sd_graphs import SdDecoderGraph, SdEncoderGraph
from dloral.export.sd_trained import trained_restorer
from dloral.manifest import GraphSizes
from dloral.model.sd import LatentDecoder, LatentEncoder, OneStepUNet, SdRestorer
from dloral.model.sd.codec import FACTOR
from dloral.model.sd.dual import SingleFrameSdRestorer
from dloral.model.sd.precision import to_half
from dloral.model.sd.prompt import embed_prompt, read_embedding
from dloral.model.sd.retrieval import blocks_for
from dloral.model.variants import VARIANTS
from dloral.train.checkpoint import CHECKPOINT_SUFFIX, Checkpoint, load_checkpoint
from dloral.train.weights_file import SUFFIX

LICENCE = "LicenseRef-CreativeML-OpenRAILpp-M"
"""Of Stable Diffusion 2.1, whose weights are in the pack."""
MIN_LATENT = 64
"""The reference takes nothing smaller: its training crops were of this size, and retrieval depends on the area."""
CODEC_SIZES = GraphSizes(tile=224, overlap=32, min=8, multiple=1)
"""Pictures up to 1792 by 1792 output pixels are done whole, as in the reference: group normalisation takes its
statistics from what it sees, so tiles differ from the whole."""


@dataclass(frozen=True)
class SdOptions:
    """What ``export --base`` is told; ``prompt_embedding`` takes the place of ``prompt``."""

    base: Path
    checkpoint: Path
    dtype: str = "fp16"
    prompt: str = ""
    prompt_embedding: Path | None = None
    detail_strength: float = 1.0
    tile: int = 96
    overlap: int = 32
    codec: Path | None = None
    branches: str = "both"
    """Of ``VARIANTS``, where ``checkpoint`` is a run of our own training."""
    target: str = "plain"


def sd_parts(options: SdOptions, name: str, provenance: dict[str, str], quality: dict[str, float]) -> PackParts:
    """Parts of the published weights or of a run of our own, merged in f32, then in the type asked for.

    The prompt is inside.
    """
    _check(options)
    base = read_base(options.base)
    # The prompt comes first: it may fail, and the checkpoint takes minutes.
    prompt = _prompt(options, base)
    codec = read_codec(options.codec, base) if options.codec else base.vae
    encoder, decoder = LatentEncoder(codec), LatentDecoder(codec)
    trained = load_checkpoint(options.checkpoint) if _is_our_own(options.checkpoint) else None
    restorer = _restorer(options, base, prompt, trained)
    if options.dtype == "fp16":
        for part in (encoder.encoder, encoder.quant_conv, decoder.decoder, decoder.post_quant_conv, restorer.unet):
            # The fused normalisations of the CUDA form have f32 statistics and f16 tensors.
            to_half(part, single_norms=options.target != "cuda")
    gc.collect()
    return PackParts(
        name=name,
        encoder=SdEncoderGraph(encoder),
        restorer=restorer,
        decoder=SdDecoderGraph(decoder),
        latent_channels=base.latent_channels,
        latent_factor=FACTOR,
        encoder_input="upscaled",
        conditioned=False,
        encoder_sizes=CODEC_SIZES,
        restorer_sizes=GraphSizes(tile=options.tile, overlap=options.overlap, min=MIN_LATENT, multiple=1),
        decoder_sizes=CODEC_SIZES,
        color_fix="adain",
        precision=options.dtype,
        licence=LICENCE,
        provenance=_provenance(options, trained) | provenance,
        quality=quality,
        for_cuda=options.target == "cuda",
        # Unfused, the attention of one tile is gigabytes already; and TensorRT builds an engine for each number.
        restorer_batch="free" if options.target == "cuda" else "one",
    )


def _is_our_own(checkpoint: Path) -> bool:
    """Whether it is a run of our own training, and not the published ``model.pkl``."""
    return checkpoint.is_dir() or checkpoint.suffix in (CHECKPOINT_SUFFIX, SUFFIX)


def _restorer(
    options: SdOptions, base: Base, prompt: Tensor, trained: Checkpoint | None
) -> SdRestorer | SingleFrameSdRestorer:
    blocks = blocks_for(options.tile**2)
    if trained is not None:
        variant = VARIANTS[options.branches]
        return trained_restorer(trained, base, prompt, variant, blocks, options.detail_strength).eval()
    checkpoint = read_checkpoint(options.checkpoint)
    cfr = retrieval(base, checkpoint, blocks)
    return SdRestorer(cfr, OneStepUNet(merged_unet(base, checkpoint, options.detail_strength), prompt)).eval()


def _prompt(options: SdOptions, base: Base) -> Tensor:
    if options.prompt_embedding is not None:
        return read_embedding(options.prompt_embedding, base.prompt_width)
    return embed_prompt(options.base, options.prompt, base.prompt_width)


def _check(options: SdOptions) -> None:
    if options.tile < MIN_LATENT:
        raise UserError(f"--tile {options.tile}: at least {MIN_LATENT} latent samples are expected")
    if not 0 <= options.overlap <= options.tile // 2:
        raise UserError(f"--overlap {options.overlap}: 0 to {options.tile // 2}, half of --tile, is expected")
    if not math.isfinite(options.detail_strength):
        raise UserError(
            f"--detail-strength {options.detail_strength}: a number is expected, 1 for the model as trained"
        )
    if options.prompt and options.prompt_embedding is not None:
        raise UserError("--prompt and --prompt-embedding exclude each other")
    if options.branches != "both" and not _is_our_own(options.checkpoint):
        raise UserError(
            f"--branches {options.branches}: branches can be chosen of a run of our own training, and "
            f"{options.checkpoint} is none: leave --branches out; --detail-strength 0 gives consistency alone"
        )


def _provenance(options: SdOptions, trained: Checkpoint | None) -> dict[str, str]:
    prompt = f"embedding {options.prompt_embedding.name}" if options.prompt_embedding else f'"{options.prompt}"'
    codec = f"{options.codec.name}, in place of the base's autoencoder" if options.codec else "the base's autoencoder"
    run = {"steps": str(trained.step), "seed": str(trained.seed), "branches": options.branches} if trained else {}
    return run | {
        "base": options.base.resolve().name,
        "checkpoint": options.checkpoint.name,
        "prompt": prompt,
        "codec": codec,
        "target": options.target,
        "detail_strength": f"{options.detail_strength:g}",
    }
