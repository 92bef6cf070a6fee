"""One step of Dual LoRA Learning: two forward passes over a window of three frames, and their losses."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor
from torch.nn.utils import parametrize

from dloral.data.motion import MotionBatch
from dloral.model.arms import Arm
from dloral.model.tiny import TinyModel
from dloral.model.tiny.codec import phases_to_picture
from dloral.model.warp import flow_warp
from dloral.perceptual import PerceptualDistance
from dloral.train.dual.config import SteadyWeights
from dloral.train.losses import block_loss, detail_loss, flow_loss, grid_loss, luma, pixel_loss, temporal_loss
from dloral.train.motion import motion_loss
from dloral.train.schedule import Weights
from dloral.train.step import LATENT_PIXELS, _pair, _perceptual_crop, _previous_of_first

Encoded = tuple[Tensor, Tensor]
"""Latent and guide of one frame of every window."""


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
    arm: Arm,
    weights: StepWeights,
    perceptual: PerceptualDistance | None,
    rng: Generator,
) -> dict[str, Tensor]:
    """The terms that have a weight, unweighted, and ``total``; ``rng`` decides pairings and the perceptual crop.

    The weights of ``model`` have to be switched to ``arm`` already.
    """
    lq, clean = batch.lq.float() / 255.0, batch.clean.float() / 255.0
    outputs = _restore(model, lq, arm, rng)
    terms = _terms(outputs, clean, batch, weights)
    if perceptual is not None and weights.scheduled.perceptual > 0.0:
        chosen = (outputs.first, clean[:, 1]) if rng.random() < 0.5 else (outputs.second, clean[:, 2])
        terms["perceptual"] = (weights.scheduled.perceptual, _perceptual_crop(perceptual, *chosen, rng))
    total = sum((weight * term for weight, term in terms.values()), torch.zeros((), device=lq.device))
    return {"total": total, **{name: term for name, (_, term) in terms.items()}}


def _terms(
    outputs: Outputs, clean: Tensor, batch: MotionBatch, weights: StepWeights
) -> dict[str, tuple[float, Tensor]]:
    """Name -> weight and value of every term but the perceptual one."""
    scheduled, steady = weights.scheduled, weights.steady
    both, truth = torch.cat([outputs.first, outputs.second]), torch.cat([clean[:, 1], clean[:, 2]])
    lumas = luma(both), luma(truth)
    pairs = [(picture[: len(clean)], picture[len(clean) :]) for picture in lumas]
    losses: dict[str, tuple[float, Callable[[], Tensor]]] = {
        "l2": (scheduled.l2, lambda: F.mse_loss(both, truth)),
        "consistency": (
            scheduled.consistency,
            lambda: consistency_loss(outputs.first, outputs.second, batch.flow, batch.visible),
        ),
        "pixel": (steady.pixel, lambda: pixel_loss(both, truth)),
        "temporal": (
            steady.temporal,
            lambda: temporal_loss((outputs.first, outputs.second), (clean[:, 1], clean[:, 2])),
        ),
        "motion": (steady.motion, lambda: motion_loss(pairs[0], pairs[1])),
        "grid": (steady.grid, lambda: grid_loss(both, truth)),
        "block": (steady.block, lambda: block_loss(*lumas)),
        "detail": (steady.detail, lambda: detail_loss(*lumas)),
    }
    terms = {name: (weight, loss()) for name, (weight, loss) in losses.items() if weight > 0.0}
    if weights.flow > 0.0 and outputs.flow is not None and outputs.flow.requires_grad:
        guides = [F.avg_pool2d(clean[:, t], LATENT_PIXELS) for t in (1, 2)]
        terms["flow"] = (weights.flow, flow_loss(outputs.flow, guides[1], guides[0]))
    return terms


def consistency_loss(before: Tensor, now: Tensor, flow: Tensor, visible: Tensor) -> Tensor:
    """Mean squared difference of ``now`` from ``before`` brought along the ground truth's ``flow``, where visible.

    Pictures [B, 3, H, W] in [0, 1]; ``flow`` [B, 2, H, W] now → before, in pixels; ``visible`` bool [B, H, W]. This is
    the training's E*warp. The gradient flows to both pictures; the reference's loss has none.
    """
    difference = (flow_warp(before, flow, padding_mode="border") - now).square().mean(dim=1)
    return (difference * visible).sum() / visible.sum().clamp(min=1)


def _restore(model: TinyModel, lq: Tensor, arm: Arm, rng: Generator) -> Outputs:
    previous = _previous_of_first(len(lq), rng)
    with torch.no_grad():
        encoded = [model.encoder(lq[:, t]) for t in range(3)]
    before = (_pair(encoded[0][0], encoded[1][0], previous), _pair(encoded[0][1], encoded[1][1], previous))
    # Merged weights are made once for both passes.
    with parametrize.cached():
        first, _ = _forward(model, lq[:, 1], encoded[1], before, arm)
        second, flow = _forward(model, lq[:, 2], encoded[2], encoded[1], arm)
    return Outputs(first, second, flow)


def _forward(
    model: TinyModel, lq: Tensor, current: Encoded, previous: Encoded, arm: Arm
) -> tuple[Tensor, Tensor | None]:
    flow = model.restorer.flow(current[1], previous[1]) if arm.consistency else None
    # As in the base's training: products in bfloat16; flow and the bicubic part need every bit.
    with torch.autocast(lq.device.type, torch.bfloat16):
        if flow is None:
            restored = current[0] - model.restorer.unet(current[0], current[0])
        else:
            restored = model.restorer.restore(current[0], previous[0], flow)
        residual = model.decoder.residual(restored, lq)
    return phases_to_picture(model.decoder.base(lq) + residual.float()), flow
