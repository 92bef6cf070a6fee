"""Cross-frame retrieval (CFR): the previous latent, aligned by optical flow, and what the current one takes from it."""

from torch import Tensor, nn

from dloral.model.sd.flow import SpyNet
from dloral.model.sd.retrieval import Retrieval
from dloral.model.warp import flow_warp


class CrossFrameRetrieval(nn.Module):
    """The used half of the reference's ``CFR_model`` (``src/cross_frame_retrieval/cfr_main.py``).

    ``latent``, ``latent_prev`` [B, C, h, w] and ``guide``, ``guide_prev`` [B, 3, h, w] in [-1, 1] (the pictures at
    latent size) to the warped previous latent and the fused current one, both [B, C, h, w]. Only the flow from the
    current frame to the previous one is computed; nothing uses the other.
    """

    def __init__(self, channels: int = 4, blocks: int = 1) -> None:
        super().__init__()
        self.flow = SpyNet()
        self.retrieval = Retrieval(channels, blocks)

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> tuple[Tensor, Tensor]:
        warped = flow_warp(latent_prev, self.flow(guide, guide_prev))
        return warped, self.retrieval(latent, warped)
