"""Between pictures and latents: a diffusers autoencoder (the base's, or a TAESD), and the guide that shows motion."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from dloral.model.sd.attention import ExportedAttention

FACTOR = 8
"""Pixels per latent sample."""
ATTENTION_BLOCKS = 16
"""Of the autoencoder's attention: a sixteenth of (h·w)² scores is held at a time."""
GUIDE_TAPS = (-3.0, 19.0, 19.0, -3.0)


class LatentEncoder(nn.Module):
    """``picture`` [B, 3, 8h, 8w] in [-1, 1] to the scaled ``latent`` [B, C, h, w] and ``guide`` [B, 3, h, w].

    The latent is the mean of the autoencoder's distribution. The reference draws a sample of it, anew each time that it
    encodes a frame, which it does twice; with the mean, keeping the previous frame's latent is exact.
    """

    guide_filter: Tensor

    def __init__(self, vae: Any) -> None:
        """``vae``: an ``AutoencoderKL`` or ``AutoencoderTiny`` of diffusers."""
        super().__init__()
        self.scaling = float(vae.config.scaling_factor)
        self.encoder = vae.encoder
        self.quant_conv = getattr(vae, "quant_conv", None) or nn.Identity()
        self.channels = int(vae.config.latent_channels)
        block_attention(self)
        taps = torch.tensor(GUIDE_TAPS) / 32
        self.register_buffer("guide_filter", torch.outer(taps, taps).expand(3, 1, 4, 4).clone(), persistent=False)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        dtype = next(self.encoder.parameters()).dtype
        # Torch's normalisation of channels-last tensors is off by 3e-4, and a permuted picture would make them so.
        moments = self.quant_conv(self.encoder(picture.contiguous().to(dtype)))
        return moments[:, : self.channels].float() * self.scaling, self.guide(picture)

    def guide(self, picture: Tensor) -> Tensor:
        """Torch's bicubic reduction by eight, a = −0.75 without antialiasing: four taps in the middle of each eight."""
        return F.conv2d(picture[..., 2:, 2:], self.guide_filter, stride=FACTOR, groups=3)


class LatentDecoder(nn.Module):
    """Scaled ``latent`` [B, C, h, w] to the picture [B, 3, 8h, 8w], not clamped, nominally in [-1, 1]."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.scaling = float(vae.config.scaling_factor)
        self.decoder = vae.decoder
        self.post_quant_conv = getattr(vae, "post_quant_conv", None) or nn.Identity()
        block_attention(self)

    def forward(self, latent: Tensor) -> Tensor:
        dtype = next(self.decoder.parameters()).dtype
        return self.decoder(self.post_quant_conv((latent / self.scaling).to(dtype))).float()


def block_attention(module: nn.Module) -> None:
    """Let every attention in ``module`` go through its queries in blocks."""
    for part in module.modules():
        if isinstance(part, Attention):
            part.set_processor(ExportedAttention(ATTENTION_BLOCKS))
