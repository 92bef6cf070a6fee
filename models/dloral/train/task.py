"""What the training loop trains: the interface of its tasks, and what they have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from dloral.manifest import sha256
from dloral.shared import backbone_path
from dloral.train.config import OptimizerConfig
from dloral.train.runtime import Runtime


@dataclass(frozen=True)
class Places:
    """Paths of a run."""

    data: list[Path]
    out: Path
    backbone: Path | None
    """Network of the perceptual loss; None: the shared folder's."""


def backbone_setting(network: str, backbone: Path | None) -> dict[str, str]:
    """By which a run knows the network of its perceptual loss again; LPIPS has one set of weights."""
    return {"perceptual network": network if network != "mobilenet" else sha256(backbone or backbone_path())}


class Task(Protocol):
    """Networks, their losses, and what decides them."""

    optimizer: OptimizerConfig
    base: str
    """Fingerprint of the frozen base, empty if there is none."""

    @property
    def model(self) -> nn.Module:
        """All that is or may be trained."""
        ...

    def normalised(self, table: dict[str, Any]) -> dict[str, Any]:
        """An older run's configuration as this version writes it; raises ``ValueError`` where it cannot be one.

        A setting that the run did not know has its default, by which a new setting changes nothing.
        """
        ...

    def setting(self) -> dict[str, str]:
        """What decides the course of a run beside its configuration, seed and base, by name."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Tensors of ``model`` that checkpoints hold."""
        ...

    def to_table(self) -> dict[str, Any]:
        """The configuration as plain values; a run goes on only with the same."""
        ...

    def place(self, runtime: Runtime) -> None:
        """Move all networks to the device, and compute there."""
        ...

    def trained(self) -> list[nn.Parameter]:
        """All that is trained at some step, in an order that never changes."""
        ...

    def prepare(self, step: int) -> list[nn.Parameter]:
        """Get ready for a step; returns what it trains."""
        ...

    def losses(self, batch: Any, step: int, rng: Generator) -> dict[str, Tensor]:
        """Terms by name, and ``total``, which is what gets smaller."""
        ...

    def batches(self, seed: int, processes: int) -> Dataset[Any]:
        """Named tuples of tensors; item ``step · processes + rank`` is of that step and process, and of ``seed``."""
        ...
