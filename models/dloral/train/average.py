"""The mean of several runs' averaged weights: between a run and one that began from it lie packs between the two.

Weights of runs that share their beginning can be averaged (Wortsman et al., "Model soups", arXiv 2203.05482).
"""

from collections.abc import Sequence

import torch

from dloral.errors import UserError
from dloral.train.checkpoint import Checkpoint


def average(checkpoints: Sequence[Checkpoint], shares: Sequence[float]) -> Checkpoint:
    """The last checkpoint with the mean of all averaged weights, each with its share.

    Raises :class:`UserError` where the shares are not one for each and 1 in sum, or the weights are not of one base and
    one shape.
    """
    if len(shares) != len(checkpoints) or abs(sum(shares) - 1) > 1e-6:
        raise UserError(f"--shares: one for each of the {len(checkpoints)} checkpoints is needed, 1 in sum")
    last = checkpoints[-1]
    shapes = _shapes(last)
    if any(_shapes(other) != shapes or other.base != last.base for other in checkpoints):
        raise UserError("the checkpoints have weights of different shapes, or branches of different bases")
    weights = torch.tensor(shares)
    mean = {
        name: torch.tensordot(weights, torch.stack([other.ema[name] for other in checkpoints]), 1)
        if value.is_floating_point()
        else value
        for name, value in last.ema.items()
    }
    return last._replace(ema=mean, model=mean, optimizer={})


def _shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in checkpoint.ema.items()}
