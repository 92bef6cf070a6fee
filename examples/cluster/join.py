"""Join the parts of a video, and put the input's audio, subtitles and attached files beside it.

    python join.py FOLDER OUTPUT [--encode "-c:v libx264 -crf 17"]

Without --encode the video stays FFV1, which is lossless. OUTPUT ends in .mkv or .mp4.
"""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

import plan as plans
from media import UserError, Video, read_video, run, seconds, subtitle_codecs
from parts import TEMPORARY, told
from plan import Plan

# Matroska keeps whole milliseconds: the part, its place and the joined file are each rounded to half of one.
TOLERANCE = 2_000

TEXT = {"subrip", "ass", "ssa", "webvtt", "mov_text", "text"}


def join(folder: Path, output: Path, encode: list[str]) -> int:
    """Write OUTPUT, which gets its name when it is whole and checked; the number of its frames."""
    plan = plans.load(folder)
    check_output(output, encode)
    parts = check_parts(folder, plan)
    video = read_video(plan.check_input(), plan.stream)
    listed = folder / f"list-{os.getpid()}.txt"
    temporary = output.with_name(f"{output.stem}.joining{output.suffix}")
    listed.write_text(_list(parts, plan), "utf-8")
    try:
        run(_command(listed, plan, video, encode, temporary))
        check_times(read_video(temporary), video)
        temporary.replace(output)
    finally:
        listed.unlink()
        temporary.unlink(missing_ok=True)
    # What attempts left behind whose machine died.
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)
    return plan.frames


def check_output(output: Path, encode: list[str]) -> None:
    """Raise :class:`UserError` for an output that cannot be written; asked before the work as well."""
    if output.suffix not in (".mkv", ".mp4"):
        raise UserError(f"{output} has to end in .mkv or .mp4")
    if output.suffix == ".mp4" and not encode:
        raise UserError(f'{output}: .mp4 does not hold FFV1; give --encode "-c:v libx264 -crf 17", or end it in .mkv')
    if output.exists():
        raise UserError(f"{output} is there already: choose another name or delete it")


def check_parts(folder: Path, plan: Plan) -> list[Path]:
    """The parts' files; raises :class:`UserError` for the first that is missing."""
    for index in range(len(plan.parts)):
        if (folder / plan.name(index)).is_file():
            continue
        others = sorted(folder.glob(f"part-{index:05d}-*.mkv"))
        of_another = f" ({others[0].name} is of another input, range or options)" if others else ""
        raise UserError(
            f"part {index} of parts 0 to {len(plan.parts) - 1} is missing in {folder}{of_another}: "
            f"restore it with python parts.py run {folder} {index}"
        )
    return [folder / plan.name(index) for index in range(len(plan.parts))]


def check_times(joined: Video, video: Video) -> None:
    """Raise :class:`UserError` where frames of the joined file are not those of the input, by number and time."""
    ours, theirs = joined.times, video.times
    if len(ours) != len(theirs):
        raise UserError(
            f"the joined file has {len(ours)} frames and the input {len(theirs)}: delete the parts, try anew"
        )
    off, at = max((abs(our - their), at) for at, (our, their) in enumerate(zip(ours, theirs, strict=True)))
    if off > TOLERANCE:
        raise UserError(f"frame {at} of the joined file is {off / 1000:.1f} ms away from its time in the input")


def _list(parts: list[Path], plan: Plan) -> str:
    """For FFmpeg's concat demuxer; a part lasts until the next one's first frame."""
    following = [*(part.first for part in plan.parts[1:]), None]
    lines = ["ffconcat version 1.0"]
    for path, part, then in zip(parts, plan.parts, following, strict=True):
        lines.append(f"file {path.name}")
        if then is not None:
            lines.append(f"duration {seconds(then - part.first)}")
    return "\n".join(lines) + "\n"


def _command(listed: Path, plan: Plan, video: Video, encode: list[str], output: Path) -> list[str]:
    # FFmpeg lets each input start at zero, and then moves it by the offset.
    inputs = ["-f", "concat", "-itsoffset", seconds(plan.parts[0].first), "-i", f"file:{listed.resolve()}"]
    inputs += ["-itsoffset", seconds(video.start - video.beginning), "-i", f"file:{plan.input}"]
    others = ["-map", "1:a?", "-c:a", "copy", "-copypriorss:a", "0", *_subtitles(plan, output)]
    if output.suffix == ".mkv":
        others += ["-map", "1:t?", "-c:t", "copy"]
    about = ["-map_metadata", "1", "-map_chapters", "1", "-avoid_negative_ts", "disabled"]
    return [
        *("ffmpeg", "-v", "error", "-y", *inputs, "-map", "0:v:0", *_video(plan, video, encode), *others, *about),
        f"file:{output.resolve()}",
    ]


def _video(plan: Plan, video: Video, encode: list[str]) -> list[str]:
    if not encode:
        return ["-c:v", "copy"]
    options = [*encode, "-fps_mode", "passthrough"]
    if length := video.frame_ticks:
        # The clock of the parts has milliseconds. Where frames are equally long, their times are known exactly.
        first = round(plan.parts[0].first / (video.clock * 1_000_000))
        options += ["-filter:v", f"settb={video.clock},setpts={first}+N*{length}", "-enc_time_base", str(video.clock)]
        # setpts of newer FFmpeg forgets how long a frame lasts; MP4's edit list would then hide the last one.
        options += ["-bsf:v", f"setts=pts=PTS:dts=DTS:duration={length}"]
    else:
        options += ["-enc_time_base", "1/1000"]
    return options


def _subtitles(plan: Plan, output: Path) -> list[str]:
    """Copied into .mkv, but for MP4's own text; text alone goes into .mp4."""
    options: list[str] = []
    number = 0
    for at, codec in enumerate(subtitle_codecs(Path(plan.input))):
        if output.suffix == ".mp4" and codec not in TEXT:
            continue
        other = "mov_text" if output.suffix == ".mp4" else "subrip" if codec == "mov_text" else "copy"
        options += ["-map", f"1:s:{at}", f"-c:s:{number}", other]
        number += 1
    return options


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--encode", type=shlex.split, default=[], help="FFmpeg's options of the video's encoder")
    arguments = parser.parse_args()
    return told(lambda: _join(arguments.folder, arguments.output, arguments.encode))


def _join(folder: Path, output: Path, encode: list[str]) -> None:
    print(f"{output}: {join(folder, output, encode)} frames")


if __name__ == "__main__":
    sys.exit(main())
