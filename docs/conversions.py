#!/usr/bin/env python3
"""What converting between YUV and RGB costs a restored file: luma against the ground truth, with and without.

Each clip is decoded and restored to I420 twice by the element in target/release: as it is, and through RGB by
`videoconvert` on both sides.

    python docs/conversions.py CLIPS/val CLIPS/val-lq [FRAMES]

Needs numpy, FFmpeg and GStreamer; clips as models/README.md describes them.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
WAYS = {
    "as it is": "dloralvsr ! video/x-raw,format=I420",
    "through RGB": ("videoconvert ! video/x-raw,format=RGB ! dloralvsr ! videoconvert ! video/x-raw,format=I420"),
}


def main(truths: Path, degraded: Path, count: int) -> None:
    """Print a row for each way: means over the clips at medium degradation."""
    print("| restored | luma PSNR, dB | luma, mean difference, levels |")
    print("|---|--:|--:|")
    for name, way in WAYS.items():
        rows = [compare(truth, degraded, way, count) for truth in sorted(truths.glob("*.mp4"))]
        quality, bias = np.mean(rows, axis=0)
        print(f"| {name} | {quality:.2f} | {bias:+.1f} |")


def compare(truth: Path, degraded: Path, way: str, count: int) -> tuple[float, float]:
    """PSNR and mean difference of a clip's luma."""
    lq = degraded / f"{truth.stem}.medium.mp4"
    width, height = (4 * side for side in size_of(lq))
    crop = f"crop={width}:{height}:0:0"
    command = ["ffmpeg", "-v", "error", "-i", truth, "-vf", crop, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    wanted = lumas(command, width, height, count)
    pipeline = f"filesrc location={lq} ! decodebin ! {way} ! identity eos-after={count + 1} ! fdsink fd=1"
    given = lumas(["gst-launch-1.0", "-q", *pipeline.split()], width, height, count)
    difference = given - wanted
    errors = np.square(difference).mean(axis=1)
    return float(np.mean(10 * np.log10(255**2 / errors))), float(difference.mean())


def lumas(command: list[str | Path], width: int, height: int, count: int) -> NDArray[np.float32]:
    """The first frames' luma, one in a row, of I420 on a command's standard output."""
    environment = os.environ | {"GST_PLUGIN_PATH": str(ROOT / "target/release")}
    frame = width * height * 3 // 2
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        data = process.stdout.read(frame * count)
        process.kill()
    frames = np.frombuffer(data, np.uint8).reshape(count, frame)
    return frames[:, : width * height].astype(np.float32)


def size_of(clip: Path) -> tuple[int, int]:
    """Width and height."""
    entries = ["-show_entries", "stream=width,height", "-of", "csv=p=0"]
    command = ["ffprobe", "-v", "error", "-select_streams", "v", *entries, clip]
    width, height = subprocess.check_output(command, text=True).strip().split(",")[:2]
    return int(width), int(height)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) == 4 else 10)
