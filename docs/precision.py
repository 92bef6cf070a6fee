#!/usr/bin/env python3
"""How far the pictures of OpenVINO are from those of the CPU provider in fp32, in the default precision and in bf16.

    python docs/precision.py PACK CLIP...

PACK is a name or a folder, CLIPs are low-quality videos, of which the first three frames are taken. Needs FFmpeg's
programs, the package `dloral`, and the example `restore_raw`, which cargo builds.
"""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dloral.evaluate.clips import read_frames

ROOT = Path(__file__).resolve().parents[1]
CORE = ["cargo", "run", "--quiet", "--release", "--no-default-features", "--example", "restore_raw", "--"]
FRAMES = 3
PRECISIONS = ("auto", "bf16")


def main() -> None:
    """Print a line a clip: the largest difference in levels, and the share of values that are more than two off."""
    pack, *clips = sys.argv[1:]
    print(f"| {'clip':28} | " + " | ".join(f"{name:>5}, over two" for name in PRECISIONS) + " |")
    for clip in clips:
        frames = list(islice(read_frames(Path(clip)), FRAMES))
        exact = restored(pack, frames, "cpu", "fp32")
        cells = [difference(restored(pack, frames, "openvino", name), exact) for name in PRECISIONS]
        print(f"| {Path(clip).stem:28} | " + " | ".join(cells) + " |")


def restored(pack: str, frames: list[NDArray[np.uint8]], provider: str, precision: str) -> NDArray[np.int16]:
    """The bytes of all pictures, by the element's core."""
    height, width, _ = frames[0].shape
    options = ["--model", pack, "--execution-provider", provider, "--precision", precision, f"{width}x{height}"]
    data = b"".join(frame.tobytes() for frame in frames)
    result = subprocess.run([*CORE, *options], cwd=ROOT, input=data, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(result.stdout, np.uint8).astype(np.int16)


def difference(ours: NDArray[np.int16], exact: NDArray[np.int16]) -> str:
    """Largest, and the share of values over two."""
    levels = np.abs(ours - exact)
    return f"{levels.max():5} {(levels > 2).mean():9.4%}"


if __name__ == "__main__":
    main()
