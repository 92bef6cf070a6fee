"""The frames that all methods get."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dloral.errors import UserError


@dataclass(frozen=True)
class Clip:
    """``frames``: RGB u8 [N,H,W,3]."""

    frames: NDArray[np.uint8]

    @property
    def width(self) -> int:
        return int(self.frames.shape[2])

    @property
    def height(self) -> int:
        return int(self.frames.shape[1])

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """The frames as a file of raw RGB, while the context lasts."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.rgb"
            path.write_bytes(self.frames.tobytes())
            yield path


def draw(width: int, height: int, count: int) -> Clip:
    """Waves and edges that move by a pixel a frame, with grain: needs no file, and takes every method as long."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0 : width + count].astype(np.float32)
    waves = [90 * np.sin(x / (5 + c) + y / 17) * np.cos(y / (4 + 2 * c)) for c in range(3)]
    scene = 120 + np.stack(waves, -1) + 30 * (((x // 12 + y // 10) % 2)[..., None])
    frames = [scene[:, at : at + width] + rng.normal(0, 3, (height, width, 3)) for at in range(count)]
    return Clip(np.stack(frames).clip(0, 255).astype(np.uint8))


def read(path: Path, width: int, height: int, count: int) -> Clip:
    """The first ``count`` frames of a video, scaled to ``width``×``height``, by FFmpeg's program."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", str(count)]
    command += ["-vf", f"scale={width}:{height}:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    try:
        data = subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{path} could not be read with ffmpeg ({error}): without --clip one is drawn") from error
    frames = np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)
    if not len(frames):
        raise UserError(f"{path} has no frames")
    return Clip(frames)
