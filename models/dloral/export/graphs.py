"""The three graphs of a pack as torch modules: the networks, and what surrounds them inside the graphs.

Normalising, clamping, rounding and the change between NHWC bytes and NCHW floats belong to the graphs, so that the host
moves bytes only.
"""

import torch
from torch import Tensor, nn

from dloral.model.tiny.codec import SCALE, TinyDecoder, TinyEncoder


class EncoderGraph(nn.Module):
    """``frame`` u8 [1, H, W, 3] to ``latent`` f32 [1, C, h, w] and ``guide`` f32 [1, 3, h, w]."""

    def __init__(self, encoder: TinyEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        latent, guide = self.encoder(to_floats(frame) * (1.0 / 255.0))
        return latent, guide


class DecoderGraph(nn.Module):
    """``restored`` f32 [1, C, h, w] and ``frame`` u8 [1, H, W, 3] to ``picture`` u8 [1, 4H, 4W, 3].

    At output size every pass over the picture counts, so the scale to 255 and the half that rounds to nearest are
    folded into the last learned convolution (the filter behind it leaves a constant as it is), and the phases become
    bytes before they are moved.
    """

    def __init__(self, decoder: TinyDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        # ONNX Runtime's convolutions keep channels in blocks, its transposed ones planes, and sums with planes are
        # planes, from there on. A pooling of single pixels leaves every value, and brings the blocks back.
        decoder.after_up = nn.MaxPool2d(1)
        last = decoder.conv_out
        assert last.bias is not None, "the decoder's last convolution has a bias"
        with torch.no_grad():
            last.weight.mul_(255.0)
            last.bias.mul_(255.0).add_(0.5)

    def forward(self, restored: Tensor, frame: Tensor) -> Tensor:
        low = to_floats(frame)
        residual = self.decoder.residual(restored, low * (1.0 / 255.0))
        planes = [plane.clamp(0.0, 255.0).byte() for plane in self.decoder.planes(low, residual)]
        return phases_to_frame(torch.stack(planes, dim=2).flatten(1, 2))


def to_floats(frame: Tensor) -> Tensor:
    """u8 [B, H, W, 3] to f32 [B, 3, H, W], still 0…255."""
    return frame.permute(0, 3, 1, 2).float()


def phases_to_frame(phases: Tensor) -> Tensor:
    """u8 [B, 48, H, W] of the decoder's phases to u8 [B, 4H, 4W, 3].

    Row phase by row phase: ONNX Runtime turns planes into pixels fast, and whole rows are all that is left to move.
    """
    b, _, h, w = phases.shape
    rows = [phase.permute(0, 2, 3, 1).reshape(b, h, 1, SCALE * w * 3) for phase in phases.chunk(SCALE, dim=1)]
    return torch.cat(rows, dim=2).reshape(b, h * SCALE, w * SCALE, 3)
