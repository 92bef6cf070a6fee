"""Checkpoints: all that a run needs to continue as if it had never stopped (except fp16's loss scale)."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dloral.errors import UserError
from dloral.tensors import load_tensors

CHECKPOINT_SUFFIX = ".pt"
LATEST = f"latest{CHECKPOINT_SUFFIX}"


class Checkpoint(NamedTuple):
    """State after ``step`` steps. Data and pairings are functions of (seed, step), so no generator state is kept."""

    step: int
    seed: int
    config: dict[str, Any]
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Any]
    base: str = ""
    """Fingerprint of the base whose branches these are; empty for a base itself."""
    setting: dict[str, str] | None = None
    """What else decided the course of the run, by name; older checkpoints do not say."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``folder``/latest.pt aside and rename it: a stop at any moment leaves the last good one.

    Raises :class:`UserError` if it cannot be written, as on a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{LATEST}.part"
    try:
        torch.save(checkpoint._asdict(), aside)
    except (OSError, RuntimeError) as error:
        aside.unlink(missing_ok=True)
        raise UserError(
            f"the checkpoint of step {checkpoint.step} could not be written to {folder} ({error}); the one before it "
            f"is kept: make room, and give the same command again"
        ) from error
    aside.rename(folder / LATEST)


def has_checkpoint(folder: Path) -> bool:
    """Whether a run in ``folder`` would go on."""
    return (folder / LATEST).is_file()


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint file, the latest of a run's folder, or a file of weights alone, which no run goes on from."""
    file = path / LATEST if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"no checkpoint at {file}: give the folder of a training run, or a checkpoint file")
    if file.suffix == ".safetensors":
        from dloral.train.weights_file import read_weights

        return read_weights(file)
    try:
        return Checkpoint(**load_tensors(file))
    except TypeError as error:
        raise UserError(f"{file} is not a checkpoint of this program: {error}") from error
