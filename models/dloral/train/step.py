"""One training step of the base: two forward passes over a window of three frames, and their losses."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from dloral.data.batches import Batch
from dloral.model.tiny import TinyModel
from dloral.model.tiny.codec import phases_to_picture
from dloral.perceptual import PerceptualDistance
from dloral.train.losses import flow_loss
from dloral.train.runtime import Runtime
from dloral.train.terms import PictureWeights, picture_terms
from dloral.train.windows import LATENT_PIXELS, Encoded, frame_before, perceptual_crop, weighted


@dataclass(frozen=True)
class LossWeights(PictureWeights):
    """Weights of the base's losses; a weight of 0 leaves its term out."""

    pixel: float = 1.0
    temporal: float = 0.5
    perceptual: float = 0.1
    flow: float = 0.1


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

    outputs, cleans = (first.output, second.output), (clean[:, 1], clean[:, 2])
    terms = picture_terms(outputs, cleans, weights)
    if weights.flow > 0.0:
        guides = [F.avg_pool2d(clean[:, t], LATENT_PIXELS) for t in (1, 2)]
        terms["flow"] = (weights.flow, flow_loss(second.flow, guides[1], guides[0]))
    if perceptual is not None and weights.perceptual > 0.0:
        distance = perceptual_crop(perceptual, torch.cat(outputs), torch.cat(cleans), rng, runtime)
        terms["perceptual"] = (weights.perceptual, distance)
    return weighted(terms)


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
    return Pass(phases_to_picture(model.decoder.picture(lq, residual.float())), flow)
