"""A small network of our own, for CPUs: a UNet of depthwise convolutions at half the input's resolution.

One latent sample stands for 8×8 output pixels (2×2 input pixels), as in Stable Diffusion's autoencoder after ×4. Unlike
that one it never convolves at output resolution, which alone would break a CPU's frame budget.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.layers import zero_bias

SCALE = 4
DOUBLED = 12
"""Channels of the picture at twice its size: four phases of each of three colours."""

DEPTHS = (2, 6, 3)
"""Blocks on the way down, in the lower resolution, and on the way up."""


class Block(nn.Module):
    """Depthwise convolution, pointwise expansion by two, ReLU, pointwise projection, added to the input.

    Large depthwise kernels and pointwise products carry three to five times the capacity of dense 3×3 convolutions in
    the same CPU time. No normalisation: statistics over a tile would make tiles visible.
    """

    def __init__(self, channels: int, kernel: int = 5) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.expand = nn.Conv2d(channels, 2 * channels, 1)
        self.activation = nn.ReLU()
        self.project = nn.Conv2d(2 * channels, channels, 1)
        # Start near the identity, so that depth does not slow the first steps.
        nn.init.normal_(self.project.weight, std=0.02)
        zero_bias(self.project)

    def forward(self, x: Tensor) -> Tensor:
        # In bfloat16 the gradient of a depthwise convolution takes three times as long on a CPU.
        with torch.autocast(x.device.type, enabled=False):
            spatial = self.depthwise(x.float())
        return x + self.project(self.activation(self.expand(spatial)))


class Encoder(nn.Module):
    """A picture [B, 3, H, W] in [0, 1], H and W even, to its ``latent`` channels [B, C, H/2, W/2]."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        # A 4×4 window at stride 2 holds a sample's 2×2 pixels and a rim of one.
        self.conv_in = nn.Conv2d(3, 2 * latent, 4, stride=2, padding=1)
        self.activation = nn.ReLU()
        self.conv_out = nn.Conv2d(2 * latent, latent, 1)

    def forward(self, picture: Tensor) -> Tensor:
        return self.conv_out(self.activation(self.conv_in(2.0 * picture - 1.0)))


class UNet(nn.Module):
    """A latent [B, C, h, w] to the noise ε of the same shape; h and w even. Most of the depth is in the lower level.

    There is no time embedding: with one step at a fixed t it would be a constant, which the biases hold already.
    """

    def __init__(self, latent: int, width: int, depths: tuple[int, int, int]) -> None:
        super().__init__()
        low = 2 * width
        self.conv_in = nn.Conv2d(latent, width, 1)
        self.down_blocks = nn.Sequential(*(Block(width) for _ in range(depths[0])))
        self.down = nn.Conv2d(width, low, 2, stride=2)
        self.mid_blocks = nn.Sequential(*(Block(low) for _ in range(depths[1])))
        self.up = nn.ConvTranspose2d(low, width, 2, stride=2)
        self.up_blocks = nn.Sequential(*(Block(width) for _ in range(depths[2])))
        self.conv_out = nn.Conv2d(width, latent, 1)

    def forward(self, latent: Tensor) -> Tensor:
        skip = self.down_blocks(self.conv_in(latent))
        x = self.up(self.mid_blocks(self.down(skip)))
        return self.conv_out(self.up_blocks(x + skip))


class Decoder(nn.Module):
    """What is learned is a residual at twice the input's size, added to the bicubic enlargement; a fixed cubic filter
    doubles their sum.

    A residual of 16 free phases prints a mesh of their period into what is smooth, as nothing makes a phase go on in
    that of the next pixel; the filter does, and what it takes away was mostly mesh.
    """

    first_doubling: Tensor
    second_doubling: Tensor

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        up = 2 * width // 3
        self.conv_in = nn.Conv2d(latent, width, 1)
        self.block = Block(width)
        self.up = nn.ConvTranspose2d(width, up, 2, stride=2)
        # For exports to put in what their runtime needs there; it leaves every value.
        self.after_up: nn.Module = nn.Identity()
        self.frame_in = nn.Conv2d(3, up, 3, padding=1)
        self.up_block = Block(up, kernel=3)
        self.out_blocks = nn.Sequential(Block(up))
        self.activation = nn.ReLU()
        self.smooth = nn.Conv2d(up, up, 3, padding=1, groups=up)
        # The padding is the rim that the second doubling needs: no residual outside of the picture.
        self.conv_out = nn.Conv2d(up, DOUBLED, 1, padding=1)
        nn.init.normal_(self.conv_out.weight, std=0.01)
        zero_bias(self.conv_out)
        self.register_buffer("first_doubling", bicubic_phases(), persistent=False)
        self.register_buffer("second_doubling", cubic_phases_of_phases(), persistent=False)

    def residual(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The learned part [B, 12, H + 2, W + 2]: the ×2 picture's phases colour by colour, with a rim of one input
        pixel.
        """
        x = self.after_up(self.up(self.block(self.conv_in(restored)))) + self.frame_in(2.0 * picture - 1.0)
        return self.conv_out(self.smooth(self.activation(self.out_blocks(self.up_block(x)))))

    def planes(self, picture: Tensor, residual: Tensor) -> list[Tensor]:
        """Colour by colour the 16 phases [B, 16, H, W] of the output, channel row · 4 + column; not clipped.

        Both parts are of one range of values, whichever.
        """
        # In mixed precision too these parts need every bit.
        with torch.autocast(picture.device.type, enabled=False):
            around = F.pad(picture.float(), (3, 3, 3, 3), mode="replicate")
            doubled = F.conv2d(around, self.first_doubling) + residual.float()
            return [F.conv2d(colour, self.second_doubling) for colour in doubled.chunk(3, dim=1)]


class Tiny(nn.Module):
    """Encoder, UNet and decoder. Pictures [B, 3, h, w] in [0, 1], h and w multiples of 4, to [B, 3, 4h, 4w]; values may
    leave [0, 1].
    """

    factor = 8

    def __init__(self, width: int = 48, depths: tuple[int, int, int] = DEPTHS) -> None:
        """``width``: channels of the UNet's higher level, a multiple of 3; the latent has a third of them."""
        super().__init__()
        self.width = width // 3
        self.encoder = Encoder(self.width)
        self.body = UNet(self.width, width, depths)
        self.decoder = Decoder(self.width, width)

    def forward(self, picture: Tensor) -> Tensor:
        return self.decode(self.restore(self.encoder(picture)), picture)

    def restore(self, latent: Tensor) -> Tensor:
        """The prior: a latent [B, C, h/2, w/2] to a restored one, x0 = z − ε."""
        return latent - self.body(latent)

    def decode(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The picture of a ``restored`` latent; ``picture``: the low-quality one, to which is added."""
        planes = self.decoder.planes(picture, self.decoder.residual(restored, picture))
        return torch.cat([F.pixel_shuffle(plane, SCALE) for plane in planes], dim=1)


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
    return weight.reshape(DOUBLED, 3, 5, 5)


def cubic_phases_of_phases() -> Tensor:
    """The same interpolation of one colour, from the phases of the ×2 picture to those of the ×4 one: [16, 4, 3, 3].

    Output phase p lies at p/2 − 0.25 of the ×2 picture, counted from the first phase of the same input pixel; the phase
    s of the input pixel o pixels away lies at 2o + s.
    """
    taps = torch.zeros(SCALE, 3, 2)
    for phase in range(SCALE):
        for tap in range(3):
            for source in range(2):
                taps[phase, tap, source] = _cubic(abs(2 * (tap - 1) + source - (phase / 2 - 0.25)))
    return torch.einsum("pys,qxt->pqstyx", taps, taps).reshape(SCALE * SCALE, 4, 3, 3)


def _cubic(x: float) -> float:
    """Keys' kernel with a = −0.5, as OpenCV's is with −0.75."""
    if x < 1.0:
        return 1.5 * x**3 - 2.5 * x**2 + 1.0
    if x < 2.0:
        return -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return 0.0
