"""The losses of the base's training."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dloral.model.warp import flow_warp


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; a weight of 0 leaves its term out."""

    pixel: float = 1.0
    perceptual: float = 0.1
    temporal: float = 0.5
    flow: float = 0.1
    grid: float = 0.0


def pixel_loss(output: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference; pictures in [0, 1]."""
    return F.l1_loss(output, clean)


def temporal_loss(outputs: tuple[Tensor, Tensor], cleans: tuple[Tensor, Tensor]) -> Tensor:
    """How differently two successive outputs change from what the clean frames do: flicker and lag, no flow needed."""
    return F.l1_loss(outputs[1] - outputs[0], cleans[1] - cleans[0])


def grid_loss(output: Tensor, clean: Tensor, period: int = 8) -> Tensor:
    """Power of the error's pattern that repeats every ``period`` pixels, per picture and colour: upsampling prints
    such patterns.

    Sides are multiples of ``period``. The other losses hardly see such a pattern: it is faint, but regular.
    """
    b, c, h, w = output.shape
    error = (output - clean).reshape(b, c, h // period, period, w // period, period).mean(dim=(2, 4))
    return (error - error.mean(dim=(2, 3), keepdim=True)).square().mean()


def flow_loss(flow: Tensor, clean: Tensor, clean_prev: Tensor, smoothness: float = 0.05) -> Tensor:
    """Photometric loss of a flow [B, 2, h, w] on clean guides [B, 3, h, w], with edge-aware smoothness.

    The flow network sees degraded guides, but is judged on clean ones: noise is nothing to follow.
    """
    photometric = F.l1_loss(flow_warp(clean_prev, flow, padding_mode="border"), clean)
    across = _smoothness(flow.diff(dim=-1), clean.diff(dim=-1)) + _smoothness(flow.diff(dim=-2), clean.diff(dim=-2))
    return photometric + smoothness * across


def _smoothness(flow_gradient: Tensor, picture_gradient: Tensor) -> Tensor:
    weight = (-10.0 * picture_gradient.abs().mean(dim=1, keepdim=True)).exp()
    return (weight * flow_gradient.abs()).mean()
