"""The plan: which frames each part has, and the names that the parts' files get."""

import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from media import UserError, read_video

NAME = "plan.json"

# The plan gives these, or they would give the parts different pictures.
OWN_OPTIONS = (
    "--start",
    "--end",
    "--frames",
    "-n",
    "--preview",
    "--codec",
    "--out",
    "--format",
    "--json",
    "--force",
    "-f",
    "--fps",
    "--resume",
)


@dataclass(frozen=True)
class Part:
    """Frames of the input that follow each other. Times are microseconds from the input's beginning."""

    frames: int
    first: int
    """Time of the first frame."""
    start: int | None
    """Where it is cut; none: with the input's first frame."""
    end: int | None


@dataclass(frozen=True)
class Plan:
    """Everything that a machine needs to know to restore a part."""

    input: str
    size: int
    sha256: str
    stream: int
    options: list[str]
    parts: list[Part]

    @property
    def frames(self) -> int:
        """Of all parts."""
        return sum(part.frames for part in self.parts)

    def name(self, index: int) -> str:
        """The name of a part's file; it differs where input, options or range do."""
        part = self.parts[index]
        what = json.dumps([self.sha256, self.stream, self.options, part.start, part.end])
        return f"part-{index:05d}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.mkv"

    def part(self, index: int) -> Part:
        """The part of this number, from 0 on; raises :class:`UserError` if there is none."""
        if not 0 <= index < len(self.parts):
            raise UserError(f"there is no part {index}: the plan has parts 0 to {len(self.parts) - 1}")
        return self.parts[index]

    def check_input(self) -> Path:
        """The input; raises :class:`UserError` if it is plainly not the file that was planned for."""
        path = Path(self.input)
        if not path.is_file():
            raise UserError(f"the input {path} is not on {socket.gethostname()}: give a folder that all machines share")
        if path.stat().st_size != self.size:
            raise UserError(f"the input {path} is not the one of the plan: it had {self.size} bytes; make a new plan")
        return path


def make(path: Path, count: int, options: list[str]) -> Plan:
    """Cut a video into so many parts of about the same number of frames, or fewer where it has fewer frames."""
    check_options(options)
    options, stream = _without_stream(options)
    video = read_video(path, stream)
    return Plan(
        input=str(path.resolve()),
        size=path.stat().st_size,
        sha256=_sha256(path),
        stream=video.stream,
        options=options,
        parts=cut(video.times, count, interval_of(options)),
    )


def check_options(options: list[str]) -> None:
    """Raise :class:`UserError` for options of the program that do not give every part the same picture."""
    names = [option.partition("=")[0] for option in options]
    if own := [name for name in names if name in OWN_OPTIONS]:
        raise UserError(f"{own[0]} is not for parts: leave it out")
    for name in ("--model", "--provider"):
        if name not in names or "auto" in (value_of(options, name) or "auto"):
            raise UserError(
                f"name one with {name}, not auto: machines could choose different ones for parts of a video"
            )


def interval_of(options: list[str]) -> int:
    """One frame in so many is restored; raises :class:`UserError` if that is no number."""
    text = value_of(options, "--restore-interval") or "1"
    if not text.isdecimal() or int(text) == 0:
        raise UserError(f"--restore-interval {text}: it has to be a whole number from 1 on")
    return int(text)


def value_of(options: list[str], name: str) -> str | None:
    """What an option is given, as `--name value` or `--name=value`."""
    for option, following in zip(options, [*options[1:], ""], strict=True):
        given, equals, value = option.partition("=")
        if given == name:
            return value if equals else following
    return None


def _without_stream(options: list[str]) -> tuple[list[str], int | None]:
    """The number of the video stream belongs to the plan."""
    number = value_of(options, "--stream")
    if number is None:
        return options, None
    if not number.isdecimal():
        raise UserError(f"--stream {number}: it has to be a number, as ffprobe counts")
    at = next(at for at, option in enumerate(options) if option.partition("=")[0] == "--stream")
    return options[:at] + options[at + (1 if "=" in options[at] else 2) :], int(number)


def cut(times: list[int], count: int, interval: int = 1) -> list[Part]:
    """Parts of frames at these times, each but the last one of whole restore intervals."""
    # A part begins its intervals with its first frame, so that has to begin one of the whole video too.
    wanted = [len(times) * number // count // interval * interval for number in range(1, count)]
    # Frames at the same time cannot be parted.
    borders = sorted({at for at in wanted if at and times[at - 1] < times[at]})
    first = [0, *borders]
    behind = [*borders, len(times)]
    cuts = [None, *(_between(times[at - 1], times[at]) for at in borders), None]
    return [
        Part(frames=end - begin, first=times[begin], start=cuts[number], end=cuts[number + 1])
        for number, (begin, end) in enumerate(zip(first, behind, strict=True))
    ]


def _between(before: int, after: int) -> int:
    """The middle, at a whole millisecond where one is there: then times of whole milliseconds stay exact."""
    middle = (before + after) // 2
    rounded = middle // 1000 * 1000
    return rounded if rounded > before else middle


def store(plan: Plan, folder: Path) -> None:
    """Write the plan, or find the same one there; raises :class:`UserError` if another one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / NAME
    if file.exists():
        if load(folder) != plan:
            raise UserError(f"{file} is the plan of another input, other options or another count: use another folder")
        return
    temporary = folder / f"{NAME}.{socket.gethostname()}-{os.getpid()}"
    temporary.write_text(json.dumps(asdict(plan), indent=1), "utf-8")
    temporary.replace(file)


def load(folder: Path) -> Plan:
    """The folder's plan; raises :class:`UserError` if there is none."""
    file = folder / NAME
    try:
        table = json.loads(file.read_text("utf-8"))
        return Plan(**{**table, "parts": [Part(**part) for part in table["parts"]]})
    except FileNotFoundError as error:
        raise UserError(f"there is no {file}: make it with python parts.py plan INPUT {folder} --count N") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file} cannot be read ({error}): delete it and make it anew") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
