"""What the two forward passes over a window of three frames give, and the losses that every base has."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dloral.data.motion import MotionBatch
from dloral.data.taught import TaughtBatch
from dloral.model.warp import flow_warp
from dloral.train.schedule import Weights
from dloral.train.terms import AuxLossWeights, picture_terms


class Outputs(NamedTuple):
    """What the two passes give: pictures [B, 3, H, W], and the second pass's flow (none without a frame before)."""

    first: Tensor
    second: Tensor
    flow: Tensor | None


class StepWeights(NamedTuple):
    """Weights of all losses at one step."""

    scheduled: Weights
    auxiliary: AuxLossWeights
    flow: float


def window_terms(
    outputs: Outputs, clean: Tensor, batch: MotionBatch | TaughtBatch, weights: StepWeights
) -> dict[str, tuple[float, Tensor]]:
    """Weights and values of the terms that compare outputs with the ``clean`` window [B, 3, 3, H, W] in [0, 1]."""
    pair, truth = (outputs.first, outputs.second), (clean[:, 1], clean[:, 2])
    terms = picture_terms(pair, truth, weights.auxiliary)
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
