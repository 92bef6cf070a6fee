"""The tiny configuration with its two branches: what is trained in which stage, and what every arm computes."""

import torch
from torch import Tensor, nn

from dloral.model.arms import Arm
from dloral.model.branches import CONSISTENCY, DETAIL, LoraConfig
from dloral.model.lora import add_full_rank, add_low_rank, branch_parameters, full_rank_change, merge, set_strength
from dloral.model.tiny import TinyConfig, TinyModel, TinyRestorer


class SingleFrameRestorer(nn.Module):
    """The restorer without the consistency branch: x0 = z − ε([z, z]); the frame before is not looked at."""

    def __init__(self, restorer: TinyRestorer) -> None:
        super().__init__()
        self.restorer = restorer

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> Tensor:
        return self.restorer.restore_single(latent)


def branched_model(
    config: TinyConfig, lora: LoraConfig, base: dict[str, Tensor] | None = None, *, pairs: bool = False
) -> TinyModel:
    """The networks with both branches, from the weights of a trained ``base`` if they are given; nothing is trainable.

    With a base, every arm starts as that base. One that sees ``pairs`` of frames has a retrieval already, which the
    consistency stage goes on training. One of single frames has none: retrieval adds nothing, and ``conv_in``, which
    gets [warped z_prev, z'] where the base saw [z, z], has the base's two halves added up for z' and none for z_prev.
    """
    model = TinyModel(config)
    if base is not None:
        model.load_state_dict(base)
    parts: dict[str, nn.Module] = {"unet": model.restorer.unet, "decoder": model.decoder}
    conv_in = model.restorer.unet.conv_in
    for target in lora.targets:
        add_low_rank(parts[target], lora.ranks)
    add_full_rank(conv_in, CONSISTENCY)
    if base is not None and not pairs:
        _start_as_single(model)
    return model.requires_grad_(requires_grad=False)


@torch.no_grad()
def _start_as_single(model: TinyModel) -> None:
    project = model.restorer.retrieval.project
    project.weight.zero_()
    assert project.bias is not None, "the retrieval's projection has a bias"
    project.bias.zero_()
    conv_in = model.restorer.unet.conv_in
    half = conv_in.in_channels // 2
    weight = conv_in.parametrizations["weight"].original  # type: ignore[index, union-attr]
    change = full_rank_change(conv_in, "weight", CONSISTENCY)
    change[:, :half] = -weight[:, :half]
    change[:, half:] = weight[:, :half]


def stage_parameters(model: TinyModel, stage: str, lora: LoraConfig) -> list[nn.Parameter]:
    """What a stage trains: the consistency stage retrieval, ``conv_in`` and C-LoRA, the detail stage D-LoRA alone."""
    parameters = branch_parameters(model, stage)
    if stage == CONSISTENCY:
        parameters += model.restorer.retrieval.parameters()
        if lora.train_flow:
            parameters += model.restorer.flow.parameters()
    return parameters


def select_arm(model: TinyModel, arm: Arm) -> None:
    """Switch the branches of the weights; retrieval and flow are the caller's to leave out (:func:`restore`)."""
    set_strength(model, CONSISTENCY, float(arm.consistency))
    set_strength(model, DETAIL, float(arm.detail))


def merged_restorer(model: TinyModel, arm: Arm, detail_strength: float = 1.0, *, pairs: bool = False) -> nn.Module:
    """Write the branches of ``arm`` into plain weights of ``model``, for good; returns the restorer to export.

    ``detail_strength`` scales the detail branch: 1 is the model as trained, more is sharper than that. ``pairs`` says
    what the base sees: on one of single frames the frame before is the consistency branch's to look at.
    """
    select_arm(model, arm)
    set_strength(model, DETAIL, detail_strength * arm.detail)
    merge(model)
    return model.restorer if arm.consistency or pairs else SingleFrameRestorer(model.restorer)
