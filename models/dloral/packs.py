"""Packs by name, found where the element finds them."""

import os
from pathlib import Path

from dloral.errors import UserError

VARIABLE = "DLORALVSR_MODEL_PATH"
SHIPPED = Path(__file__).resolve().parents[1]
"""Folder of the packs of this repository."""


def find_pack(given: str | Path) -> Path:
    """The folder of the pack that is ``given`` by its folder or its name; raises :class:`UserError` for no such name.

    What has a slash in it, or is a folder, is one. A name is looked for in the folders of ``DLORALVSR_MODEL_PATH``, in
    ``models`` in the current folder, in this repository, and in the data folders.
    """
    text = str(given)
    if "/" in text or Path(text).is_dir():
        return Path(text)
    searched = search_folders()
    for folder in searched:
        if (folder / text / "pack.toml").is_file():
            return folder / text
    known = sorted({manifest.parent.name for folder in searched for manifest in folder.glob("*/pack.toml")})
    raise UserError(f"there is no model {text!r}: there are {', '.join(known)}; give one of these, or a pack's folder")


def search_folders() -> list[Path]:
    """Folders whose folders are packs, those that count first in front."""
    named = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    shared = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(os.pathsep)
    data = [Path(folder) / "dloralvsr/models" for folder in (home, *shared)]
    return [folder for folder in (*named, Path("models").absolute(), SHIPPED, *data) if folder.is_dir()]
