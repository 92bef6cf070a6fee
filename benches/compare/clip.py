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


def read(path: Path, width: int, height: int, count: int) -> Clip:
    """The first ``count`` frames of a video, scaled to ``width``×``height``."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", str(count)]
    command += ["-vf", f"scale={width}:{height}:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    try:
        data = subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{path} could not be read with ffmpeg: {error}") from error
    frames = np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)
    if not len(frames):
        raise UserError(f"{path} has no frames")
    return Clip(frames)
