#!/usr/bin/env python3
"""Make before-after.png: details of the demo clip's first shot, bicubic beside restored by the program.

The first shot is the one whose photograph is not among the stills that the built-in model was trained on.

    python examples/demo/make_before_after.py

Needs cargo, the program `ffmpeg`, numpy and Pillow; the frames are restored by examples/restore_raw.rs.
"""

import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, SCALE = 320, 180, 4
# Frame number, and left and top of the detail in output pixels.
DETAILS = ((20, 330, 120), (40, 600, 260))
SIZE = (480, 360)
GAP = 8


def main() -> None:
    """Restore the clip and write the picture."""
    clip = REPOSITORY / "examples" / "demo" / "demo.mp4"
    decode = ["ffmpeg", "-v", "error", "-i", str(clip), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(decode, check=True, capture_output=True).stdout
    restore = ["cargo", "run", "--quiet", "--release", "--example", "restore_raw", "--", f"{WIDTH}x{HEIGHT}"]
    restored = subprocess.run(restore, check=True, capture_output=True, input=raw, cwd=REPOSITORY).stdout
    low = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
    high = np.frombuffer(restored, np.uint8).reshape(-1, HEIGHT * SCALE, WIDTH * SCALE, 3)
    sheet = np.full((2 * SIZE[1] + GAP, 2 * SIZE[0] + GAP, 3), 255, np.uint8)
    for row, (frame, left, top) in enumerate(DETAILS):
        bicubic = Image.fromarray(low[frame]).resize((WIDTH * SCALE, HEIGHT * SCALE), Image.Resampling.BICUBIC)
        for column, picture in enumerate((np.asarray(bicubic), high[frame])):
            y, x = row * (SIZE[1] + GAP), column * (SIZE[0] + GAP)
            sheet[y : y + SIZE[1], x : x + SIZE[0]] = picture[top : top + SIZE[1], left : left + SIZE[0]]
    Image.fromarray(sheet).save(REPOSITORY / "examples" / "demo" / "before-after.png", optimize=True)


if __name__ == "__main__":
    main()
