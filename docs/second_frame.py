#!/usr/bin/env python3
"""How much a second frame could bring at best: the table of docs/negative-results.md.

Each low-quality frame is compared with what it would be without noise and coding, which the ground truth tells; so is
its mean with the frame before, brought along the motion of those clean frames. What the mean does not lower, no model
can average away.

    python docs/second_frame.py CLIPS/val CLIPS/val-lq [FRAMES]

Needs the package dloral with its extra `evaluate`; clips as models/README.md describes them.
"""

import sys
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dloral.evaluate.clips import read_frames

Picture = NDArray[np.float32]
BLUR = {"mild": 0.8, "medium": 1.6, "heavy": 2.4}
"""Gaussian blur of a level, in ground-truth pixels, before the reduction by area to a quarter."""


def main(truths: Path, degraded: Path, count: int) -> None:
    """Print a row for each clip."""
    print("| clip | level | error alone | mean with the frame before, aligned | mean, not aligned |")
    print("|---|---|--:|--:|--:|")
    for level, blur in BLUR.items():
        for truth in sorted(truths.glob("*.mp4")):
            lq_frames = read_frames(degraded / f"{truth.stem}.{level}.mp4")
            lq = [frame.astype(np.float32) for frame in islice(lq_frames, count)]
            clean = [reduced(frame, blur, lq[0].shape) for frame in islice(read_frames(truth), count)]
            each = [errors(*pair) for pair in pairwise(zip(lq, clean, strict=True))]
            alone, aligned, unaligned = np.mean(each, axis=0)
            changes = f"{aligned / alone - 1:+.0%} | {unaligned / alone - 1:+.0%}"
            print(f"| {truth.stem} | {level} | {alone:.1f} | {changes} |")


def reduced(truth: NDArray[np.uint8], blur: float, shape: tuple[int, ...]) -> Picture:
    """The low-quality frame that the ground truth gives without noise and coding."""
    height, width = shape[0], shape[1]
    blurred = cv2.GaussianBlur(truth[: height * 4, : width * 4].astype(np.float32), (0, 0), blur)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)


def errors(before: tuple[Picture, Picture], now: tuple[Picture, Picture]) -> tuple[float, float, float]:
    """Squared error, in 8-bit levels, of a frame alone, of its mean with the one before aligned, and not aligned."""
    (lq_before, clean_before), (lq, clean) = before, now
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    flow = search.calc(gray(clean), gray(clean_before), np.zeros((*lq.shape[:2], 2), np.float32))
    ys, xs = np.mgrid[0 : lq.shape[0], 0 : lq.shape[1]].astype(np.float32)
    there = xs + flow[..., 0], ys + flow[..., 1]
    aligned = cv2.remap(lq_before, *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)

    def error(picture: Picture) -> float:
        return float(np.square(picture - clean).mean())

    half = np.float32(0.5)
    return error(lq), error(half * (lq + aligned)), error(half * (lq + lq_before))


def gray(picture: Picture) -> NDArray[np.uint8]:
    """8-bit luma."""
    return cv2.cvtColor(np.rint(picture).clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY).astype(np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 20)
