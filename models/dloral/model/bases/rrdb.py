"""RRDBNet: residual in residual dense blocks (ESRGAN, Wang et al. 2018; Real-ESRGAN, ``x4plus``)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESIDUAL = 0.2
"""Scale of what a block adds."""
SLOPE = 0.2
"""Of every leaky ReLU."""

SCALE = 4


class DenseBlock(nn.Module):
    """Five convolutions, each of all that came before; [B, ``width``, h, w] in and out."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        inputs = [width + growth * number for number in range(5)]
        outputs = [growth] * 4 + [width]
        self.convs = nn.ModuleList(_conv(i, o) for i, o in zip(inputs, outputs, strict=True))

    def forward(self, features: Tensor) -> Tensor:
        known = [features]
        for conv in self.convs[:-1]:
            known.append(_leaky(conv(torch.cat(known, dim=1))))
        return features + RESIDUAL * self.convs[-1](torch.cat(known, dim=1))


class Block(nn.Module):
    """Three dense blocks and a residual around them."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, features: Tensor) -> Tensor:
        return features + RESIDUAL * self.dense(features)


class Rrdb(nn.Module):
    """3 → ``width``, ``depth`` blocks and a convolution around which the latent is added, twice nearest ×2, → 3.

    Pictures [B, 3, h, w] in [0, 1] to [B, 3, 4h, 4w]; values may leave [0, 1].
    """

    factor = SCALE

    def __init__(self, width: int = 64, depth: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.width = width
        self.encoder = _conv(3, width)
        self.body = nn.Sequential(*(Block(width, growth) for _ in range(depth)), _conv(width, width))
        self.decoder = nn.ModuleDict(
            {name: _conv(width, width) for name in ("up1", "up2", "high")} | {"last": _conv(width, 3)}
        )

    def forward(self, picture: Tensor) -> Tensor:
        return self.decode(self.restore(self.encoder(picture)), picture)

    def restore(self, latent: Tensor) -> Tensor:
        """The prior: a latent [B, ``width``, h, w] to a restored one, x0 = z − ε with ε = −body(z)."""
        return latent + self.body(latent)

    def decode(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The picture of a ``restored`` latent [B, ``width``, h, w]; of the input nothing is needed."""
        del picture
        for name in ("up1", "up2"):
            restored = _leaky(self.decoder[name](F.interpolate(restored, scale_factor=2, mode="nearest")))
        return self.decoder["last"](_leaky(self.decoder["high"](restored)))


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, SLOPE)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
