"""A video restored in parts is the video restored at once, whatever happens on the way (examples/cluster)."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "examples/cluster"
RESTORER = ["--model", "tiny", "--provider", "cpu", "--threads", "1"]

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install ray")

# Behaves as the program until it has been asked once before; then it kills who asked, in the middle of the work.
KILLS_ITS_WORKER = """#!/bin/sh
if mkdir {folder}/asked 2>/dev/null; then
  touch {folder}/killed
  kill -KILL $PPID
  exec sleep 600
fi
exec {program} "$@"
"""

# The first part is restored; at the second it says so and stays at it.
STAYS_AT_THE_SECOND = """#!/bin/sh
if mkdir {folder}/first 2>/dev/null; then
  exec {program} "$@"
fi
touch {folder}/second
exec sleep 600
"""


@pytest.fixture(scope="module")
def program() -> str:
    built = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release/dloralvsr"
    path = os.environ.get("DLORALVSR", str(built))
    if not Path(path).is_file() or shutil.which("ffmpeg") is None:
        pytest.skip(f"{path} and FFmpeg are needed: scripts/run.sh installs and builds them")
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames with sound, and B-frames, so that packets are not in the order of their times."""
    return _clip(tmp_path_factory.mktemp("clip") / "in.mp4", "-c:v", "libx264", "-bf", "2")


@pytest.fixture(scope="module")
def at_once(clip: Path, program: str) -> list[str]:
    return _at_once(clip, program)


def _clip(path: Path, *options: str) -> Path:
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


def _at_once(clip: Path, program: str) -> list[str]:
    output = clip.with_name(f"{clip.stem}-at-once.mkv")
    subprocess.run([program, *RESTORER, "--codec", "ffv1", str(clip), str(output)], check=True, capture_output=True)
    return _frames(output)


def _frames(path: Path) -> list[str]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[-1] for line in lines if not line.startswith("#")]


def _times(path: Path) -> list[float]:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    text = subprocess.run([*command, str(path)], check=True, capture_output=True, text=True).stdout
    return sorted(float(line.strip(",")) for line in text.split())


def _codecs(path: Path) -> list[str]:
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def _script(name: str, *words: object, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *map(str, words)],
        env=os.environ | {"DLORALVSR": program},
        capture_output=True,
        text=True,
        check=False,
    )


def _does(name: str, *words: object, program: str) -> str:
    done = _script(name, *words, program=program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _fails(name: str, *words: object, program: str) -> str:
    """The one line that it says."""
    done = _script(name, *words, program=program)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def _plan(clip: Path, folder: Path, count: int, program: str) -> None:
    assert _does("parts.py", "plan", clip, folder, "--count", count, "--", *RESTORER, program=program) == f"{count}\n"


def _restore(folder: Path, count: int, program: str) -> None:
    for index in range(count):
        _does("parts.py", "run", folder, index, program=program)


def _stand_in(text: str, folder: Path, program: str) -> str:
    path = folder / "stand-in"
    path.write_text(text.format(folder=folder, program=program), "utf-8")
    path.chmod(0o755)
    return str(path)


def test_joined_parts_are_the_video_restored_at_once(
    clip: Path, at_once: list[str], program: str, tmp_path: Path
) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    _plan(clip, parts, 2, program)
    _restore(parts, 2, program)
    _does("join.py", parts, output, program=program)
    assert _frames(output) == at_once
    assert _times(output) == _times(clip)
    assert _codecs(output) == ["ffv1", "aac"]
    assert not (parts / "temporary").exists()


def test_frames_of_varying_length_keep_their_times(program: str, tmp_path: Path) -> None:
    left_out = ["-vf", r"select='not(eq(mod(n\,7)\,3))'", "-fps_mode", "vfr", "-c:v", "libx264"]
    clip = _clip(tmp_path / "in.mkv", *left_out)
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    _plan(clip, parts, 3, program)
    _restore(parts, 3, program)
    _does("join.py", parts, output, program=program)
    assert _frames(output) == _at_once(clip, program)
    assert _times(output) == _times(clip)


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_encoded_anew_the_times_are_the_inputs(clip: Path, program: str, tmp_path: Path, ending: str) -> None:
    parts, output = tmp_path / "parts", tmp_path / f"out.{ending}"
    _plan(clip, parts, 2, program)
    _restore(parts, 2, program)
    _does("join.py", parts, output, "--encode", "-c:v libx264 -crf 17", program=program)
    assert _times(output) == _times(clip)
    assert _codecs(output) == ["h264", "aac"]


def test_a_transport_stream_begins_at_zero(clip: Path, program: str, tmp_path: Path) -> None:
    stream = tmp_path / "in.ts"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", str(stream)], check=True)
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    _plan(stream, parts, 2, program)
    _restore(parts, 2, program)
    _does("join.py", parts, output, program=program)
    assert _frames(output) == _at_once(stream, program)


def test_a_part_that_is_there_is_not_restored_again(clip: Path, program: str, tmp_path: Path) -> None:
    _plan(clip, tmp_path, 2, program)
    _restore(tmp_path, 1, program)
    _plan(clip, tmp_path, 2, program)
    assert _does("parts.py", "run", tmp_path, 0, program="/nowhere") == "part 0 is there already\n"


def test_a_killed_worker_leaves_no_part(clip: Path, at_once: list[str], program: str, tmp_path: Path) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    kills = _stand_in(KILLS_ITS_WORKER, tmp_path, program)
    _plan(clip, parts, 2, program)
    assert _script("parts.py", "run", parts, 0, program=kills).returncode == -9
    assert not list(parts.glob("part-*"))
    _restore(parts, 2, kills)
    _does("join.py", parts, output, program=program)
    assert _frames(output) == at_once


def test_a_missing_part_is_named_and_how_to_restore_it(clip: Path, program: str, tmp_path: Path) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    _plan(clip, parts, 2, program)
    _restore(parts, 1, program)
    said = _fails("join.py", parts, output, program=program)
    assert "part 1 of parts 0 to 1 is missing" in said
    assert f"python parts.py run {parts} 1" in said
    assert not output.exists()


def test_a_part_of_another_run_is_not_taken(clip: Path, program: str, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    _plan(clip, parts, 2, program)
    (parts / "part-00000-0123456789abcdef.mkv").write_bytes(b"of another run")
    said = _fails("join.py", parts, tmp_path / "out.mkv", program=program)
    assert "part-00000-0123456789abcdef.mkv is of another input, range or options" in said


def test_another_plan_is_refused_in_the_same_folder(clip: Path, program: str, tmp_path: Path) -> None:
    _plan(clip, tmp_path, 2, program)
    said = _fails("parts.py", "plan", clip, tmp_path, "--count", 3, "--", *RESTORER, program=program)
    assert "use another folder" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "name one with --model, not auto"),
        (["--model", "tiny", "--provider=auto"], "name one with --provider, not auto"),
        ([*RESTORER, "--start", "1"], "--start is not for parts"),
        ([*RESTORER, "--stream", "7"], "holds no such video stream"),
    ],
)
def test_options_that_cannot_work_are_refused(
    clip: Path, program: str, tmp_path: Path, options: list[str], says: str
) -> None:
    assert says in _fails("parts.py", "plan", clip, tmp_path, "--count", 2, "--", *options, program=program)


def test_frames_are_cut_between_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from plan import cut

    # The border would lie between two frames of the same time.
    parts = cut([0, 10, 10, 20], 2)
    assert [(part.frames, part.start, part.end) for part in parts] == [(4, None, None)]
    parts = cut([0, 40_000, 83_500, 120_000], 9)
    assert [part.frames for part in parts] == [1, 1, 1, 1]
    assert [part.start for part in parts] == [None, 20_000, 61_000, 101_000]
    assert [part.first for part in parts] == [0, 40_000, 83_500, 120_000]


def _ray(clip: Path, folder: Path, output: Path) -> list[str]:
    words = [clip, folder, output, "--count", 2, "--cpus", 1, "--", *RESTORER]
    return [sys.executable, str(SCRIPTS / "restore_ray.py"), *map(str, words)]


def _run_ray(command: list[str], program: str) -> str:
    environment = os.environ | {"DLORALVSR": program}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_ray
def test_ray_begins_a_part_anew_whose_worker_was_killed(
    clip: Path, at_once: list[str], program: str, tmp_path: Path
) -> None:
    kills, output = _stand_in(KILLS_ITS_WORKER, tmp_path, program), tmp_path / "out.mkv"
    said = _run_ray(_ray(clip, tmp_path / "parts", output), kills)
    assert (tmp_path / "killed").exists()
    assert "2 of 2 parts, 40 of 40 frames" in said
    assert _frames(output) == at_once


@needs_ray
def test_ray_goes_on_where_the_driver_was_killed(
    clip: Path, at_once: list[str], program: str, tmp_path: Path, wait_for: Callable[[Path], None]
) -> None:
    stays, parts, output = _stand_in(STAYS_AT_THE_SECOND, tmp_path, program), tmp_path / "parts", tmp_path / "out.mkv"
    command = _ray(clip, parts, output)
    driver = subprocess.Popen(command, env=os.environ | {"DLORALVSR": stays}, stdout=subprocess.DEVNULL)
    try:
        wait_for(tmp_path / "second")
    finally:
        driver.kill()
        driver.wait()
    (kept,) = parts.glob("part-*")
    before = kept.stat()
    said = _run_ray(command, program)
    assert "1 of 2 parts are there already" in said
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert _frames(output) == at_once


@pytest.fixture
def wait_for() -> Callable[[Path], None]:
    """Waits for a file; the limit only ends a test that hangs."""

    def wait(path: Path) -> None:
        for _ in range(1200):
            if path.exists():
                return
            time.sleep(0.1)
        pytest.fail(f"{path.name} did not come")

    return wait
