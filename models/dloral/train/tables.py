"""Dataclasses from tables of TOML files and checkpoints, apart from ``config``, which needs the data's packages."""

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def build_part(part: type[T], table: dict[str, Any], name: str) -> T:
    """The dataclass ``part`` of one table; unknown keys raise ``ValueError``."""
    known = {item.name for item in fields(part)}  # type: ignore[arg-type]
    if unknown := set(table) - known:
        raise ValueError(f"[{name}] has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
    return part(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
