"""Stable Diffusion's encoder and decoder as graphs of a pack: what turns bytes into pictures in [-1, 1] and back.

Bytes are cast first and last, so that TensorRT takes the graphs: it knows bytes only as a graph's input with a cast
behind it, or as its output.
"""

from torch import Tensor, nn

from dloral.model.sd.codec import LatentDecoder, LatentEncoder


class SdEncoderGraph(nn.Module):
    """``frame`` u8 [1, 8h, 8w, 3], the bicubic picture, to ``latent`` [1, C, h, w] and ``guide`` [1, 3, h, w]."""

    def __init__(self, encoder: LatentEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        latent, guide = self.encoder(frame.float().permute(0, 3, 1, 2) * (2.0 / 255.0) - 1.0)
        return latent, guide


class SdDecoderGraph(nn.Module):
    """``restored`` f32 [1, C, h, w] to ``picture`` u8 [1, 8h, 8w, 3], rounded to nearest."""

    def __init__(self, decoder: LatentDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, restored: Tensor) -> Tensor:
        values = self.decoder(restored) * 127.5 + 128.0  # 127.5 for the middle, and the half that rounds to nearest
        return values.clamp(0.0, 255.0).permute(0, 2, 3, 1).byte()
