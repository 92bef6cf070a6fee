"""Take the weights out of a pack, or fill them in at random: ``python -m dloral skeleton PACK --out FOLDER``.

A pack of Stable Diffusion's size is two gigabytes; its skeleton, half a megabyte, is enough to measure speed with.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``skeleton``."""
    parser.add_argument("pack", type=Path, help="folder of the pack; with --fill of the skeleton")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--fill", action="store_true", help="make a pack of a skeleton, with random weights")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")


def run(args: argparse.Namespace) -> None:
    """Write the skeleton, or the pack."""
    from dloral.skeleton.fill import fill_skeleton
    from dloral.skeleton.make import make_skeleton

    if args.fill:
        size = fill_skeleton(args.pack, args.out, args.seed)
        print(f"{args.out}: {size / 1e6:.1f} MB of random weights")
    else:
        size = make_skeleton(args.pack, args.out)
        print(f"{args.out}: {size / 1e6:.1f} MB of weights left out")
