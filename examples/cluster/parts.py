"""Cut a video into parts and restore them, each by a command of its own.

    python parts.py plan INPUT FOLDER --count N -- --model NAME --provider NAME [OPTIONS OF dloralvsr]
    python parts.py run FOLDER INDEX

`plan` prints the number of parts; they are numbered from 0 on. FOLDER is one that all machines share.
`DLORALVSR` names the program; without it `dloralvsr` is looked for on the PATH, then in the checkout.
"""

import argparse
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import plan as plans
from media import UserError, read_video, run, seconds
from plan import Part, Plan

TEMPORARY = "temporary"


def restore(folder: Path, index: int) -> bool:
    """Restore a part, unless it is there; whether it was restored now."""
    plan = plans.load(folder)
    part, output = plan.part(index), folder / plan.name(index)
    if output.exists():
        return False
    plan.check_input()
    # A name of this attempt's own: another machine may still be at the same part.
    work = folder / TEMPORARY / f"{index:05d}-{socket.gethostname()}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _video_alone(plan, part, work).replace(output)
    except UserError as error:
        raise UserError(f"part {index} failed on {socket.gethostname()}, nothing of it is kept: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return True


def _video_alone(plan: Plan, part: Part, work: Path) -> Path:
    """The restored part without audio and all else, which the join takes from the input."""
    restored, video = work / "restored.mkv", work / "video.mkv"
    run([*_program(), *_options(plan, part), plan.input, restored], name="dloralvsr")
    run(["ffmpeg", "-v", "error", "-i", f"file:{restored}", "-map", "0:v:0", "-c", "copy", f"file:{video}"])
    frames = len(read_video(video).ticks)
    if frames != part.frames:
        raise UserError(
            f"{frames} frames came out and not the {part.frames} that ffprobe counts: "
            "restore this video on one machine, with dloralvsr itself"
        )
    return video


def _options(plan: Plan, part: Part) -> list[str]:
    options = [*plan.options, "--stream", str(plan.stream), "--codec", "ffv1"]
    for name, time in (("--start", part.start), ("--end", part.end)):
        if time is not None:
            options += [name, seconds(time)]
    return options


def _program() -> list[str]:
    """The program; where setpriv is there, it ends with the process that started it, even if that is killed."""
    checkout = Path(__file__).resolve().parents[2] / "target/release/dloralvsr"
    program = os.environ.get("DLORALVSR") or shutil.which("dloralvsr") or str(checkout)
    if not Path(program).is_file():
        raise UserError(f"there is no program {program}: install dloralvsr, or name it in DLORALVSR")
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", program] if setpriv else [program]


def command_line() -> tuple[list[str], list[str]]:
    """The words before and after the first `--`."""
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: it has to be a whole number from 1 on")
    return int(text)


def told(work: Callable[[], None]) -> int:
    """Do it; the status. What the user can put right is printed without a traceback."""
    try:
        work()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """The command line."""
    words, options = command_line()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    planning = commands.add_parser("plan", help="cut a video into parts")
    planning.add_argument("input", type=Path)
    planning.add_argument("folder", type=Path)
    planning.add_argument("--count", type=positive, required=True, help="number of parts")
    running = commands.add_parser("run", help="restore a part, unless it is there")
    running.add_argument("folder", type=Path)
    running.add_argument("index", type=int)
    arguments = parser.parse_args(words)
    if arguments.command == "plan":
        return told(lambda: _plan(arguments.input, arguments.folder, arguments.count, options))
    return told(lambda: _run(arguments.folder, arguments.index))


def _plan(path: Path, folder: Path, count: int, options: list[str]) -> None:
    plan = plans.make(path, count, options)
    plans.store(plan, folder)
    print(len(plan.parts))


def _run(folder: Path, index: int) -> None:
    print(f"part {index} is {'restored' if restore(folder, index) else 'there already'}")


if __name__ == "__main__":
    sys.exit(main())
