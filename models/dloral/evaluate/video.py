"""A video with all methods side by side, for the eye."""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dloral.errors import UserError
from dloral.evaluate.clips import SWS_FLAGS
from dloral.evaluate.measure import Instant

Picture = NDArray[np.uint8]

_CAPTION = 24
_CRF = "14"
"""Nearly without loss: what is to be judged should not be x264's work."""


class SideBySide:
    """Writes CLIP.LEVEL.mp4 for each level of a clip: the pictures in two rows, with their names; a context manager."""

    def __init__(self, folder: Path, clip: str, rate: str) -> None:
        """``rate``: frames per second as ffmpeg writes it, such as ``30000/1001``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.clip, self.rate = folder, clip, rate
        self.writers: dict[str, VideoWriter] = {}

    def __enter__(self) -> "SideBySide":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for writer in self.writers.values():
            writer.close(keep=error is None)

    def add(self, instant: Instant) -> None:
        """Write one moment."""
        for level in instant.low:
            frame = grid(instant.columns(level))
            if level not in self.writers:
                path = self.folder / f"{self.clip}.{level}.mp4"
                self.writers[level] = VideoWriter(path, frame.shape[1], frame.shape[0], self.rate)
            self.writers[level].write(frame)


class VideoWriter:
    """ffmpeg, fed with RGB frames of one size; writes H.264 in yuv420p, which every browser plays."""

    def __init__(self, path: Path, width: int, height: int, rate: str) -> None:
        self.path = path
        command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        command += ["-r", rate, "-i", "-", "-vf", f"scale=flags={SWS_FLAGS}:out_color_matrix=bt709,format=yuv420p"]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", _CRF, "-colorspace", "bt709", str(path)]
        self.messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 # closed with the process
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self.messages)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close(keep=error is None)

    def write(self, frame: Picture) -> None:
        """Add a frame, RGB u8 [height, width, 3]."""
        assert self.process.stdin is not None  # because of stdin=PIPE
        try:
            self.process.stdin.write(frame.tobytes())
        except BrokenPipeError:
            self.close(keep=True)

    def close(self, *, keep: bool) -> None:
        """End the file, once; raises :class:`UserError` if ffmpeg failed, unless the video is not wanted any more."""
        if self.messages.closed:
            return
        assert self.process.stdin is not None  # because of stdin=PIPE
        with suppress(BrokenPipeError):  # if ffmpeg is gone already, its status says why
            self.process.stdin.close()
        failed = self.process.wait() != 0
        self.messages.seek(0)
        text = self.messages.read().decode(errors="replace").strip()
        self.messages.close()
        if failed and keep:
            raise UserError(f"ffmpeg could not write {self.path}: {text or 'it ended early'}")


def grid(columns: dict[str, Picture]) -> Picture:
    """Two rows (one for up to three pictures), each picture below its name; even in size, as yuv420p wants it."""
    height, width = next(iter(columns.values())).shape[:2]
    rows = 1 if len(columns) <= 3 else 2
    across = -(-len(columns) // rows)
    sheet = Image.new("RGB", (across * width, rows * (height + _CAPTION)), "black")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for index, (name, picture) in enumerate(columns.items()):
        x, y = index % across * width, index // across * (height + _CAPTION)
        draw.text((x + 4, y + 2), name, fill="white", font=font)
        sheet.paste(Image.fromarray(picture), (x, y + _CAPTION))
    return np.asarray(sheet)
