"""The losses between two successive pictures and the truth, which every training has: their weights and their table."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from dloral.train.losses import (
    block_loss,
    checker_loss,
    detail_loss,
    grid_loss,
    local_grid_loss,
    luma,
    pixel_loss,
    temporal_loss,
)
from dloral.train.motion import motion_loss

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class AuxLossWeights:
    """Weights of the terms, named as the functions of ``dloral.train.losses``; a weight of 0 leaves its term out.

    Of branches they are those beside the schedule's, in the middle of a stage, and blend as the schedule's do.
    """

    pixel: float = 0.0
    temporal: float = 0.0
    motion: float = 0.0
    grid: float = 0.0
    local_grid: float = 0.0
    block: float = 0.0
    detail: float = 0.0
    checker: float = 0.0
    teacher: float = 0.0
    """Of the mean absolute difference from what the teacher makes, where there is one."""
    distribution: float = 0.0
    """Of the distance from the distribution of the teacher's features (``dloral.train.distribution``)."""

    def blend(self, other: "AuxLossWeights", mix: float) -> "AuxLossWeights":
        """``mix`` of the way from these weights to ``other``."""
        ours, theirs = asdict(self), asdict(other)
        return AuxLossWeights(**{name: value + (theirs[name] - value) * mix for name, value in ours.items()})


def check_distribution(weights: AuxLossWeights, perceptual: float, network: str) -> None:
    """Raise ``ValueError`` where the features that ``distribution`` compares are not those of a network at hand."""
    if weights.distribution > 0.0 and (perceptual <= 0.0 or network != "mobilenet"):
        raise ValueError(
            "distribution compares features of the perceptual network mobilenet: give perceptual a weight, and "
            'perceptual_network = "mobilenet"'
        )


def picture_terms(outputs: Pair, targets: Pair, weights: AuxLossWeights) -> dict[str, tuple[float, Tensor]]:
    """Weight and value of every term that has a weight.

    Pictures are [B, 3, H, W] in [0, 1], H and W multiples of 16, and of 64 where ``local_grid`` has a weight.
    """
    both, truth = torch.cat(outputs), torch.cat(targets)
    lumas = luma(both), luma(truth)
    ours, theirs = ((picture[: len(outputs[0])], picture[len(outputs[0]) :]) for picture in lumas)
    losses: dict[str, tuple[float, Callable[[], Tensor]]] = {
        "pixel": (weights.pixel, lambda: pixel_loss(both, truth)),
        "temporal": (weights.temporal, lambda: temporal_loss(outputs, targets)),
        "motion": (weights.motion, lambda: motion_loss(ours, theirs)),
        "grid": (weights.grid, lambda: grid_loss(both, truth)),
        "local_grid": (weights.local_grid, lambda: local_grid_loss(both, truth)),
        "block": (weights.block, lambda: block_loss(*lumas)),
        "detail": (weights.detail, lambda: detail_loss(*lumas)),
        "checker": (weights.checker, lambda: checker_loss(*lumas)),
    }
    return {name: (weight, loss()) for name, (weight, loss) in losses.items() if weight > 0.0}
