"""SRVGGNetCompact: a plain chain of convolutions (Real-ESRGAN, ``realesr-general-x4v3``)."""

import torch.nn.functional as F
from torch import Tensor, nn

SCALE = 4


class Compact(nn.Module):
    """3 → ``width``, ``depth`` × (convolution, PReLU), → 48, pixel shuffle, plus the input enlarged by nearest.

    Pictures [B, 3, h, w] in [0, 1] to [B, 3, 4h, 4w]; values may leave [0, 1].
    """

    factor = SCALE

    def __init__(self, width: int = 64, depth: int = 32) -> None:
        super().__init__()
        self.width = width
        self.encoder = nn.Sequential(_conv(3, width), nn.PReLU(width))
        self.body = nn.Sequential(*(layer for _ in range(depth) for layer in (_conv(width, width), nn.PReLU(width))))
        self.decoder = nn.Sequential(_conv(width, 3 * SCALE**2), nn.PixelShuffle(SCALE))

    def forward(self, picture: Tensor) -> Tensor:
        return self.decode(self.restore(self.encoder(picture)), picture)

    def restore(self, latent: Tensor) -> Tensor:
        """The prior: a latent [B, ``width``, h, w] to a restored one."""
        return self.body(latent)

    def decode(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The picture of a ``restored`` latent [B, ``width``, h, w]."""
        return self.decoder(restored) + F.interpolate(picture, scale_factor=SCALE, mode="nearest")


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
