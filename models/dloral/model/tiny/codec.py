"""The tiny autoencoder: encoder to half the input resolution, decoder conditioned on the LQ frame.

One latent sample stands for 8×8 output pixels (2×2 input pixels), as in the SD 2.1 autoencoder after ×4. Unlike
that one it never convolves at output resolution, which alone would break a CPU's frame budget.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.tiny.blocks import Block, zero_bias

SCALE = 4
DOUBLE_CHANNELS = 12
"""Four phases of three colours."""


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
    not clipped. What is learned is a residual at twice the LQ picture's size, added to the bicubic enlargement; a fixed
    cubic filter doubles their sum. A residual of 16 free phases prints a mesh of their period into what is smooth, as
    nothing makes a phase go on in that of the next pixel; the filter does, and what it takes away was mostly mesh.
    """

    first_doubling: Tensor
    second_doubling: Tensor

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
        # The padding is the rim that the second doubling needs: no residual outside of the picture.
        self.conv_out = nn.Conv2d(up_width, DOUBLE_CHANNELS, 1, padding=1)
        nn.init.normal_(self.conv_out.weight, std=0.01)
        zero_bias(self.conv_out)
        self.register_buffer("first_doubling", bicubic_phases(), persistent=False)
        self.register_buffer("second_doubling", cubic_phases_of_phases(), persistent=False)

    def forward(self, restored: Tensor, frame: Tensor) -> Tensor:
        return self.picture(frame, self.residual(restored, frame))

    def residual(self, restored: Tensor, frame: Tensor) -> Tensor:
        """The learned part [B, 12, H + 2, W + 2], the ×2 picture's four phases colour by colour, with a rim of one LQ
        pixel.
        """
        x = self.after_up(self.up(self.block(self.conv_in(restored)))) + self.frame_in(2.0 * frame - 1.0)
        return self.conv_out(self.smooth(self.activation(self.out_blocks(self.up_block(x)))))

    def picture(self, frame: Tensor, residual: Tensor) -> Tensor:
        """The output phases [B, 48, H, W] of both parts together, which are of one range of values."""
        return torch.stack(self.planes(frame, residual), dim=2).flatten(1, 2)

    def planes(self, frame: Tensor, residual: Tensor) -> list[Tensor]:
        """As ``picture``, colour by colour: three times the 16 phases [B, 16, H, W]."""
        doubled = F.conv2d(F.pad(frame, (3, 3, 3, 3), mode="replicate"), self.first_doubling) + residual
        return [F.conv2d(colour, self.second_doubling) for colour in doubled.chunk(3, dim=1)]


def bicubic_phases() -> Tensor:
    """Bicubic ×2 interpolation (a = −0.5, Pillow's) as 12 fixed 5×5 filters [12, 3, 5, 5].

    Output pixel 2i + p lies at input coordinate i + (p − 0.5)/2, so four of the five taps are used, the same for every
    pixel of a phase; channel colour · 4 + row phase · 2 + column phase.
    """
    taps = torch.zeros(2, 5)
    for phase in range(2):
        for tap in range(5):
            taps[phase, tap] = _cubic(abs(tap - 2 - (phase - 0.5) / 2))
    weight = torch.zeros(3, 2, 2, 3, 5, 5)
    for colour in range(3):
        weight[colour, :, :, colour] = torch.einsum("py,qx->pqyx", taps, taps)
    return weight.reshape(DOUBLE_CHANNELS, 3, 5, 5)


def cubic_phases_of_phases() -> Tensor:
    """The same interpolation of one colour, from the phases of the ×2 picture to those of the ×4 one: [16, 4, 3, 3].

    Output phase p lies at p/2 − 0.25 of the ×2 picture, counted from the first phase of the same LQ pixel; the phase s
    of the LQ pixel o pixels away lies at 2o + s.
    """
    taps = torch.zeros(SCALE, 3, 2)
    for phase in range(SCALE):
        for tap in range(3):
            for source in range(2):
                taps[phase, tap, source] = _cubic(abs(2 * (tap - 1) + source - (phase / 2 - 0.25)))
    return torch.einsum("pys,qxt->pqstyx", taps, taps).reshape(SCALE * SCALE, 4, 3, 3)


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
