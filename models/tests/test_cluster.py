"""A video restored in parts is the video restored at once, whatever happens on the way (examples/cluster)."""

import subprocess
from pathlib import Path

import pytest
from cluster import (
    KILLS_ITS_WORKER,
    RESTORER,
    SCRIPTS,
    codecs_of,
    does,
    fails,
    frames_of,
    make_clip,
    plan,
    restore,
    restored_at_once,
    script,
    stand_in,
    times_of,
)


def test_joined_parts_are_the_video_restored_at_once(
    clip: Path, at_once: list[str], program: str, tmp_path: Path
) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    plan(clip, parts, 2, program)
    restore(parts, 2, program)
    does("join.py", parts, output, program=program)
    assert frames_of(output) == at_once
    assert times_of(output) == times_of(clip)
    assert codecs_of(output) == ["ffv1", "aac"]
    assert not (parts / "temporary").exists()


@pytest.mark.parametrize(
    "options",
    [("--temporal-blend", "0.5"), ("--restore-interval", "3", "--temporal-blend", "0.5")],
    ids=["blend", "interval"],
)
def test_detail_of_frames_in_the_part_before(
    clip: Path, program: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    plan(clip, parts, 3, program, *options)
    restore(parts, 3, program)
    does("join.py", parts, output, program=program)
    assert frames_of(output) == restored_at_once(clip, program, *options, folder=tmp_path)


def test_frames_of_varying_length_keep_their_times(program: str, tmp_path: Path) -> None:
    left_out = ["-vf", r"select='not(eq(mod(n\,7)\,3))'", "-fps_mode", "vfr", "-c:v", "libx264"]
    clip = make_clip(tmp_path / "in.mkv", *left_out)
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    plan(clip, parts, 3, program)
    restore(parts, 3, program)
    does("join.py", parts, output, program=program)
    assert frames_of(output) == restored_at_once(clip, program)
    assert times_of(output) == times_of(clip)


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_encoded_anew_the_times_are_the_inputs(clip: Path, program: str, tmp_path: Path, ending: str) -> None:
    parts, output = tmp_path / "parts", tmp_path / f"out.{ending}"
    plan(clip, parts, 2, program)
    restore(parts, 2, program)
    does("join.py", parts, output, "--encode", "-c:v libx264 -crf 17", program=program)
    assert times_of(output) == times_of(clip)
    assert codecs_of(output) == ["h264", "aac"]


def test_a_transport_stream_begins_at_zero(clip: Path, program: str, tmp_path: Path) -> None:
    stream = tmp_path / "in.ts"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", str(stream)], check=True)
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    plan(stream, parts, 2, program)
    restore(parts, 2, program)
    does("join.py", parts, output, program=program)
    assert frames_of(output) == restored_at_once(stream, program)


def test_a_part_that_is_there_is_not_restored_again(clip: Path, program: str, tmp_path: Path) -> None:
    plan(clip, tmp_path, 2, program)
    restore(tmp_path, 1, program)
    plan(clip, tmp_path, 2, program)
    assert does("parts.py", "run", tmp_path, 0, program="/nowhere") == "part 0 is there already\n"


def test_a_killed_worker_leaves_no_part(clip: Path, at_once: list[str], program: str, tmp_path: Path) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    kills = stand_in(KILLS_ITS_WORKER, tmp_path, program)
    plan(clip, parts, 2, program)
    assert script("parts.py", "run", parts, 0, program=kills).returncode == -9
    assert not list(parts.glob("part-*"))
    restore(parts, 2, kills)
    does("join.py", parts, output, program=program)
    assert frames_of(output) == at_once


def test_a_missing_part_is_named_and_how_to_restore_it(clip: Path, program: str, tmp_path: Path) -> None:
    parts, output = tmp_path / "parts", tmp_path / "out.mkv"
    plan(clip, parts, 2, program)
    restore(parts, 1, program)
    said = fails("join.py", parts, output, program=program)
    assert "part 1 of parts 0 to 1 is missing" in said
    assert f"python parts.py run {parts} 1" in said
    assert not output.exists()


def test_a_part_of_another_run_is_not_taken(clip: Path, program: str, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    plan(clip, parts, 2, program)
    (parts / "part-00000-0123456789abcdef.mkv").write_bytes(b"of another run")
    said = fails("join.py", parts, tmp_path / "out.mkv", program=program)
    assert "part-00000-0123456789abcdef.mkv is of another input, range or options" in said


def test_another_plan_is_refused_in_the_same_folder(clip: Path, program: str, tmp_path: Path) -> None:
    plan(clip, tmp_path, 2, program)
    said = fails("parts.py", "plan", clip, tmp_path, "--count", 3, "--", *RESTORER, program=program)
    assert "use another folder" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "name one with --model, not auto"),
        (["--model", "tiny", "--provider=auto"], "name one with --provider, not auto"),
        ([*RESTORER, "--start", "1"], "--start is not for parts"),
        ([*RESTORER, "--stream", "7"], "holds no such video stream"),
        ([*RESTORER, "--restore-interval", "none"], "whole number from 1 on"),
    ],
)
def test_options_that_cannot_work_are_refused(
    clip: Path, program: str, tmp_path: Path, options: list[str], says: str
) -> None:
    assert says in fails("parts.py", "plan", clip, tmp_path, "--count", 2, "--", *options, program=program)


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


def test_parts_begin_with_a_restored_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from plan import cut

    parts = cut([at * 40_000 for at in range(41)], 4, 3)
    assert [part.frames for part in parts] == [9, 9, 12, 11]
    # Of shorter videos there are fewer parts.
    assert [part.frames for part in cut([0, 40_000, 80_000, 120_000], 4, 3)] == [3, 1]
