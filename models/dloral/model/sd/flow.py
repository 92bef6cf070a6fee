"""SpyNet (Ranjan and Black, CVPR 2017), as DLoRAL's cross-frame retrieval uses it: at the size of the latent."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.warp import flow_warp

LEVELS = 6
STRIDE = 2 ** (LEVELS - 1)
"""Sides are resized to multiples of this, so that every level halves them evenly."""

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class SpyNet(nn.Module):
    """Optical flow [B, 2, h, w] from ``current`` to ``previous``, both [B, 3, h, w], in samples, (x, y).

    Pictures are in [-1, 1] although mean and deviation are those of pictures in [0, 1]: the reference
    (``src/cross_frame_retrieval/cfr_main.py``) does so, and its weights expect it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1))
        self.levels = nn.ModuleList(flow_level() for _ in range(LEVELS))

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        h, w = current.shape[-2:]
        size = ((h + STRIDE - 1) // STRIDE * STRIDE, (w + STRIDE - 1) // STRIDE * STRIDE)
        flow = self._pyramid(*(_resize((x - self.mean) / self.deviation, size) for x in (current, previous)))
        flow = _resize(flow, (h, w))
        return torch.cat([flow[:, :1] * (w / size[1]), flow[:, 1:] * (h / size[0])], dim=1)

    def _pyramid(self, current: Tensor, previous: Tensor) -> Tensor:
        """From the coarsest level to the finest, each adding to twice the flow of the one before."""
        pairs = [(current, previous)]
        for _ in range(LEVELS - 1):
            pairs.append((F.avg_pool2d(pairs[-1][0], 2), F.avg_pool2d(pairs[-1][1], 2)))
        flow = torch.zeros_like(pairs[-1][0][:, :2])
        for level, (now, before) in zip(self.levels, reversed(pairs), strict=True):
            if level is not self.levels[0]:
                flow = 2.0 * F.interpolate(flow, size=now.shape[-2:], mode="bilinear", align_corners=True)
            warped = flow_warp(before, flow, padding_mode="border")
            flow = flow + level(torch.cat([now, warped, flow], dim=1))
        return flow


def flow_level() -> nn.Sequential:
    """The network of one level: current, warped previous and flow, [B, 8, h, w], to the flow's correction."""
    channels = (8, 32, 64, 32, 16, 2)
    layers: list[nn.Module] = []
    for into, out in pairwise(channels):
        layers += [nn.Conv2d(into, out, 7, padding=3), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
