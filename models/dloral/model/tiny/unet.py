"""The one-step UNet of the tiny configuration: [warped z_prev, z'] to the noise ε that x0 = z' − ε removes.

There is no time embedding: with one step at a fixed t it would be a constant, which the biases hold already.
"""

import torch
from torch import Tensor, nn

from dloral.model.tiny.blocks import Block


class TinyUNet(nn.Module):
    """[B, 2C, h, w] to ε [B, C, h, w]; h and w even. Two resolutions, most of the depth in the lower one."""

    def __init__(
        self, latent_channels: int, widths: tuple[int, int], expansions: tuple[int, int], depths: tuple[int, int, int]
    ) -> None:
        super().__init__()
        high, low = widths
        self.conv_in = nn.Conv2d(2 * latent_channels, high, 1)
        self.down_blocks = nn.Sequential(*(Block(high, expansions[0]) for _ in range(depths[0])))
        self.down = nn.Conv2d(high, low, 2, stride=2)
        self.mid_blocks = nn.Sequential(*(Block(low, expansions[1]) for _ in range(depths[1])))
        self.up = nn.ConvTranspose2d(low, high, 2, stride=2)
        self.up_blocks = nn.Sequential(*(Block(high, expansions[0]) for _ in range(depths[2])))
        self.conv_out = nn.Conv2d(high, latent_channels, 1)

    def forward(self, warped: Tensor, fused: Tensor) -> Tensor:
        skip = self.down_blocks(self.conv_in(torch.cat([warped, fused], dim=1)))
        x = self.up(self.mid_blocks(self.down(skip)))
        return self.conv_out(self.up_blocks(x + skip))
