"""Weights to start a run from: those of another run."""

from pathlib import Path

import torch
from torch import Tensor

from dloral.errors import UserError
from dloral.train.checkpoint import load_checkpoint


def start_from(state: dict[str, Tensor], source: Path) -> None:
    """Write the averaged weights of a run's folder, or of a checkpoint, into the tensors of ``state``.

    Raises :class:`UserError` where one is missing, left over or of another shape.
    """
    weights = load_checkpoint(source).ema
    wrong = sorted(
        {name for name in state if name not in weights}
        | {name for name in weights if name not in state}
        | {name for name in weights if name in state and weights[name].shape != state[name].shape}
    )
    if wrong:
        raise UserError(f"{source} does not fit this configuration; missing, left over or of another size: {wrong[:5]}")
    with torch.no_grad():
        for name, value in weights.items():
            state[name].copy_(value)
