"""Windows of three frames: the previous frame of the first pass, and crops for the perceptual distance."""

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from dloral.perceptual import PerceptualDistance
from dloral.train.distribution import distribution_loss
from dloral.train.runtime import Runtime

SELF_SHARE = 0.12
"""Share of windows whose first pass pairs a frame with itself, as the first frame of a stream is."""
CUT_SHARE = 0.04
"""Share of windows whose previous frame is of another clip: an undetected cut must not ghost."""
PERCEPTUAL_SIZE = 136
"""Side of the crop that the perceptual distance sees: on the whole window it costs more than the network."""

Encoded = tuple[Tensor, Tensor]
"""Latent and guide of one frame of every window."""


def frame_before(first: Encoded, second: Encoded, rng: Generator) -> Encoded:
    """What precedes the ``second`` frame of each window: the ``first``, now and then itself or a foreign frame."""
    size = len(first[0])
    previous = np.arange(size)
    draw = rng.random(size)
    previous = np.where(draw < SELF_SHARE, previous + size, previous)
    other = (np.arange(size) + size // 2) % size
    chosen = torch.from_numpy(np.where(draw > 1.0 - CUT_SHARE, other, previous)).to(first[0].device)
    latent, guide = (torch.cat([a, b])[chosen] for a, b in zip(first, second, strict=True))
    return latent, guide


def perceptual_crop(
    perceptual: nn.Module, outputs: Tensor, targets: Tensor, rng: Generator, runtime: Runtime
) -> Tensor:
    """Distance of one of two passes, which lie one after the other, on a crop at a random place."""
    output, clean = _crop(outputs, targets, rng)
    with runtime.autocast():
        return perceptual(output, clean).float().mean()


def distribution_crop(
    perceptual: PerceptualDistance, outputs: Tensor, targets: Tensor, rng: Generator, runtime: Runtime
) -> Tensor:
    """As :func:`perceptual_crop`, of the distributions of the network's features."""
    output, clean = _crop(outputs, targets, rng)
    with runtime.autocast():
        ours, theirs = perceptual.features(output), perceptual.features(clean)
    return distribution_loss(ours, theirs, rng)


def _crop(outputs: Tensor, targets: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
    """Random to the pixel, so that the stride of a network that looks at it prints no grid."""
    chosen = 0 if rng.random() < 0.5 else 1
    output, clean = outputs.chunk(2)[chosen], targets.chunk(2)[chosen]
    y, x = (int(rng.integers(max(side - PERCEPTUAL_SIZE, 0) + 1)) for side in output.shape[-2:])
    crop = (..., slice(y, y + PERCEPTUAL_SIZE), slice(x, x + PERCEPTUAL_SIZE))
    return output[crop], clean[crop]


def weighted(terms: dict[str, tuple[float, Tensor]]) -> dict[str, Tensor]:
    """Terms by name, and their weighted sum as ``total``, from pairs of weight and value."""
    total = torch.stack([weight * term for weight, term in terms.values()]).sum()
    return {"total": total, **{name: term for name, (_, term) in terms.items()}}
