"""Ray restores parts anew whose worker died, and goes on where its driver was stopped (examples/cluster).

Two workers are at work at once.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import (
    KILLS_ITS_WORKER,
    RESTORER,
    SCRIPTS,
    frames_of,
    stand_in,
)

pytest.importorskip("ray", reason="Ray is not installed: pip install ray")

# The part that comes first is restored; at the other it says so and stays at it.
STAYS_AT_THE_SECOND = """#!/bin/sh
if mkdir {folder}/first 2>/dev/null; then
  exec {program} "$@"
fi
touch {folder}/second
exec sleep 600
"""


def _ray(clip: Path, folder: Path, output: Path) -> list[str]:
    words = [clip, folder, output, "--count", 2, "--cpus", 2, "--", *RESTORER]
    return [sys.executable, str(SCRIPTS / "restore_ray.py"), *map(str, words)]


def _run_ray(command: list[str], program: str) -> str:
    environment = os.environ | {"DLORALVSR": program}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ray_begins_a_part_anew_whose_worker_was_killed(
    clip: Path, at_once: list[str], program: str, tmp_path: Path
) -> None:
    kills, output = stand_in(KILLS_ITS_WORKER, tmp_path, program), tmp_path / "out.mkv"
    said = _run_ray(_ray(clip, tmp_path / "parts", output), kills)
    assert (tmp_path / "killed").exists()
    assert "2 of 2 parts, 40 of 40 frames" in said
    assert frames_of(output) == at_once


def test_ray_goes_on_where_the_driver_was_killed(clip: Path, at_once: list[str], program: str, tmp_path: Path) -> None:
    stays, parts, output = stand_in(STAYS_AT_THE_SECOND, tmp_path, program), tmp_path / "parts", tmp_path / "out.mkv"
    command = _ray(clip, parts, output)
    driver = subprocess.Popen(command, env=os.environ | {"DLORALVSR": stays}, stdout=subprocess.DEVNULL)
    try:
        _wait_until(lambda: (tmp_path / "second").exists() and any(parts.glob("part-*")))
    finally:
        driver.kill()
        driver.wait()
    (kept,) = parts.glob("part-*")
    before = kept.stat()
    said = _run_ray(command, program)
    assert "1 of 2 parts are there already" in said
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert frames_of(output) == at_once


def _wait_until(is_time: Callable[[], bool]) -> None:
    """The limit only ends a test that hangs."""
    for _ in range(1200):
        if is_time():
            return
        time.sleep(0.1)
    pytest.fail("it never comes so far")
