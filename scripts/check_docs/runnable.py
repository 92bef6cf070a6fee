"""Blocks that are marked as runnable are run."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from markdown import Block, Document, Problem

# Seconds that a block may take.
LIMIT = 300


def check(document: Document, root: Path, clip: Path, environment: Mapping[str, str]) -> list[Problem]:
    """Run the document's marked blocks, each in a folder of its own."""
    marked = [block for block in document.blocks if block.runnable]
    faults = [(block.line, _run(block, root, clip, environment)) for block in marked]
    return [Problem(document.path, line, fault) for line, fault in faults if fault]


def _run(block: Block, root: Path, clip: Path, environment: Mapping[str, str]) -> str | None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _furnish(folder, root, clip)
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the block does not end within {LIMIT} s"
    if done.returncode == 0:
        return None
    said = done.stdout.decode(errors="replace").splitlines()[-20:]
    return f"the block ends with status {done.returncode}:\n" + "\n".join(f"    {line}" for line in said)


def _furnish(folder: Path, root: Path, clip: Path) -> None:
    """What the blocks take for given: the checkout's folders, `input.mp4`, and `videos` with a file in it."""
    for name in ("docs", "examples", "models", "scripts"):
        (folder / name).symlink_to(root / name)
    (folder / "videos").mkdir()
    for place in ("input.mp4", "videos/first.mp4"):
        shutil.copy(clip, folder / place)
