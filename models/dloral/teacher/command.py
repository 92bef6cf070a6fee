"""Make or continue a teacher's cache: windows of clips and stills, and a base's output for their clean reduction."""

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from dloral.arguments import positive
from dloral.bases.store import load_base
from dloral.data.sources import listing, open_sources
from dloral.teacher.cache import Cache, Contents
from dloral.teacher.teach import taught


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m dloral teach``."""
    parser.add_argument("--base", type=Path, required=True, help="folder of the base that teaches")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clips and stills")
    parser.add_argument("--out", type=Path, required=True, help="folder of the cache")
    parser.add_argument("--windows", type=positive, default=2000, help="stop when so many are there")
    parser.add_argument("--seed", type=int, default=1, help="decides the windows")
    parser.add_argument("--device", default="cpu", help="where the teacher runs, as PyTorch calls it")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    base = load_base(args.base)
    contents = Contents(base=base.sha256, data=listing(args.data), seed=args.seed)
    cache = Cache.create(args.out, contents)
    missing = [number for number in range(args.windows) if not cache.has(number)]
    if not missing:
        print(f"{args.out}: all {args.windows} windows are there")
        return
    sources = open_sources(args.data, args.out / "frames", contents.frames, contents.size)
    device = torch.device(args.device)
    network = base.network.to(device)
    for number in tqdm(missing, desc="windows", unit="window"):
        clean = sources.sample(cache.rng(number), contents.frames, contents.size, contents.still_share)
        cache.write(number, clean, taught(network, clean, device))
    print(f"{args.out}: {args.windows} windows")
