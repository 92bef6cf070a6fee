"""Dual LoRA Learning on a restorer: flow, warp, retrieval and fusion in front of its body, branches in it.

The latent is the restorer's first convolution, the body its prior, the decoder its upsampling half; they take the place
of SD's VAE and UNet. Everything new starts at zero effect, so that the model starts as its base. "Sample" is one of the
latent: a pixel of the input where the network's ``factor`` is 4, 2×2 of them where it is 8.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.bases import Restorer
from dloral.model.branches import CONSISTENCY, DETAIL, LoraConfig
from dloral.model.flow import PyramidFlow, upsample_flow
from dloral.model.lora import add_low_rank, branch_parameters, merge, set_strength
from dloral.model.retrieval import LocalRetrieval
from dloral.model.variants import Variant
from dloral.model.warp import flow_warp

SCALE = 4
FLOW_LEVELS, FLOW_WIDTH = 3, 24
KEY_CHANNELS, VALUE_CHANNELS, RETRIEVAL_WINDOW = 16, 32, 3


class BasedModel(nn.Module):
    """A restorer that looks at the frame before.

    Pictures are [B, 3, H, W] in [0, 1]; their latents have even sides h, w.
    """

    warp: Callable[[Tensor, Tensor], Tensor] = staticmethod(flow_warp)
    """What aligns the previous latent: the export takes a form that ONNX Runtime is faster with."""

    def __init__(self, network: Restorer) -> None:
        super().__init__()
        self.network = network
        width = network.width
        self.flow = PyramidFlow(FLOW_LEVELS, FLOW_WIDTH)
        self.retrieval = LocalRetrieval(width, KEY_CHANNELS, VALUE_CHANNELS, RETRIEVAL_WINDOW)
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self._start_as_base(width)

    @torch.no_grad()
    def _start_as_base(self, width: int) -> None:
        for layer in (self.retrieval.project, self.fuse):
            layer.weight.zero_()
            assert layer.bias is not None, "both layers have a bias"
            layer.bias.zero_()
        self.fuse.weight[:, -width:, 0, 0] = torch.eye(width)

    def encode(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """The latent [B, C, h, w] of a picture, and its guide [B, 3, h, w]: the picture at the latent's size."""
        return self.network.encoder(picture), self.guide(picture)

    def guide(self, picture: Tensor) -> Tensor:
        """What the flow network sees of a picture."""
        return picture if self.network.factor == SCALE else F.avg_pool2d(picture, self.network.factor // SCALE)

    def motion(self, guide: Tensor, guide_prev: Tensor) -> Tensor:
        """Flow [B, 2, h, w] to the frame before, in latent samples; never looked for at more than half the input."""
        if self.network.factor > SCALE:
            return self.flow(guide, guide_prev)
        half = (F.avg_pool2d(picture, 2) for picture in (guide, guide_prev))
        return upsample_flow(self.flow(*half), guide)

    def restore(self, latent: Tensor, latent_prev: Tensor, flow: Tensor) -> Tensor:
        """The restored latent: the prior on the fusion of [warped z_prev, z']."""
        warped = self.warp(latent_prev, flow)
        fused = self.fuse(torch.cat([warped, self.retrieval(latent, warped)], dim=1))
        return self.network.restore(fused)

    def restore_single(self, latent: Tensor) -> Tensor:
        """The prior alone, which nothing of the frame before enters."""
        return self.network.restore(latent)

    def decode(self, restored: Tensor, picture: Tensor) -> Tensor:
        """The picture [B, 3, 4H, 4W]; ``picture``: the low-quality one, to which some restorers add."""
        return self.network.decode(restored, picture)


def add_branches(model: BasedModel, lora: LoraConfig) -> BasedModel:
    """Give the layers of body and decoder both branches; nothing is trainable yet."""
    for target in lora.targets:
        add_low_rank(model.network.get_submodule("body" if target == "unet" else target), lora.ranks)
    return model.requires_grad_(requires_grad=False)


def stage_parameters(model: BasedModel, stage: str) -> list[nn.Parameter]:
    """What a stage trains: the consistency stage retrieval, fusion and C-LoRA, the detail stage D-LoRA alone."""
    parameters = branch_parameters(model, stage)
    if stage == CONSISTENCY:
        parameters += [*model.retrieval.parameters(), *model.fuse.parameters()]
    return parameters


def select_variant(model: BasedModel, variant: Variant, detail_strength: float = 1.0) -> None:
    """Switch the branches of the weights; without consistency the caller restores single frames."""
    set_strength(model, CONSISTENCY, float(variant.consistency))
    set_strength(model, DETAIL, detail_strength * variant.detail)


def merged(model: BasedModel, variant: Variant, detail_strength: float = 1.0) -> BasedModel:
    """Write the branches of ``variant`` into plain weights, for good."""
    select_variant(model, variant, detail_strength)
    merge(model)
    return model
