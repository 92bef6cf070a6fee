"""Reading clips as the protocol has them: RGB u8 frames through ffmpeg, ground truth beside its low-quality versions.

ffmpeg as a program is used because they were made with it: the same conversion to RGB, flag by flag, is part of
what is measured (swscale's default shifts colours by about a level).
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dloral.errors import UserError

Picture = NDArray[np.uint8]

SWS_FLAGS = "accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"
LEVELS = ("mild", "medium", "heavy")
SCALE = 4

_MULTIPLE = 8


@dataclass(frozen=True)
class Clip:
    """A ground-truth clip and its low-quality versions, level -> file."""

    name: str
    truth: Path
    low_quality: dict[str, Path]


def find_clips(truth: Path, low_quality: Path, levels: Sequence[str], names: Sequence[str] = ()) -> list[Clip]:
    """Clips NAME.mp4 in ``truth`` with NAME.LEVEL.mp4 in ``low_quality`` for every level; ``names`` empty: all."""
    files = {path.stem: path for path in sorted(truth.glob("*.mp4"))}
    if not files:
        raise UserError(f"no clips (*.mp4) in {truth}")
    if unknown := set(names) - files.keys():
        raise UserError(f"no clip {', '.join(sorted(unknown))} in {truth}; there are {', '.join(files)}")
    clips = [
        Clip(name, path, {level: low_quality / f"{name}.{level}.mp4" for level in levels})
        for name, path in files.items()
        if not names or name in names
    ]
    if missing := [str(version) for clip in clips for version in clip.low_quality.values() if not version.is_file()]:
        raise UserError(f"low-quality versions are missing: {', '.join(missing)}; give their folder, or other --levels")
    return clips


def find_no_reference(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Low-quality clips *.mp4 in ``folder`` that have no ground truth; ``names`` empty: all."""
    files = {path.stem: path for path in sorted(folder.glob("*.mp4"))}
    if not files:
        raise UserError(f"no clips (*.mp4) in {folder}")
    if unknown := set(names) - files.keys():
        raise UserError(f"no clip {', '.join(sorted(unknown))} in {folder}; there are {', '.join(files)}")
    return [path for name, path in files.items() if not names or name in names]


def read_truth(path: Path) -> Iterator[Picture]:
    """Frames of a ground-truth clip, cropped to multiples of 8."""
    for frame in read_frames(path):
        height, width = (side - side % _MULTIPLE for side in frame.shape[:2])
        yield np.ascontiguousarray(frame[:height, :width])


def read_frames(path: Path) -> Iterator[Picture]:
    """All frames of a video, RGB u8 [H,W,3], one after the other; the same number as in the file.

    They are as they are coded, whatever rotation the file asks players for: that is the size ffprobe tells.
    """
    height, width = _size(path)
    command = ["ffmpeg", "-v", "error", "-noautorotate", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    command += ["-sws_flags", SWS_FLAGS, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages)
        assert process.stdout is not None  # because of stdout=PIPE
        length = height * width * 3
        try:
            while len(data := process.stdout.read(length)) == length:
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            process.stdout.close()
            if process.wait() or data:
                messages.seek(0)
                text = messages.read().decode(errors="replace").strip()
                raise UserError(f"ffmpeg could not read {path} to its end: {text or 'the last frame is cut off'}")
        finally:
            # Whoever took the first frames only leaves ffmpeg behind, still writing.
            process.kill()
            process.stdout.close()
            process.wait()


def count_frames(path: Path) -> int:
    """Number of frames that a video decodes to, which may be fewer than its packets, as in a cut that was not recoded.

    Raises :class:`UserError` if they are not all of one size: ffmpeg would fit the later ones into the first.
    """
    sizes = _lines(path, "frame=width,height")
    if len(set(sizes)) > 1:
        raise UserError(f"{path}: the frame size changes ({' and '.join(sorted(set(sizes)))}); take it out or mend it")
    return len(sizes)


def frame_rate(path: Path) -> str:
    """Frames per second as a fraction, such as ``30000/1001``."""
    return _probe(path, "stream=r_frame_rate")[0]


def _size(path: Path) -> tuple[int, int]:
    width, height = _probe(path, "stream=width,height")[:2]
    return int(height), int(width)


def _probe(path: Path, entries: str) -> list[str]:
    return _lines(path, entries)[0].split(",")


def _lines(path: Path, entries: str) -> list[str]:
    """What ffprobe says of the first video stream, or of each of its frames; at least one line."""
    if not shutil.which("ffprobe") or not shutil.which("ffmpeg"):
        raise UserError("ffmpeg and ffprobe are not installed (Debian: apt install ffmpeg)")
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "csv=p=0"]
    answer = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    lines = [line.rstrip(",") for line in answer.stdout.split()]
    if answer.returncode or not lines:
        raise UserError(f"{path} is not a video that can be read: {answer.stderr.strip() or 'no video stream'}")
    return lines
