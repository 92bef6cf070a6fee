"""SpyNet-style optical flow on the guides, coarse to fine (Ranjan and Black, CVPR 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.layers import zero_bias
from dloral.model.warp import flow_warp


class FlowLevel(nn.Module):
    """Residual flow of one pyramid level from [guide, warped previous guide, flow so far], 3 + 3 + 2 channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(8, width, 5, padding=2)
        self.conv_mid = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, 2, 3, padding=1)
        self.activation = nn.ReLU()
        nn.init.normal_(self.conv_out.weight, std=1e-3)
        zero_bias(self.conv_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.conv_in(x))
        return self.conv_out(self.activation(self.conv_mid(x)))


class PyramidFlow(nn.Module):
    """Flow current → previous [B, 2, h, w] in latent samples, from two guides [B, 3, h, w].

    The finest level works at half the latent resolution and is interpolated up: sub-sample accuracy comes from the
    interpolation, and the level that would cost most is saved.
    """

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(FlowLevel(width) for _ in range(levels))

    def pyramid(self, guide: Tensor) -> list[Tensor]:
        """Guides at 1/2, 1/4, … of the latent resolution, finest first; odd sizes round up."""
        out = []
        for _ in self.levels:
            guide = F.avg_pool2d(guide, 2, ceil_mode=True, count_include_pad=False)
            out.append(guide)
        return out

    def forward(self, guide: Tensor, guide_prev: Tensor) -> Tensor:
        current, previous = self.pyramid(guide - 0.5), self.pyramid(guide_prev - 0.5)
        flow: Tensor | None = None
        for level, a, b in zip(self.levels, reversed(current), reversed(previous), strict=True):
            if flow is None:
                flow = torch.zeros_like(a[:, :2])
                warped = b
            else:
                flow = upsample_flow(flow, a)
                warped = flow_warp(b, flow, padding_mode="border")
            flow = flow + level(torch.cat([a, warped, flow], dim=1))
        assert flow is not None, "a flow network has at least one level"
        return upsample_flow(flow, guide)


def upsample_flow(flow: Tensor, like: Tensor) -> Tensor:
    """Flow at the size of ``like``, twice as fine: bilinear, vectors doubled."""
    return 2.0 * F.interpolate(flow, size=like.shape[-2:], mode="bilinear", align_corners=False)
