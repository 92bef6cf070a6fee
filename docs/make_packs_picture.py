#!/usr/bin/env python3
"""Make packs.png: details of one frame, low quality, bicubic, by each pack, and as it was.

    python docs/make_packs_picture.py

The photograph is scikit-image's `chelsea` (CC0, Stéfan van der Walt), which no pack was trained on; the text is drawn.
Both move, and are degraded as the validation clips are at medium. Needs the package `dloral` with the extras `evaluate`
and `train`, and scikit-image.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from dloral.evaluate.methods import BICUBIC, make_method
from dloral.evaluate.reading import degraded, text_clip
from dloral.packs import SHIPPED

Frames = NDArray[np.uint8]

PACKS = [name for name in ("tiny", "small", "large") if (SHIPPED / name).is_dir()]
FRAMES, SHOWN = 5, 4
SIDE, LABEL, GAP = 200, 22, 4
PAN = 2


def main() -> None:
    """Write the picture."""
    photograph = data.chelsea()[:296]
    pan = np.stack([photograph[:, PAN * number : PAN * number + 432] for number in range(FRAMES)])
    rows = [row(pan, 60, 90), row(text_clip(22)[:FRAMES, :120, :480], 20, 20)]
    names = ["low quality", "bicubic", *PACKS, "truth"]
    Path(__file__).with_name("packs.png").write_bytes(sheet(names, rows))


def row(clean: Frames, left: int, top: int) -> list[Frames]:
    """The same detail of the shown frame, of every column."""
    low = degraded(clean, "medium")
    packs = {name: SHIPPED / name for name in PACKS}
    methods = [make_method(name, packs=packs, baselines=None, threads=0) for name in (BICUBIC, *PACKS)]
    restored = [list(method(iter(low)))[SHOWN] for method in methods]
    columns = [low[SHOWN].repeat(4, axis=0).repeat(4, axis=1), *restored, clean[SHOWN]]
    height = min(SIDE, clean.shape[1] - top)
    return [picture[top : top + height, left : left + SIDE] for picture in columns]


def sheet(names: list[str], rows: list[list[Frames]]) -> bytes:
    """All rows under one line of names, as PNG."""
    lines = [np.hstack([label(name) for name in names])]
    lines += [np.hstack([cv2.copyMakeBorder(p, 0, GAP, 0, GAP, 0, value=(255,) * 3) for p in row]) for row in rows]
    return cv2.imencode(".png", np.vstack(lines)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def label(text: str) -> Frames:
    """A name in black on white."""
    strip = np.full((LABEL, SIDE + GAP, 3), 255, np.uint8)
    return cv2.putText(strip, text, (2, LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
