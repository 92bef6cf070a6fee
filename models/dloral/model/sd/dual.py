"""Stable Diffusion with the two branches of Dual LoRA Learning, and their merging for export."""

from typing import TYPE_CHECKING

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from dloral.errors import UserError
from dloral.model.branches import CONSISTENCY, DETAIL, LoraConfig
from dloral.model.lora import Layer, add_full_rank, add_low_rank, branch_parameters, merge, set_strength
from dloral.model.sd.cfr import CrossFrameRetrieval
from dloral.model.sd.restorer import SdRestorer
from dloral.model.sd.unet import OneStepUNet
from dloral.model.variants import Variant

if TYPE_CHECKING:
    from dloral.export.reference.base import Base

_PLAIN_LAYERS = ("time_embedding", "time_emb_proj")
"""Layers without LoRA, as in the reference: one timestep makes them constants."""


class SingleFrameSdRestorer(nn.Module):
    """The restorer without the consistency branch: x0 = z − ε([z, z]); the frame before is not looked at."""

    def __init__(self, unet: OneStepUNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> Tensor:
        pair = torch.cat([latent, latent], dim=1)
        return latent - self.unet(pair.to(self.unet.prompt.dtype)).float()


def branched_restorer(base: "Base", lora: LoraConfig, prompt: Tensor, blocks: int = 1) -> SdRestorer:
    """Retrieval and the base's UNet with both branches; nothing is trainable. Every variant starts as the base.

    ``conv_in`` takes [warped z_prev, z']: its new half starts at zero, and with retrieval's projection at zero the UNet
    sees what the base saw. Flow starts at none anywhere, until weights are loaded or it is trained.
    """
    if lora.targets != ("unet",):
        raise UserError('[lora] targets: Stable Diffusion has its branches in the UNet, so ["unet"] is expected')
    cfr = CrossFrameRetrieval(base.latent_channels, blocks)
    last_layers = [level[-1] for level in cfr.flow.levels if isinstance(level, nn.Sequential)]
    for layer in (cfr.retrieval.project, *last_layers):
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    unet = _widened(base)
    for name, layer in list(unet.named_modules()):
        if isinstance(layer, Layer) and not any(part in name for part in _PLAIN_LAYERS):
            add_low_rank(layer, lora.ranks)
    add_full_rank(unet.conv_in, CONSISTENCY)
    return SdRestorer(cfr, OneStepUNet(unet, prompt)).requires_grad_(requires_grad=False)


def _widened(base: "Base") -> UNet2DConditionModel:
    """The base's UNet for two latents; what it sees of the first is nothing yet."""
    unet = base.empty_unet()
    with base.unet_weights() as own:
        if own is None:
            raise UserError(f"{base.folder / 'unet'} has no weights, and branches are trained on them")
        weights = {name: own.get_tensor(name).float() for name in own.keys()}  # noqa: SIM118 # no dict
    narrow = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([torch.zeros_like(narrow), narrow], dim=1)
    try:
        unet.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise UserError(f"{base.folder / 'unet'}: weights do not fit its config.json: {error}") from error
    return unet.eval()


def sd_stage_parameters(restorer: SdRestorer, stage: str, lora: LoraConfig) -> list[nn.Parameter]:
    """What a stage trains: the consistency stage retrieval, ``conv_in`` and C-LoRA, the detail stage D-LoRA alone."""
    parameters = branch_parameters(restorer.unet, stage)
    if stage == CONSISTENCY:
        parameters += restorer.cfr.retrieval.parameters()
        if lora.train_flow:
            parameters += restorer.cfr.flow.parameters()
    return parameters


def frozen_weights(restorer: SdRestorer, vae: nn.Module) -> dict[str, Tensor]:
    """The UNet's weights without branches, and the autoencoder's, by which a base is known."""
    unet = {name: value for name, value in restorer.unet.state_dict().items() if ".changes." not in name}
    return unet | {f"vae.{name}": value for name, value in vae.state_dict().items()}


def branch_state(restorer: SdRestorer) -> dict[str, Tensor]:
    """What a checkpoint holds: retrieval, flow and branches, without the base."""
    state: dict[str, Tensor] = restorer.state_dict()
    return {name: value for name, value in state.items() if name.startswith("cfr.") or ".changes." in name}


def select_sd_variant(restorer: SdRestorer, variant: Variant) -> None:
    """Switch the branches of the UNet's weights."""
    set_strength(restorer.unet, CONSISTENCY, float(variant.consistency))
    set_strength(restorer.unet, DETAIL, float(variant.detail))


def merged_sd_restorer(
    restorer: SdRestorer, variant: Variant, detail_strength: float = 1.0
) -> SdRestorer | SingleFrameSdRestorer:
    """Write the branches of ``variant`` into plain weights of ``restorer``, for good; returns what is to be exported.

    ``detail_strength`` scales the detail branch: 1 is the model as trained.
    """
    select_sd_variant(restorer, variant)
    set_strength(restorer.unet, DETAIL, detail_strength * variant.detail)
    merge(restorer)
    return restorer if variant.consistency else SingleFrameSdRestorer(restorer.unet)
