"""Backward warping by optical flow, shared by every configuration."""

import torch
import torch.nn.functional as F
from torch import Tensor


def flow_warp(x: Tensor, flow: Tensor, padding_mode: str = "zeros") -> Tensor:
    """Sample ``x`` at ``position + flow``, bilinear, ``align_corners``.

    Shapes: ``x`` [B, C, h, w]; ``flow`` [B, 2, h, w] in samples of ``x``, channel 0 horizontal, channel 1 vertical.
    Outside the picture the result is zero, as in the reference (``flow_warp`` of its CFR), unless ``padding_mode``
    says ``border``.
    """
    h, w = x.shape[-2:]
    ys = torch.arange(h, device=x.device, dtype=flow.dtype).view(1, h, 1)
    xs = torch.arange(w, device=x.device, dtype=flow.dtype).view(1, 1, w)
    # A one-sample axis has no extent to normalise by; max(…, 1) keeps its coordinate at -1, the only sample.
    gx = 2.0 * (xs + flow[:, 0]) / max(w - 1, 1) - 1.0
    gy = 2.0 * (ys + flow[:, 1]) / max(h - 1, 1) - 1.0
    grid = torch.stack([gx, gy], dim=-1)
    return F.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode=padding_mode, align_corners=True)


def warp_by_rows(x: Tensor, flow: Tensor) -> Tensor:
    """What :func:`flow_warp` gives, zero outside the picture, for one picture: four gathers of whole samples.

    For export to CPUs: ONNX Runtime's GridSample takes four times as long, since it goes through the picture channel by
    channel.
    """
    _, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(h * w, c)
    ys = torch.arange(h, device=x.device, dtype=flow.dtype).view(h, 1)
    xs = torch.arange(w, device=x.device, dtype=flow.dtype).view(1, w)
    # Farther out there is nothing but zeros either; an index has to stay one whatever the flow is.
    px = (xs + flow[0, 0]).clamp(-1.0, float(w)).reshape(-1)
    py = (ys + flow[0, 1]).clamp(-1.0, float(h)).reshape(-1)
    left, top = px.floor(), py.floor()
    (x_low, x_high), (y_low, y_high) = _taps(px - left, left, w), _taps(py - top, top, h)
    out = sum(
        rows.index_select(0, row * w + column) * (across * down).unsqueeze(1)
        for row, down in (y_low, y_high)
        for column, across in (x_low, x_high)
    )
    return torch.as_tensor(out).reshape(1, h, w, c).permute(0, 3, 1, 2)


def _taps(fraction: Tensor, first: Tensor, size: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Index and weight of the two samples along one axis that a position lies between; weight 0 outside."""

    def tap(position: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        index = position.to(torch.int64)
        inside = (index >= 0) & (index < size)
        return index.clamp(0, size - 1), weight * inside.to(weight.dtype)

    return tap(first, 1.0 - fraction), tap(first + 1.0, fraction)
