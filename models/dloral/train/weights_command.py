"""Write runs' averaged weights to a small file, from which ``export`` makes packs and ``train --init`` starts."""

import argparse
from pathlib import Path

from dloral.errors import UserError
from dloral.train.average import average
from dloral.train.checkpoint import load_checkpoint
from dloral.train.weights_file import SUFFIX, write_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m dloral weights``."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        required=True,
        help="folder of a training run, or a checkpoint file; of several, of one beginning, the mean",
    )
    parser.add_argument("--shares", type=float, nargs="+", help="of each checkpoint in the mean; default: equal ones")
    parser.add_argument("--out", type=Path, required=True, help=f"the file, ending in {SUFFIX}")


def run(args: argparse.Namespace) -> None:
    """Write the file."""
    if args.out.suffix != SUFFIX:
        raise UserError(f"--out {args.out} has to end in {SUFFIX}")
    checkpoints = [load_checkpoint(path) for path in args.checkpoint]
    shares = args.shares or [1 / len(checkpoints)] * len(checkpoints)
    write_weights(args.out, average(checkpoints, shares))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")
