"""Write a run's averaged weights to a small file, from which ``export`` makes packs and ``train --init`` starts."""

import argparse
from pathlib import Path

from dloral.errors import UserError
from dloral.train.checkpoint import load_checkpoint
from dloral.train.weights_file import SUFFIX, write_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m dloral weights``."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of a training run, or a checkpoint file")
    parser.add_argument("--out", type=Path, required=True, help=f"the file, ending in {SUFFIX}")


def run(args: argparse.Namespace) -> None:
    """Write the file."""
    if args.out.suffix != SUFFIX:
        raise UserError(f"--out {args.out} has to end in {SUFFIX}")
    write_weights(args.out, load_checkpoint(args.checkpoint))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")
