"""One training step of the base: two forward passes over a window of three frames, and their losses."""

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from dloral.data.batches import Batch
from dloral.model.tiny import TinyModel
from dloral.model.tiny.codec import phases_to_picture
from dloral.perceptual import PerceptualDistance
from dloral.train.losses import (
    LossWeights,
    block_loss,
    detail_loss,
    flow_loss,
    grid_loss,
    luma,
    pixel_loss,
    temporal_loss,
)
from dloral.train.motion import motion_loss

SELF_SHARE = 0.12
"""Share of windows whose first pass pairs a frame with itself, as the first frame of a stream is."""
CUT_SHARE = 0.04
"""Share of windows whose previous frame is of another clip: an undetected cut must not ghost."""
LATENT_PIXELS = 8
"""Clean pixels per latent sample."""
PERCEPTUAL_SIZE = 136
"""Side of the crop that the perceptual distance sees: on the whole window it costs more than the network."""


class Losses(NamedTuple):
    """The terms, unweighted, and their weighted sum."""

    total: Tensor
    pixel: Tensor
    perceptual: Tensor
    temporal: Tensor
    flow: Tensor
    grid: Tensor
    block: Tensor
    detail: Tensor
    motion: Tensor


class Pass(NamedTuple):
    """One output and what it was made from: indices of the current frame, and the flow to the previous one."""

    output: Tensor
    flow: Tensor


def training_losses(
    model: TinyModel, batch: Batch, weights: LossWeights, perceptual: PerceptualDistance | None, rng: Generator
) -> Losses:
    """Losses of one batch; ``rng`` decides pairings and the perceptual distance's shift."""
    lq, clean = batch.lq.float() / 255.0, batch.clean.float() / 255.0
    previous = _previous_of_first(len(lq), rng)
    encoded = [model.encoder(lq[:, t]) for t in range(3)]
    latent_prev, guide_prev = (_pair(a, b, previous) for a, b in zip(encoded[0], encoded[1], strict=True))
    first = _forward(model, lq[:, 1], encoded[1], (latent_prev, guide_prev))
    second = _forward(model, lq[:, 2], encoded[2], encoded[1])

    outputs, cleans = torch.cat([first.output, second.output]), torch.cat([clean[:, 1], clean[:, 2]])
    lumas = luma(outputs), luma(cleans)
    guides = [F.avg_pool2d(clean[:, t], LATENT_PIXELS) for t in (1, 2)]
    terms: dict[str, Callable[[], Tensor]] = {
        "pixel": lambda: pixel_loss(outputs, cleans),
        "perceptual": lambda: _perceptual_crop(perceptual, outputs, cleans, rng),
        "temporal": lambda: temporal_loss(_successive(outputs), _successive(cleans)),
        "flow": lambda: flow_loss(second.flow, guides[1], guides[0]),
        "grid": lambda: grid_loss(outputs, cleans),
        "block": lambda: block_loss(*lumas),
        "detail": lambda: detail_loss(*lumas),
        "motion": lambda: motion_loss(_successive(lumas[0]), _successive(lumas[1])),
    }
    scales = asdict(weights)
    values = {name: term() if scales[name] > 0.0 else torch.zeros(()) for name, term in terms.items()}
    total = sum((scales[name] * value for name, value in values.items()), torch.zeros(()))
    return Losses(total, **values)


def _successive(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The two passes of a batch that were put one after the other."""
    first, second = pictures.chunk(2)
    return first, second


def _perceptual_crop(perceptual: PerceptualDistance | None, outputs: Tensor, cleans: Tensor, rng: Generator) -> Tensor:
    """Distance of one of the passes on a crop at a random place: random to the pixel, so that its stride prints no
    grid.
    """
    if perceptual is None:
        return torch.zeros(())
    chosen = 0 if rng.random() < 0.5 else 1
    output, clean = _successive(outputs)[chosen], _successive(cleans)[chosen]
    y, x = (int(rng.integers(max(side - PERCEPTUAL_SIZE, 0) + 1)) for side in output.shape[-2:])
    crop = (..., slice(y, y + PERCEPTUAL_SIZE), slice(x, x + PERCEPTUAL_SIZE))
    with torch.autocast(output.device.type, torch.bfloat16):
        return perceptual(output[crop], clean[crop]).float().mean()


def _previous_of_first(size: int, rng: Generator) -> Tensor:
    """For each window, what precedes frame 1: index into [frame 0 of every window, frame 1 of every window]."""
    previous = np.arange(size)
    draw = rng.random(size)
    previous = np.where(draw < SELF_SHARE, previous + size, previous)
    other = (np.arange(size) + size // 2) % size
    return torch.from_numpy(np.where(draw > 1.0 - CUT_SHARE, other, previous))


def _pair(frame0: Tensor, frame1: Tensor, previous: Tensor) -> Tensor:
    return torch.cat([frame0, frame1])[previous]


def _forward(model: TinyModel, lq: Tensor, current: tuple[Tensor, Tensor], previous: tuple[Tensor, Tensor]) -> Pass:
    flow = model.restorer.flow(current[1], previous[1])
    # Pointwise products take a fifth of the time in bfloat16; flow and the bicubic part need every bit.
    with torch.autocast(lq.device.type, torch.bfloat16):
        restored = model.restorer.restore(current[0], previous[0], flow)
        residual = model.decoder.residual(restored, lq)
    return Pass(phases_to_picture(model.decoder.base(lq) + residual.float()), flow)
