"""Configuration of Dual LoRA Learning: a TOML file with ``stage = "dual"``."""

from dataclasses import asdict, dataclass, field
from typing import Any

from dloral.data.batches import BatchShape
from dloral.data.degrade import Degradation
from dloral.model.branches import LoraConfig
from dloral.train.config import OptimizerConfig
from dloral.train.perceptual import NETWORKS
from dloral.train.schedule import Schedule
from dloral.train.tables import build_part
from dloral.train.terms import AuxLossWeights, check_distribution

RESTORERS = ("compact", "rrdb", "tiny")
"""Architectures whose base is a restorer of pictures (``dloral.model.bases``)."""


@dataclass(frozen=True)
class StillShares:
    """Share of clips that are stills with a synthetic camera, by stage; the reference's detail stage has no others."""

    consistency: float = 0.3
    detail: float = 0.7


@dataclass(frozen=True)
class DualConfig:
    """Everything that decides the run but its base, its data and its seed. The networks' sizes are the base's."""

    architecture: str = "sd"
    stage: str = "dual"
    lora: LoraConfig = field(default_factory=LoraConfig)
    single_branch_probability: float = 0.0
    """Share of steps in which the trained branch runs without the other one, so that it also works by itself."""
    perceptual_network: str = "mobilenet"
    """Whose features the perceptual loss compares: one of ``dloral.train.perceptual.NETWORKS``."""
    schedule: Schedule = field(default_factory=Schedule)
    consistency: AuxLossWeights = field(default_factory=AuxLossWeights)
    detail: AuxLossWeights = field(default_factory=AuxLossWeights)
    checkpointing: bool = False
    """Whether the UNet's activations are computed anew in the backward pass: less memory, a third more time."""
    windows: int = 0
    """How many of the teacher's windows are learnt from; only of restorers, where it has to be set."""
    text_share: float = 0.0
    """Share of windows with text written over them, whose teacher is the truth; of restorers."""
    flow: float = 0.0
    """Weight of the flow network's photometric loss, where ``lora.train_flow`` is set."""
    batch: BatchShape = field(default_factory=BatchShape)
    stills: StillShares = field(default_factory=StillShares)
    degradation: Degradation = field(default_factory=Degradation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def auxiliary(self, step: int) -> AuxLossWeights:
        """The weights beside the schedule's at ``step``."""
        return self.consistency.blend(self.detail, self.schedule.mix(step))

    def to_table(self) -> dict[str, Any]:
        """Plain values, as :func:`dual_from_table` reads them."""
        return asdict(self)


PARTS: dict[str, type] = {
    "lora": LoraConfig,
    "schedule": Schedule,
    "consistency": AuxLossWeights,
    "detail": AuxLossWeights,
    "batch": BatchShape,
    "stills": StillShares,
    "degradation": Degradation,
    "optimizer": OptimizerConfig,
}


def dual_from_table(table: dict[str, Any]) -> DualConfig:
    """A configuration of plain values; unknown keys raise ``ValueError``."""
    # `solo` is the former name of `single_branch_probability`, in files that were written before.
    table = {"single_branch_probability" if key == "solo" else key: value for key, value in table.items()}
    plain = {"architecture", "stage", "single_branch_probability", "checkpointing", "flow", "perceptual_network"}
    plain |= {"windows", "text_share"}
    if unknown := set(table) - set(PARTS) - plain:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    if (architecture := table.get("architecture", "sd")) not in ("sd", *RESTORERS):
        raise ValueError(f"unknown architecture {architecture!r}")
    if (network := table.get("perceptual_network", "mobilenet")) not in NETWORKS:
        raise ValueError(f"perceptual_network {network!r} is none of {', '.join(NETWORKS)}")
    parts: dict[str, Any] = {name: build_part(part, table.get(name, {}), name) for name, part in PARTS.items()}
    config = DualConfig(**parts, **{name: table[name] for name in plain & set(table)})
    if architecture != "sd" and config.schedule.csd > 0.0:
        raise ValueError("[schedule] csd: such a base predicts its one step only, so it has no score to distil; set 0")
    if architecture in RESTORERS:
        _check_restorer(config)
    else:
        _check_sd(config)
    for weights in (config.consistency, config.detail):
        check_distribution(weights, config.schedule.perceptual, network)
    return config


def _check_restorer(config: DualConfig) -> None:
    if config.windows < 1:
        raise ValueError("windows: say how many of the teacher's windows are learnt from")
    if config.lora.train_flow or config.flow > 0.0:
        raise ValueError("flow, [lora] train_flow: a restorer's flow network stays as it is; leave both out")
    if config.checkpointing or config.stills != StillShares():
        raise ValueError("checkpointing and [stills] are for a Stable Diffusion base; leave them out")


def _check_sd(config: DualConfig) -> None:
    if any(weights.teacher > 0.0 or weights.distribution > 0.0 for weights in (config.consistency, config.detail)):
        raise ValueError("teacher and distribution compare with a teacher, which is for restorers; set 0")
    if config.windows > 0 or config.text_share > 0.0:
        raise ValueError("windows and text_share are of the teacher's cache, which is for restorers; leave them out")
