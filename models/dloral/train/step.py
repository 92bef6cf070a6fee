"""One training step of the base: two forward passes over a window of three frames, and their losses."""

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

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
    checker_loss,
    detail_loss,
    flow_loss,
    grid_loss,
    local_grid_loss,
    luma,
    pixel_loss,
    temporal_loss,
)
from dloral.train.motion import motion_loss
from dloral.train.runtime import Runtime
from dloral.train.windows import LATENT_PIXELS, Encoded, frame_before, perceptual_crop, weighted


class Pass(NamedTuple):
    """One output and what it was made from: indices of the current frame, and the flow to the previous one."""

    output: Tensor
    flow: Tensor


def training_losses(
    model: TinyModel,
    batch: Batch,
    weights: LossWeights,
    perceptual: PerceptualDistance | None,
    rng: Generator,
    runtime: Runtime,
    *,
    single: bool = False,
) -> dict[str, Tensor]:
    """The terms that have a weight, unweighted, and ``total``; ``rng`` decides pairings and the perceptual crop.

    ``single``: the networks restore every frame by itself; the flow network, which they do not use then, is trained all
    the same.
    """
    lq, clean = batch.lq.float() / 255.0, batch.clean.float() / 255.0
    encoded = [model.encoder(lq[:, t]) for t in range(3)]
    before = frame_before(encoded[0], encoded[1], rng)
    first = _forward(model, lq[:, 1], encoded[1], before, runtime, single=single)
    second = _forward(model, lq[:, 2], encoded[2], encoded[1], runtime, single=single)

    outputs, cleans = torch.cat([first.output, second.output]), torch.cat([clean[:, 1], clean[:, 2]])
    lumas = luma(outputs), luma(cleans)
    guides = [F.avg_pool2d(clean[:, t], LATENT_PIXELS) for t in (1, 2)]
    terms: dict[str, Callable[[], Tensor]] = {
        "pixel": lambda: pixel_loss(outputs, cleans),
        "temporal": lambda: temporal_loss(_successive(outputs), _successive(cleans)),
        "flow": lambda: flow_loss(second.flow, guides[1], guides[0]),
        "grid": lambda: grid_loss(outputs, cleans),
        "local_grid": lambda: local_grid_loss(outputs, cleans),
        "block": lambda: block_loss(*lumas),
        "detail": lambda: detail_loss(*lumas),
        "checker": lambda: checker_loss(*lumas),
        "motion": lambda: motion_loss(_successive(lumas[0]), _successive(lumas[1])),
    }
    if perceptual is not None:
        terms["perceptual"] = lambda: perceptual_crop(perceptual, outputs, cleans, rng)
    scales = asdict(weights)
    return weighted({name: (scales[name], term()) for name, term in terms.items() if scales[name] > 0.0})


def _successive(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The two passes of a batch that were put one after the other."""
    first, second = pictures.chunk(2)
    return first, second


def _forward(
    model: TinyModel, lq: Tensor, current: Encoded, previous: Encoded, runtime: Runtime, *, single: bool
) -> Pass:
    flow = model.restorer.flow(current[1], previous[1])
    # Pointwise products take a fifth of the time in bfloat16; flow and the bicubic part need every bit.
    with runtime.autocast():
        if single:
            restored = model.restorer.restore_single(current[0])
        else:
            restored = model.restorer.restore(current[0], previous[0], flow)
        residual = model.decoder.residual(restored, lq)
    return Pass(phases_to_picture(model.decoder.base(lq) + residual.float()), flow)
