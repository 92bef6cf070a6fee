"""The tiny configuration: the full DLoRAL topology at a size that two CPU cores run in real time."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from dloral.model.tiny.codec import TinyDecoder, TinyEncoder
from dloral.model.tiny.flow import TinyFlow
from dloral.model.tiny.retrieval import LocalRetrieval
from dloral.model.tiny.unet import TinyUNet
from dloral.model.warp import flow_warp


@dataclass(frozen=True)
class TinyConfig:
    """Sizes of the tiny networks. Channels unless said otherwise."""

    latent_channels: int = 16
    encoder_width: int = 32
    flow_levels: int = 3
    flow_width: int = 24
    key_channels: int = 16
    value_channels: int = 32
    retrieval_window: int = 3
    unet_widths: tuple[int, int] = (48, 96)
    unet_expansions: tuple[int, int] = (96, 192)
    unet_depths: tuple[int, int, int] = (2, 6, 3)
    decoder_width: int = 48
    decoder_expansion: int = 96
    decoder_up_width: int = 32
    decoder_up_expansion: int = 64
    decoder_out_depth: int = 1


class TinyRestorer(nn.Module):
    """Flow, warp, retrieval and the one-step UNet: x0 = z' − ε (the paper's equation for one-step prediction).

    ``latent``, ``latent_prev`` [B, C, h, w]; ``guide``, ``guide_prev`` [B, 3, h, w] in [0, 1]; returns [B, C, h, w].
    """

    warp: Callable[[Tensor, Tensor], Tensor] = staticmethod(flow_warp)
    """What aligns the previous latent: the export takes a form that ONNX Runtime is faster with."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.flow = TinyFlow(config.flow_levels, config.flow_width)
        self.retrieval = LocalRetrieval(
            config.latent_channels, config.key_channels, config.value_channels, config.retrieval_window
        )
        self.unet = TinyUNet(config.latent_channels, config.unet_widths, config.unet_expansions, config.unet_depths)

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> Tensor:
        return self.restore(latent, latent_prev, self.flow(guide, guide_prev))

    def restore(self, latent: Tensor, latent_prev: Tensor, flow: Tensor) -> Tensor:
        """As ``forward``, with the flow [B, 2, h, w] given."""
        warped = self.warp(latent_prev, flow)
        fused = self.retrieval(latent, warped)
        return fused - self.unet(warped, fused)

    def restore_single(self, latent: Tensor) -> Tensor:
        """x0 = z − ε([z, z]): the one-step prior alone, which nothing of the frame before enters."""
        return latent - self.unet(latent, latent)


class TinyModel(nn.Module):
    """Encoder, restorer and decoder: the three parts that a pack holds."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TinyEncoder(config.latent_channels, config.encoder_width)
        self.restorer = TinyRestorer(config)
        self.decoder = TinyDecoder(
            config.latent_channels,
            config.decoder_width,
            config.decoder_expansion,
            config.decoder_up_width,
            config.decoder_up_expansion,
            config.decoder_out_depth,
        )
