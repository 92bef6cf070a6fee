"""How layers of the small networks start."""

from torch import nn


def zero_bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Let a layer that has a bias start without an offset."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
