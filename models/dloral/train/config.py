"""Training configuration: a TOML file whose tables are the dataclasses of the parts."""

import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from dloral.data.batches import BatchShape
from dloral.data.degrade import Degradation
from dloral.errors import UserError
from dloral.model.tiny import TinyConfig
from dloral.train.step import LossWeights
from dloral.train.tables import build_part

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


@dataclass(frozen=True)
class Config:
    """Everything that decides a training run but its data and its seed."""

    architecture: str = "tiny"
    stage: Literal["whole", "base"] = "whole"
    """``whole``: everything at once, over pairs of frames; ``base``: the one-step prior of single frames, which sees
    [z, z], and the flow network beside it, for branches to be trained on (``dloral.train.dual``)."""
    model: TinyConfig = field(default_factory=TinyConfig)
    batch: BatchShape = field(default_factory=BatchShape)
    degradation: Degradation = field(default_factory=Degradation)
    loss: LossWeights = field(default_factory=LossWeights)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def to_table(self) -> dict[str, Any]:
        """Plain values, as :func:`from_table` reads them."""
        return asdict(self)


def load_config(name: str) -> Config:
    """The configuration of that name in ``models/configs``, or of the TOML file at that path."""
    return parse_config(name, from_table)


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


def from_table(table: dict[str, Any]) -> Config:
    """A configuration of plain values; unknown keys raise ``ValueError``."""
    parts = {"model": TinyConfig, "batch": BatchShape, "degradation": Degradation, "loss": LossWeights}
    given: dict[str, Any] = {name: build_part(part, table.get(name, {}), name) for name, part in parts.items()}
    given["optimizer"] = build_part(OptimizerConfig, table.get("optimizer", {}), "optimizer")
    unknown = set(table) - set(given) - {"architecture", "stage"}
    if unknown or table.get("architecture", "tiny") != "tiny":
        raise ValueError(f"unknown {', '.join(sorted(unknown)) or 'architecture ' + repr(table['architecture'])}")
    if (stage := table.get("stage", "whole")) not in ("whole", "base"):
        raise ValueError(f"unknown stage {stage!r}; there are whole, base and dual")
    return Config(stage=stage, **given)
