"""Export branches on their base as a pack: ``python -m dloral export --base BASE --checkpoint RUN --out models/tiny``.

On a Stable Diffusion base the checkpoint may also be DLoRAL's own published one.
"""

import argparse
import subprocess
from dataclasses import replace
from pathlib import Path

from dloral.arguments import refuse_given
from dloral.errors import UserError
from dloral.export.pack import CHECKS, PackParts, write_pack
from dloral.manifest import GRAPHS
from dloral.model.variants import VARIANTS
from dloral.quality import read_quality

SD_ONLY = ("dtype", "target", "prompt", "prompt_embedding", "tile", "overlap", "codec")
"""Options of :class:`SdOptions`, which has their defaults."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``export``."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        help="folder of a training run of branches, or a checkpoint file; DLoRAL's own is model.pkl",
    )
    parser.add_argument(
        "--base",
        type=Path,
        required=True,
        help="folder of dloral base, or of Stable Diffusion 2.1-base as diffusers lays it out",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack")
    parser.add_argument("--branches", choices=VARIANTS, default="both", help="branches to merge")
    parser.add_argument(
        "--detail-strength", type=float, default=1.0, help="how much of the detail branch is merged; 1: as trained"
    )
    parser.add_argument("--name", help="name of the pack; default: the folder's")
    parser.add_argument("--provenance", type=_assignment, action="append", default=[], metavar="KEY=TEXT")
    parser.add_argument(
        "--bf16",
        nargs="+",
        choices=GRAPHS,
        default=[],
        help="graphs that leave pictures within two levels where their products are bf16: said in the pack",
    )
    parser.add_argument(
        "--color-fix",
        choices=("none", "adain", "wavelet"),
        help="how the host brings colours back to the input's (default: adain for Stable Diffusion, else none)",
    )
    parser.add_argument(
        "--check", choices=CHECKS, default="full", help="at how many sizes the graphs are compared with torch"
    )
    parser.add_argument("--quality", type=Path, help="TOML file of measured figures to store in the pack")
    published = parser.add_argument_group(
        "Stable Diffusion", "published weights or branches of our own; needs the extra sd"
    )
    published.add_argument("--dtype", choices=("fp16", "fp32"), help="arithmetic inside the graphs; default: fp16")
    published.add_argument(
        "--target",
        choices=("plain", "cuda"),
        help="plain (default): runs everywhere, best for TensorRT; cuda: fused operators that only ONNX Runtime's CUDA "
        "has",
    )
    published.add_argument("--prompt", help="text for the base's text encoder; default: none")
    published.add_argument("--prompt-embedding", type=Path, help="NumPy file, float32 [1,77,D], in place of --prompt")
    published.add_argument("--tile", type=int, help="the restorer's tile in latent samples, at least 64; default: 96")
    published.add_argument("--overlap", type=int, help="of neighbouring tiles, in latent samples; default: 32")
    published.add_argument("--codec", type=Path, help="folder of a TAESD, in place of the base's autoencoder")


def run(args: argparse.Namespace) -> None:
    """Write the pack."""
    provenance = {"commit": _commit()} | dict(args.provenance)
    quality = read_quality(args.quality) if args.quality else {}
    name = args.name or args.out.name
    if (args.base / "base.toml").is_file():
        refuse_given(args, SD_ONLY, "is for a Stable Diffusion base")
        parts = _based(args, name, provenance, quality)
    else:
        parts = _published(args, name, provenance, quality)
    parts = replace(parts, bf16=tuple(args.bf16), color_fix=args.color_fix or parts.color_fix)
    write_pack(parts, args.out, args.check)
    print(f"{args.out}: {sum(file.stat().st_size for file in args.out.iterdir()) / 1e6:.2f} MB")


def _based(args: argparse.Namespace, name: str, provenance: dict[str, str], quality: dict[str, float]) -> PackParts:
    from dloral.export.based import based_parts
    from dloral.train.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(args.checkpoint)
    made_of = {"steps": str(checkpoint.step), "seed": str(checkpoint.seed), "branches": args.branches}
    provenance = made_of | {"detail_strength": f"{args.detail_strength:g}"} | provenance
    return based_parts(args.base, checkpoint, VARIANTS[args.branches], name, provenance, quality, args.detail_strength)


def _published(args: argparse.Namespace, name: str, provenance: dict[str, str], quality: dict[str, float]) -> PackParts:
    try:
        from dloral.export.sd import SdOptions, sd_parts
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "dloral":
            raise
        raise UserError(
            f"Stable Diffusion needs the Python package {error.name!r}: in a checkout, pip install -e 'models[sd]'"
        ) from error
    given = {name: value for name in SD_ONLY if (value := getattr(args, name)) is not None}
    options = SdOptions(
        base=args.base,
        checkpoint=args.checkpoint,
        detail_strength=args.detail_strength,
        branches=args.branches,
        **given,
    )
    return sd_parts(options, name, provenance, quality)


def _assignment(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=TEXT")
    return key, value


def _commit() -> str:
    here = Path(__file__).resolve().parent
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git
        return "unknown"
    return result.stdout.strip() or "unknown"
