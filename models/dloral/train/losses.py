"""Losses between pictures, beside the perceptual ones, and that of the flow."""

import torch.nn.functional as F
from torch import Tensor

from dloral.model.warp import flow_warp


def pixel_loss(output: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference; pictures in [0, 1]."""
    return F.l1_loss(output, clean)


def temporal_loss(outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
    """How differently two successive outputs change from what the clean frames do: flicker and lag, no flow needed."""
    return F.l1_loss(outputs[1] - outputs[0], targets[1] - targets[0])


def grid_loss(output: Tensor, clean: Tensor, period: int = 8) -> Tensor:
    """Power of the error's pattern that repeats every ``period`` pixels, per picture and colour: upsampling prints
    such patterns.

    Sides are multiples of ``period``. The other losses hardly see such a pattern: it is faint, but regular.
    """
    b, c, h, w = output.shape
    error = (output - clean).reshape(b, c, h // period, period, w // period, period).mean(dim=(2, 4))
    return (error - error.mean(dim=(2, 3), keepdim=True)).square().mean()


def local_grid_loss(output: Tensor, clean: Tensor, period: int = 8, window: int = 64) -> Tensor:
    """As :func:`grid_loss`, window by window: a pattern whose sign changes from texture to texture, as that of faint
    lines in fur does, has no mean over a whole picture. Sides are multiples of ``window``, in pixels.
    """
    ours, theirs = (_windows(picture, window) for picture in (output, clean))
    return grid_loss(ours, theirs, period)


def _windows(picture: Tensor, window: int) -> Tensor:
    """[B, C, H, W] to [B · rows · columns, C, window, window]."""
    b, c, h, w = picture.shape
    split = picture.reshape(b, c, h // window, window, w // window, window)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, c, window, window)


def block_loss(output: Tensor, clean: Tensor, period: int = 8) -> Tensor:
    """How differently the detail of two luma pictures [B, H, W] is spread over the positions of a ``period`` grid.

    Upsampling leaves detail that is stronger at some positions of the grid than at others: a weave, which comes and
    goes with the texture and so has no mean for :func:`grid_loss` to see. Sides are multiples of ``period``.
    """
    spread = [_spread(detail(picture), period) for picture in (output, clean)]
    return (spread[0] - spread[1]).square().mean()


def _spread(strength: Tensor, period: int) -> Tensor:
    b, h, w = strength.shape
    folded = strength.reshape(b, h // period, period, w // period, period).mean(dim=(1, 3))
    return folded / (folded.mean(dim=(1, 2), keepdim=True) + 1e-3)


def detail_loss(output: Tensor, clean: Tensor, window: int = 16) -> Tensor:
    """How differently much detail two luma pictures [B, H, W] have, window by window, as a ratio: sharpness, wherever
    exactly the detail lies. Sides are multiples of ``window``.

    Pictures are smoothed first, by a filter that leaves nothing of periods of two and four pixels: checkerboards and
    weaves, which the eye does not take for detail, are the cheapest gradient.
    """
    smoothed = [F.avg_pool2d(picture, 4, stride=1) for picture in (output, clean)]
    strengths = [F.avg_pool2d(detail(picture), window, stride=window // 2) + 5e-3 for picture in smoothed]
    return (strengths[0] / strengths[1]).log().abs().mean()


def checker_loss(output: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference of the finest diagonal band of two luma pictures [B, H, W]: checkerboards.

    There is next to nothing in that band that a low-quality frame could tell, so what is there was invented.
    """
    error = output - clean
    diagonal = error[:, 1:, 1:] - error[:, 1:, :-1] - error[:, :-1, 1:] + error[:, :-1, :-1]
    return 0.25 * diagonal.abs().mean()


def luma(picture: Tensor) -> Tensor:
    """[B, 3, H, W] to [B, H, W], BT.709."""
    return 0.2126 * picture[:, 0] + 0.7152 * picture[:, 1] + 0.0722 * picture[:, 2]


def detail(picture: Tensor) -> Tensor:
    """Length of the gradient of [B, H, W], the last row and column repeated."""
    across = F.pad(picture.diff(dim=-1), (0, 1))
    down = F.pad(picture.diff(dim=-2), (0, 0, 0, 1))
    return (across.square() + down.square() + 1e-6).sqrt()


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
