"""A small network of our own: dense convolutions at half the input's resolution, where CPUs multiply fastest."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.layers import zero_bias

SCALE = 4
HALF = 2
"""Input pixels per latent sample, along a side."""

CARRIED = 16
"""Channels of the latent that are brought along from the frame before: a CPU moves no more in the time."""


class Pair(nn.Module):
    """x + convolution(ReLU(convolution(x))), 3×3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        # Residuals start small: a chain of them that starts large dies at the learning rate of the rest.
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class Dense(nn.Module):
    """A strided convolution 3 → ``width``, ``depth`` × :class:`Pair`, and two layers to the 8×8 pixels of a sample.

    Pictures [B, 3, h, w] in [0, 1], h and w even, to [B, 3, 4h, 4w]; values may leave [0, 1]. What is learned is added
    to the bicubic enlargement.
    """

    factor = 8
    bicubic: Tensor

    def __init__(self, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.width, self.carried = width, min(width, CARRIED)
        # A 4×4 window at stride 2 holds a sample's 2×2 pixels and a rim of one.
        self.encoder = nn.Conv2d(3, width, 4, stride=HALF, padding=1)
        self.body = nn.Sequential(*(Pair(width) for _ in range(depth)))
        last = nn.Conv2d(width, 3 * self.factor**2, 1)
        self.decoder = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width), last)
        nn.init.normal_(last.weight, std=1e-3)
        zero_bias(last)
        self.register_buffer("bicubic", bicubic_filters(), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        return self.decode(self.restore(self.encoder(picture)), picture)

    def restore(self, latent: Tensor) -> Tensor:
        """A latent [B, ``width``, h/2, w/2] to a restored one."""
        return self.body(latent)

    def decode(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The picture of a ``restored`` latent."""
        phases = self.phases(restored, picture)
        b, _, h, w = phases.shape
        pixels = phases.reshape(b, self.factor, self.factor, 3, h, w).permute(0, 3, 4, 1, 5, 2)
        return pixels.reshape(b, 3, self.factor * h, self.factor * w)

    def phases(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The picture before it is laid out: [B, 192, h, w], channel (row · 8 + column) · 3 + colour."""
        learned = self.decoder(restored)
        around = F.pad(picture, (HALF, HALF, HALF, HALF), mode="replicate")
        # In mixed precision too this part needs every bit.
        with torch.autocast(picture.device.type, enabled=False):
            return learned.float() + F.conv2d(around, self.bicubic, stride=HALF)


def bicubic_filters() -> Tensor:
    """Bicubic ×4 interpolation (a = −0.5, Pillow's) of 2×2 pixels as filters [192, 3, 6, 6] of stride 2.

    Channel (row · 8 + column) · 3 + colour, as bytes lie in a row. Output pixel j of eight lies at input coordinate
    (j + 0.5)/4 − 0.5 from the sample's first pixel; the filter's first tap is two pixels before that one.
    """
    taps = torch.zeros(8, 6)
    for j in range(8):
        position = (j + 0.5) / SCALE - 0.5
        for tap in range(6):
            taps[j, tap] = _cubic(abs(tap - HALF - position))
    weight = torch.zeros(8, 8, 3, 3, 6, 6)
    for colour in range(3):
        weight[:, :, colour, colour] = torch.einsum("py,qx->pqyx", taps, taps)
    return weight.reshape(192, 3, 6, 6)


def _cubic(x: float) -> float:
    """Keys' kernel with a = −0.5, as OpenCV's is with −0.75."""
    if x < 1.0:
        return 1.5 * x**3 - 2.5 * x**2 + 1.0
    if x < 2.0:
        return -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return 0.0
