"""Configuration of a base of our own: a TOML file with ``stage = "base"`` and the architecture of a restorer."""

from dataclasses import asdict, dataclass, field
from typing import Any

from dloral.data.batches import BatchShape
from dloral.data.degrade import Degradation
from dloral.train.config import OptimizerConfig
from dloral.train.perceptual import NETWORKS
from dloral.train.tables import build_part
from dloral.train.terms import AuxLossWeights, check_distribution

OWN = "tiny"
"""The architecture that is trained from nothing."""


@dataclass(frozen=True)
class BaseConfig:
    """Everything that decides the run but its data and its seed."""

    architecture: str = OWN
    stage: str = "base"
    perceptual_network: str = "mobilenet"
    perceptual: float = 0.25
    """Weight of the distance of that network's features from those of the teacher's pictures."""
    flow: float = 0.1
    """Weight of the flow network's mean error, in samples."""
    windows: int = 1
    """How many of the teacher's windows are learnt from."""
    text_share: float = 0.0
    """Share of windows with text written over them, whose teacher is the truth."""
    loss: AuxLossWeights = field(default_factory=AuxLossWeights)
    batch: BatchShape = field(default_factory=BatchShape)
    degradation: Degradation = field(default_factory=Degradation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def to_table(self) -> dict[str, Any]:
        """Plain values, as :func:`base_from_table` reads them."""
        return asdict(self)


PARTS: dict[str, type] = {
    "loss": AuxLossWeights,
    "batch": BatchShape,
    "degradation": Degradation,
    "optimizer": OptimizerConfig,
}


def base_from_table(table: dict[str, Any]) -> BaseConfig:
    """A configuration of plain values; unknown keys raise ``ValueError``."""
    plain = {"architecture", "stage", "perceptual_network", "perceptual", "flow", "windows", "text_share"}
    if unknown := set(table) - set(PARTS) - plain:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    if (network := table.get("perceptual_network", "mobilenet")) not in NETWORKS:
        raise ValueError(f"perceptual_network {network!r} is none of {', '.join(NETWORKS)}")
    if (architecture := table.get("architecture", OWN)) != OWN:
        raise ValueError(f"architecture {architecture!r}: a base is trained of {OWN!r} alone")
    parts: dict[str, Any] = {name: build_part(part, table.get(name, {}), name) for name, part in PARTS.items()}
    config = BaseConfig(**parts, **{name: table[name] for name in plain & set(table)})
    check_distribution(config.loss, config.perceptual, network)
    return config
