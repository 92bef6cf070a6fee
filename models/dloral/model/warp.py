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
