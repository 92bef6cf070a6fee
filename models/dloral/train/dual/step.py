"""One step of Dual LoRA Learning: two forward passes over a window of three frames, and their losses."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dloral.data.motion import MotionBatch
from dloral.data.taught import TaughtBatch
from dloral.model.tiny import TinyModel
from dloral.model.tiny.codec import phases_to_picture
from dloral.model.warp import flow_warp
from dloral.train.losses import flow_loss
from dloral.train.runtime import Runtime
from dloral.train.schedule import Weights
from dloral.train.terms import SteadyWeights, picture_terms
from dloral.train.windows import LATENT_PIXELS, Encoded, frame_before, perceptual_crop, weighted


class Outputs(NamedTuple):
    """What the two passes give: pictures [B, 3, H, W], and the second pass's flow (none without a frame before)."""

    first: Tensor
    second: Tensor
    flow: Tensor | None


class StepWeights(NamedTuple):
    """Weights of all losses at one step."""

    scheduled: Weights
    steady: SteadyWeights
    flow: float


def dual_losses(
    model: TinyModel,
    batch: MotionBatch,
    weights: StepWeights,
    perceptual: nn.Module | None,
    rng: Generator,
    runtime: Runtime,
    *,
    pairs: bool,
) -> dict[str, Tensor]:
    """The terms that have a weight, unweighted, and ``total``; ``rng`` decides pairings and crops.

    The weights of ``model`` have to be switched to the arm already; ``pairs``: whether it looks at the frame before.
    """
    lq, clean = batch.lq.float() / 255.0, batch.clean.float() / 255.0
    outputs = _restore(model, lq, rng, runtime, pairs=pairs)
    terms = window_terms(outputs, clean, batch, weights)
    if weights.flow > 0.0 and outputs.flow is not None and outputs.flow.requires_grad:
        guides = [F.avg_pool2d(clean[:, t], LATENT_PIXELS) for t in (1, 2)]
        terms["flow"] = (weights.flow, flow_loss(outputs.flow, guides[1], guides[0]))
    pair, truth = (outputs.first, outputs.second), (clean[:, 1], clean[:, 2])
    if perceptual is not None and weights.scheduled.perceptual > 0.0:
        distance = perceptual_crop(perceptual, torch.cat(pair), torch.cat(truth), rng, runtime)
        terms["perceptual"] = (weights.scheduled.perceptual, distance)
    return weighted(terms)


def window_terms(
    outputs: Outputs, clean: Tensor, batch: MotionBatch | TaughtBatch, weights: StepWeights
) -> dict[str, tuple[float, Tensor]]:
    """Weights and values of the terms that compare outputs with the ``clean`` window [B, 3, 3, H, W] in [0, 1]."""
    pair, truth = (outputs.first, outputs.second), (clean[:, 1], clean[:, 2])
    terms = picture_terms(pair, truth, weights.steady)
    scheduled = weights.scheduled
    if scheduled.l2 > 0.0:
        terms["l2"] = (scheduled.l2, F.mse_loss(torch.cat(pair), torch.cat(truth)))
    if scheduled.consistency > 0.0:
        loss = consistency_loss(outputs.first, outputs.second, batch.flow, batch.visible)
        terms["consistency"] = (scheduled.consistency, loss)
    return terms


def consistency_loss(before: Tensor, now: Tensor, flow: Tensor, visible: Tensor) -> Tensor:
    """Mean squared difference of ``now`` from ``before`` brought along the ground truth's ``flow``, where visible.

    Pictures [B, 3, H, W] in [0, 1]; ``flow`` [B, 2, H, W] now → before, in pixels; ``visible`` bool [B, H, W]. This is
    the training's E*warp. The gradient flows to both pictures; the reference's loss has none.
    """
    difference = (flow_warp(before, flow, padding_mode="border") - now).square().mean(dim=1)
    return (difference * visible).sum() / visible.sum().clamp(min=1)


def _restore(model: TinyModel, lq: Tensor, rng: Generator, runtime: Runtime, *, pairs: bool) -> Outputs:
    with torch.no_grad():
        encoded = [model.encoder(lq[:, t]) for t in range(3)]
    before = frame_before(encoded[0], encoded[1], rng)
    # Merged weights are made once for both passes.
    with parametrize.cached():
        first, _ = _forward(model, lq[:, 1], encoded[1], before if pairs else None, runtime)
        second, flow = _forward(model, lq[:, 2], encoded[2], encoded[1] if pairs else None, runtime)
    return Outputs(first, second, flow)


def _forward(
    model: TinyModel, lq: Tensor, current: Encoded, previous: Encoded | None, runtime: Runtime
) -> tuple[Tensor, Tensor | None]:
    # Flow and the bicubic part need every bit.
    flow = None if previous is None else model.restorer.flow(current[1], previous[1])
    with runtime.autocast():
        if previous is None or flow is None:
            restored = model.restorer.restore_single(current[0])
        else:
            restored = model.restorer.restore(current[0], previous[0], flow)
        residual = model.decoder.residual(restored, lq)
    return phases_to_picture(model.decoder.picture(lq, residual.float())), flow
