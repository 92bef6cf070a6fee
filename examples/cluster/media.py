"""What FFmpeg's programs say of a file, and how programs are run."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

# Formats whose clock starts anywhere: the program counts their times from the file's start.
ARBITRARY_START = {"mpegts", "mpeg", "mpegvideo"}


class UserError(Exception):
    """Something that the user can put right; its message says what happened, where, and what to do next."""


@dataclass(frozen=True)
class Video:
    """A file's video stream."""

    stream: int
    """ffprobe's number."""
    clock: Fraction
    """Length of a tick in seconds."""
    ticks: list[int]
    """Time of each frame, in order."""
    start: int
    """Of the whole file, in microseconds."""
    beginning: int
    """Time of the file's clock that is zero for the program, in microseconds."""

    @property
    def times(self) -> list[int]:
        """Of each frame, in microseconds from the beginning."""
        return [round(tick * self.clock * 1_000_000) - self.beginning for tick in self.ticks]

    @property
    def frame_ticks(self) -> int | None:
        """Length of a frame where it is constant."""
        lengths = {after - before for before, after in zip(self.ticks, self.ticks[1:], strict=False)}
        return lengths.pop() if len(lengths) == 1 else None


def run(command: Sequence[str | Path], name: str | None = None) -> str:
    """What a program prints; raises :class:`UserError` with its last words if it fails.

    ``name`` is what the message calls it where another program starts it.
    """
    name = name or str(command[0])
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"{name} cannot be started ({error}): is it installed?") from error
    if done.returncode:
        words = done.stderr.strip().splitlines()[-3:] or [f"status {done.returncode}"]
        raise UserError(f"{name} failed: {' / '.join(words)}")
    return done.stdout


def seconds(microseconds: int) -> str:
    """As FFmpeg and the program take them."""
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(microseconds), 1_000_000)
    return f"{sign}{whole}.{rest:06d}"


def read_video(path: Path, stream: int | None = None) -> Video:
    """The video stream of this number, or the first that is no cover; raises :class:`UserError` if it cannot be cut."""
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    known = _probe(path, "-show_entries", "stream=index,codec_type,time_base:stream_disposition:format")
    found = [one for one in known["streams"] if _is_wanted(one, stream)]
    if not found:
        raise UserError(f"{path} holds no such video stream: ffprobe lists what it holds")
    index = found[0]["index"]
    packets = _probe(path, "-select_streams", str(index), "-show_entries", "packet=pts,flags")["packets"]
    # Packets to be discarded lie before an edit list's beginning.
    shown = [packet for packet in packets if "D" not in packet["flags"]]
    if not shown or any("pts" not in packet for packet in shown):
        raise UserError(f"{path} has video packets without times: restore it on one machine, with dloralvsr itself")
    form = known["format"]
    start = round(float(form.get("start_time", 0)) * 1_000_000)
    beginning = start if form["format_name"] in ARBITRARY_START else 0
    return Video(index, Fraction(found[0]["time_base"]), sorted(packet["pts"] for packet in shown), start, beginning)


def subtitle_codecs(path: Path) -> list[str]:
    """The codecs of the file's subtitles, in order."""
    known = _probe(path, "-select_streams", "s", "-show_entries", "stream=codec_name")
    return [stream.get("codec_name", "unknown") for stream in known["streams"]]


def _is_wanted(stream: dict[str, Any], number: int | None) -> bool:
    if stream.get("codec_type") != "video":
        return False
    return not stream["disposition"]["attached_pic"] if number is None else stream["index"] == number


def _probe(path: Path, *arguments: str) -> dict[str, Any]:
    return json.loads(run(["ffprobe", "-v", "error", "-of", "json", *arguments, f"file:{path}"]))
