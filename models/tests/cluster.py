"""What the tests of examples/cluster share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "examples/cluster"
RESTORER = ["--model", "tiny", "--provider", "cpu", "--threads", "1"]

# Behaves as the program until it has been asked once before; then it kills who asked, in the middle of the work.
KILLS_ITS_WORKER = """#!/bin/sh
if mkdir {folder}/asked 2>/dev/null; then
  touch {folder}/killed
  kill -KILL $PPID
  exec sleep 600
fi
exec {program} "$@"
"""


def find_program() -> str:
    built = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release/dloralvsr"
    path = os.environ.get("DLORALVSR", str(built))
    if not Path(path).is_file() or shutil.which("ffmpeg") is None:
        pytest.skip(f"{path} and FFmpeg are needed: scripts/run.sh installs and builds them")
    return path


def make_clip(path: Path, *options: str) -> Path:
    sources = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x48:rate=25:duration=1.6",
        "-f",
        "lavfi",
        "-i",
        "sine=duration=1.6",
    ]
    subprocess.run(["ffmpeg", "-v", "error", *sources, *options, "-c:a", "aac", str(path)], check=True)
    return path


def restored_at_once(clip: Path, program: str, *options: str, folder: Path | None = None) -> list[str]:
    output = (folder or clip.parent) / f"{clip.stem}-at-once.mkv"
    command = [program, *RESTORER, *options, "--codec", "ffv1", str(clip), str(output)]
    subprocess.run(command, check=True, capture_output=True)
    return frames_of(output)


def frames_of(path: Path) -> list[str]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[-1] for line in lines if not line.startswith("#")]


def times_of(path: Path) -> list[float]:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    text = subprocess.run([*command, str(path)], check=True, capture_output=True, text=True).stdout
    return sorted(float(line.strip(",")) for line in text.split())


def codecs_of(path: Path) -> list[str]:
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def script(name: str, *words: object, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *map(str, words)],
        env=os.environ | {"DLORALVSR": program},
        capture_output=True,
        text=True,
        check=False,
    )


def does(name: str, *words: object, program: str) -> str:
    done = script(name, *words, program=program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(name: str, *words: object, program: str) -> str:
    """The one line that it says."""
    done = script(name, *words, program=program)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def plan(clip: Path, folder: Path, count: int, program: str, *options: str) -> None:
    words = [clip, folder, "--count", count, "--", *RESTORER, *options]
    assert does("parts.py", "plan", *words, program=program) == f"{count}\n"


def restore(folder: Path, count: int, program: str) -> None:
    for index in range(count):
        does("parts.py", "run", folder, index, program=program)


def stand_in(text: str, folder: Path, program: str) -> str:
    path = folder / "stand-in"
    path.write_text(text.format(folder=folder, program=program), "utf-8")
    path.chmod(0o755)
    return str(path)
