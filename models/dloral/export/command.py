"""Export a trained model as a pack: ``python -m dloral export --checkpoint runs/tiny --out models/tiny``."""

import argparse
import subprocess
import tomllib
from pathlib import Path

from dloral.errors import UserError
from dloral.export.pack import write_pack
from dloral.export.tiny import tiny_parts
from dloral.model.arms import ARMS
from dloral.train.checkpoint import load_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``export``."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of a training run, or a checkpoint file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack")
    parser.add_argument(
        "--branches", choices=ARMS, default="both", help="branches to merge, of a checkpoint that has them"
    )
    parser.add_argument("--name", help="name of the pack; default: the folder's")
    parser.add_argument("--provenance", type=_assignment, action="append", default=[], metavar="KEY=TEXT")
    parser.add_argument("--quality", type=Path, help="TOML file of measured figures to store in the pack")


def run(args: argparse.Namespace) -> None:
    """Write the pack."""
    checkpoint = load_checkpoint(args.checkpoint)
    provenance = {"commit": _commit(), "steps": str(checkpoint.step), "seed": str(checkpoint.seed)}
    provenance |= dict(args.provenance)
    quality = _quality(args.quality) if args.quality else {}
    arm = ARMS[args.branches]
    write_pack(tiny_parts(checkpoint, arm, args.name or args.out.name, provenance, quality), args.out)
    print(f"{args.out}: {sum(file.stat().st_size for file in args.out.iterdir()) / 1e6:.2f} MB")


def _assignment(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=TEXT")
    return key, value


def _quality(path: Path) -> dict[str, float]:
    try:
        return {str(key): float(value) for key, value in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: a table of figures is wanted, KEY = NUMBER a line ({error})") from error


def _commit() -> str:
    here = Path(__file__).resolve().parent
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"
