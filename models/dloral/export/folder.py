"""The folder of a pack, or of another result: written beside its place and renamed, so that it is whole or absent."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dloral.errors import UserError
from dloral.manifest import sha256


@contextmanager
def fresh_folder(folder: Path, mark: str = "pack.toml", kind: str = "a pack") -> Iterator[Path]:
    """An empty folder beside ``folder``, which takes its place when the block ends without an error.

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
            shutil.rmtree(folder)
        fresh.rename(folder)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in ``folder``, by name: the manifest's ``files``."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}
