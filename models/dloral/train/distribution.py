"""A loss that does not average: the distribution of a perceptual network's features, whatever their positions.

A mean difference is least for the mean of all pictures that the degraded frames allow, which is soft. A distribution is
not: a soft picture has none of the strong responses that detail gives, and detail a pixel beside the teacher's has them
all. For each channel the features of both pictures are sorted over their positions and compared value by value, the
Wasserstein distance in one dimension (as in Delbracio et al., "Projected Distribution Loss for Image Enhancement",
2021). It needs no second network that is trained beside the first, as an adversary does.
"""

from collections.abc import Sequence

import torch
from numpy.random import Generator
from torch import Tensor

CHANNELS = 48
"""Channels of each stage that are compared at a step, drawn anew: sorting all of them costs more than the network."""
_FLOOR = 0.1
"""Added to a channel's deviation, in units of its features (0 to 6): one that is silent says nothing."""


def distribution_loss(ours: Sequence[Tensor], theirs: Sequence[Tensor], rng: Generator) -> Tensor:
    """Mean distance of the distributions of features [B, C, h, w] of each stage, in their standard deviations.

    ``rng`` draws the channels. The gradient flows to both.
    """
    stages = [_stage(a, b, rng) for a, b in zip(ours, theirs, strict=True)]
    return torch.stack(stages).mean()


def _stage(ours: Tensor, theirs: Tensor, rng: Generator) -> Tensor:
    count = ours.shape[1]
    chosen = torch.from_numpy(rng.permutation(count)[:CHANNELS]).to(ours.device)
    a, b = (features.float()[:, chosen].flatten(2).sort(dim=2).values for features in (ours, theirs))
    deviation = b.detach().std(dim=2) + _FLOOR
    return ((a - b).abs().mean(dim=2) / deviation).mean()
