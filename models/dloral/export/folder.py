"""The folder of a pack, or of another result: written beside its place and renamed, so that it is whole or absent."""

import shutil
import tempfile
import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from dloral.errors import UserError
from dloral.manifest import sha256

MANIFEST = "pack.toml"


@contextmanager
def fresh_folder(
    folder: Path, mark: str = MANIFEST, kind: str = "a pack", own: Collection[str] | None = None
) -> Iterator[Path]:
    """An empty folder beside ``folder``, which takes its place when the block ends without an error.

    What ``folder`` holds beside ``own``, names of what such a result consists of (default: of a pack, what its manifest
    names), is kept: a card, notes, votes.

    Raises :class:`UserError` if ``folder`` exists and is not ``kind``, which has a file ``mark``.
    """
    if folder.exists() and not (folder / mark).is_file():
        raise UserError(f"{folder} exists and is not {kind}: give another --out, or take it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        fresh = Path(aside) / folder.name
        fresh.mkdir(mode=0o755)
        yield fresh
        if folder.exists():
            _keep_foreign(folder, fresh, _of_pack(folder) if own is None else {mark, *own})
            shutil.rmtree(folder)
        fresh.rename(folder)


def _keep_foreign(old: Path, fresh: Path, own: Collection[str]) -> None:
    for entry in old.iterdir():
        if entry.name not in own and not (fresh / entry.name).exists():
            entry.rename(fresh / entry.name)


def _of_pack(folder: Path) -> set[str]:
    """Names of a pack's files; of a manifest that cannot be read its graphs'."""
    try:
        named = set(tomllib.loads((folder / MANIFEST).read_text("utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        named = {path.name for path in folder.glob("*.onnx*")}
    return named | {MANIFEST}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in ``folder``, by name: the manifest's ``files``."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}
