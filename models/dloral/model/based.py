"""Dual LoRA Learning on a public restorer: flow, warp, retrieval and fusion in front of its body, branches in it.

The latent is the restorer's first convolution, the body its prior, the decoder its upsampling half; they take the place
of SD's VAE and UNet. Everything new starts as nothing, so that the model starts as its base.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.arms import Arm
from dloral.model.bases import Restorer
from dloral.model.branches import CONSISTENCY, DETAIL, LoraConfig
from dloral.model.lora import add_low_rank, branch_parameters, merge, set_strength
from dloral.model.tiny.flow import TinyFlow, upsample_flow
from dloral.model.tiny.retrieval import LocalRetrieval
from dloral.model.warp import flow_warp

FLOW_LEVELS, FLOW_WIDTH = 3, 24
KEY_CHANNELS, VALUE_CHANNELS, RETRIEVAL_WINDOW = 16, 32, 3


class BasedModel(nn.Module):
    """A restorer that looks at the frame before. Pictures are [B, 3, h, w] in [0, 1], h and w even."""

    warp: Callable[[Tensor, Tensor], Tensor] = staticmethod(flow_warp)
    """What aligns the previous latent: the export takes a form that ONNX Runtime is faster with."""

    def __init__(self, network: Restorer) -> None:
        super().__init__()
        self.network = network
        width = network.width
        self.flow = TinyFlow(FLOW_LEVELS, FLOW_WIDTH)
        self.retrieval = LocalRetrieval(width, KEY_CHANNELS, VALUE_CHANNELS, RETRIEVAL_WINDOW)
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self._start_as_base(width)

    @torch.no_grad()
    def _start_as_base(self, width: int) -> None:
        for layer in (self.retrieval.project, self.fuse):
            layer.weight.zero_()
            assert layer.bias is not None, "both layers have a bias"
            layer.bias.zero_()
        self.fuse.weight[:, width:, 0, 0] = torch.eye(width)

    def encode(self, picture: Tensor) -> Tensor:
        """The latent [B, C, h, w] of a picture, which is its own guide."""
        return self.network.encoder(picture)

    def motion(self, guide: Tensor, guide_prev: Tensor) -> Tensor:
        """Flow [B, 2, h, w] to the frame before, in latent samples; looked for at half the size."""
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
        """The picture [B, 3, 4h, 4w]; ``picture``: the low-quality one, to which some restorers add."""
        return self.network.decode(restored, picture)


def add_branches(model: BasedModel, lora: LoraConfig) -> BasedModel:
    """Give the layers of body and decoder both branches; nothing is trainable yet."""
    for target in lora.targets:
        add_low_rank(model.network.get_submodule("body" if target == "unet" else target), lora.ranks)
    return model.requires_grad_(requires_grad=False)


def stage_parameters(model: BasedModel, stage: str, lora: LoraConfig) -> list[nn.Parameter]:
    """What a stage trains: the consistency stage retrieval, fusion and C-LoRA, the detail stage D-LoRA alone."""
    parameters = branch_parameters(model, stage)
    if stage == CONSISTENCY:
        parameters += [*model.retrieval.parameters(), *model.fuse.parameters()]
        if lora.train_flow:
            parameters += model.flow.parameters()
    return parameters


def select_arm(model: BasedModel, arm: Arm, detail_strength: float = 1.0) -> None:
    """Switch the branches of the weights; without consistency the caller restores single frames."""
    set_strength(model, CONSISTENCY, float(arm.consistency))
    set_strength(model, DETAIL, detail_strength * arm.detail)


def merged(model: BasedModel, arm: Arm, detail_strength: float = 1.0) -> BasedModel:
    """Write the branches of ``arm`` into plain weights, for good."""
    select_arm(model, arm, detail_strength)
    merge(model)
    return model
