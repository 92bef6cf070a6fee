"""What every training configuration has, and where it is read from: a TOML file whose tables are dataclasses."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dloral.errors import UserError

T = TypeVar("T")

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
"""Folder of the configurations that ``--config NAME`` finds."""


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with a linear warm-up and a cosine to a hundredth of the learning rate."""

    steps: int = 4000
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: int = 100
    clip: float = 1.0
    """Largest norm of the gradient over all parameters."""
    ema: float = 0.998
    """Decay of the averaged weights, which are the ones that get exported."""


def parse_config(name: str, parse: Callable[[dict[str, Any]], T]) -> T:
    """What ``parse`` makes of that configuration's table; its ``TypeError`` and ``ValueError`` name the file."""
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = ", ".join(sorted(found.stem for found in CONFIGS.glob("*.toml")))
        raise UserError(f"no configuration {path}: give one of {known}, or the path of a .toml file") from error
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
