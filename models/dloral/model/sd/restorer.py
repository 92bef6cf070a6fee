"""The restorer: cross-frame retrieval, then one step of the UNet."""

import torch
from torch import Tensor, nn

from dloral.model.sd.cfr import CrossFrameRetrieval
from dloral.model.sd.unet import OneStepUNet


class SdRestorer(nn.Module):
    """``latent``, ``guide`` and those of the previous frame to x0 = z' − ε, [B, C, h, w] (scaled latents).

    Retrieval, whose flow is in samples and whose sum is large, is fp32 whatever the UNet is.
    """

    def __init__(self, cfr: CrossFrameRetrieval, unet: OneStepUNet) -> None:
        super().__init__()
        self.cfr = cfr
        self.unet = unet

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> Tensor:
        warped, fused = self.cfr(latent, guide, latent_prev, guide_prev)
        pair = torch.cat([warped, fused], dim=1)
        return fused - self.unet(pair.to(self.unet.prompt.dtype)).float()
