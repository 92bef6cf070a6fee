"""The tiny autoencoder: encoder to half the input resolution, decoder conditioned on the LQ frame.

One latent sample stands for 8×8 output pixels (2×2 input pixels), as in the SD 2.1 autoencoder after ×4. Unlike
that one it never convolves at output resolution, which alone would break a CPU's frame budget.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.tiny.blocks import Block, zero_bias

SCALE = 4


class TinyEncoder(nn.Module):
    """LQ picture [B, 3, H, W] in [0, 1] to ``latent`` [B, C, H/2, W/2] and ``guide`` [B, 3, H/2, W/2] in [0, 1].

    ``guide`` is the 2×2 mean of the picture: what the flow network sees. H and W must be even.
    """

    def __init__(self, latent_channels: int, width: int) -> None:
        super().__init__()
        # A 4×4 window at stride 2 holds the 2×2 unshuffled pixels and a one-pixel rim, without the shuffle's copy.
        self.conv_in = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.activation = nn.ReLU()
        self.conv_out = nn.Conv2d(width, latent_channels, 1)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        return self.conv_out(self.activation(self.conv_in(2.0 * frame - 1.0))), F.avg_pool2d(frame, 2)


class TinyDecoder(nn.Module):
    """``restored`` [B, C, H/2, W/2] and the LQ picture [B, 3, H, W] in [0, 1] to the 16 output phases.

    Returns [B, 48, H, W], channel (row phase · 4 + column phase) · 3 + colour: the ×4 picture before depth-to-space,
    not clipped. Every phase is the bicubic interpolation of the LQ picture plus a learned residual; the phases
    overlap in the depthwise convolutions before them, which keeps a pixel-shuffle grid out of the picture.
    """

    bicubic: Tensor

    def __init__(
        self, latent_channels: int, width: int, expansion: int, up_width: int, up_expansion: int, out_depth: int
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, width, 1)
        self.block = Block(width, expansion)
        self.up = nn.ConvTranspose2d(width, up_width, 2, stride=2)
        # For exports to put in what their runtime needs there; it leaves every value.
        self.after_up: nn.Module = nn.Identity()
        self.frame_in = nn.Conv2d(3, up_width, 3, padding=1)
        self.up_block = Block(up_width, up_expansion, kernel=3)
        self.out_blocks = nn.Sequential(*(Block(up_width, up_expansion) for _ in range(out_depth)))
        self.activation = nn.ReLU()
        self.smooth = nn.Conv2d(up_width, up_width, 3, padding=1, groups=up_width)
        self.conv_out = nn.Conv2d(up_width, 3 * SCALE * SCALE, 1)
        nn.init.normal_(self.conv_out.weight, std=0.01)
        zero_bias(self.conv_out)
        self.register_buffer("bicubic", bicubic_phases(), persistent=False)

    def forward(self, restored: Tensor, frame: Tensor) -> Tensor:
        return self.base(frame) + self.residual(restored, frame)

    def base(self, frame: Tensor) -> Tensor:
        """The bicubic part, linear in ``frame``."""
        return F.conv2d(F.pad(frame, (2, 2, 2, 2), mode="replicate"), self.bicubic)

    def residual(self, restored: Tensor, frame: Tensor) -> Tensor:
        """The learned part."""
        x = self.after_up(self.up(self.block(self.conv_in(restored)))) + self.frame_in(2.0 * frame - 1.0)
        return self.conv_out(self.smooth(self.activation(self.out_blocks(self.up_block(x)))))


def bicubic_phases() -> Tensor:
    """Bicubic ×4 interpolation (a = −0.5, Pillow's) as 48 fixed 5×5 filters [48, 3, 5, 5].

    Output pixel 4i + p lies at input coordinate i + (p − 1.5)/4, so four of the five taps are used, the same for every
    pixel of a phase; channel order as in :class:`TinyDecoder`.
    """
    taps = torch.zeros(SCALE, 5)
    for phase in range(SCALE):
        centre = (phase - 1.5) / SCALE
        for tap in range(5):
            taps[phase, tap] = _cubic(abs(tap - 2 - centre))
    kernels = torch.einsum("py,qx->pqyx", taps, taps).reshape(SCALE * SCALE, 5, 5)
    weight = torch.zeros(SCALE * SCALE, 3, 3, 5, 5)
    for colour in range(3):
        weight[:, colour, colour] = kernels
    return weight.reshape(SCALE * SCALE * 3, 3, 5, 5)


def _cubic(x: float, a: float = -0.5) -> float:
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    if x < 2.0:
        return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    return 0.0


def phases_to_picture(phases: Tensor) -> Tensor:
    """[B, 48, H, W] of :class:`TinyDecoder` to the picture [B, 3, 4H, 4W]."""
    b, _, h, w = phases.shape
    x = phases.reshape(b, SCALE, SCALE, 3, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(b, 3, SCALE * h, SCALE * w)
