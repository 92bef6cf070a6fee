"""Figures of a pack's quality: from an evaluation's rows to a file, and from there into ``pack.toml``."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from dloral.errors import UserError


def read_quality(path: Path) -> dict[str, float]:
    """Figures by name, as ``evaluate --quality`` writes them; raises :class:`UserError` where they are none."""
    try:
        return {str(key): float(value) for key, value in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: a table of figures is wanted, KEY = NUMBER a line ({error})") from error


def write_quality(path: Path, figures: Iterable[tuple[str, float, int]]) -> None:
    """Write figures, each a name, a value and the digits it is rounded to."""
    lines = [f"{name} = {value:.{digits}f}" for name, value, digits in figures]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
