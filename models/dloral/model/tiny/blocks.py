"""The residual block that the tiny networks are built of."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Depthwise convolution, pointwise expansion, ReLU, pointwise projection, added to the input.

    Large depthwise kernels and pointwise products carry three to five times the capacity of dense 3×3 convolutions in
    the same CPU time. No normalisation: statistics over a tile would make tiles visible.
    """

    def __init__(self, channels: int, expansion: int, kernel: int = 5) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.expand = nn.Conv2d(channels, expansion, 1)
        self.activation = nn.ReLU()
        self.project = nn.Conv2d(expansion, channels, 1)
        # Start near the identity, so that depth does not slow the first steps.
        nn.init.normal_(self.project.weight, std=0.02)
        zero_bias(self.project)

    def forward(self, x: Tensor) -> Tensor:
        # In bfloat16 the gradient of a depthwise convolution takes three times as long on a CPU.
        with torch.autocast(x.device.type, enabled=False):
            spatial = self.depthwise(x.float())
        return x + self.project(self.activation(self.expand(spatial)))


def zero_bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Let a layer that has a bias start without an offset."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
