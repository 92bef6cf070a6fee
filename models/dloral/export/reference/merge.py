"""From a checkpoint's tensors to plain networks: both LoRAs merged into the UNet, and retrieval under our names."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from dloral.errors import UserError
from dloral.export.reference.base import Base
from dloral.export.reference.checkpoint import ReferenceCheckpoint
from dloral.model.sd.cfr import CrossFrameRetrieval

LORA_ALPHA = 8
"""The reference leaves peft's default in place; with its rank of 4 adapters count twice."""

RETRIEVAL_LAYERS = {
    "query_conv": "query",
    "key_conv": "key",
    "value_conv": "value",
    "proj_out": "project",
    "threshold_fc": "threshold",
}
_UNUSED = ("feat_extract", "weight_predict", "weight_predict_final", "reconstruction_feat", "conv_hr", "conv_last")
_SPYNET_LAYER = re.compile(r"spynet\.basic_module\.(\d+)\.basic_module\.(\d+)\.conv\.(weight|bias)")
# Two trained networks have nothing in common tensor by tensor; one that went through half precision is within 1e-3.
_SAME_BASE = 0.99


def merged_unet(base: Base, checkpoint: ReferenceCheckpoint, detail_strength: float = 1.0) -> UNet2DConditionModel:
    """The UNet with W + Σ (α/r)·B·A in place of W, f32, no adapter left in it.

    ``detail_strength`` scales the detail branch alone: 0 leaves it out, 1 is the model as trained. Raises
    :class:`UserError` where a tensor is missing, left over or of another shape than base and checkpoint say, or where
    the frozen weights are another base's.
    """
    unet = base.empty_unet()
    tensors = dict(checkpoint.unet)
    weights = {}
    with base.unet_weights() as own:
        if own is None:
            warnings.warn(
                f"{base.folder}/unet has no weights: whether it is the base of {checkpoint.path} stays unchecked",
                stacklevel=2,
            )
        for name, expected in unet.state_dict().items():
            module, _, kind = name.rpartition(".")
            adapters = list(_adapters(checkpoint, module))
            key = f"{module}.base_layer.{kind}" if adapters else name
            weight = _take(tensors, checkpoint, key, tuple(expected.shape)).float()
            if own is not None and module != "conv_in":
                _check_base(base, checkpoint, own, name, key, weight)
            for part, branch in adapters if kind == "weight" else []:
                scale = LORA_ALPHA / checkpoint.rank[branch] * (detail_strength if branch == "quality" else 1.0)
                weight = weight + scale * _update(tensors, checkpoint, module, f"default_{part}_{branch}", weight)
            weights[name] = weight
    if tensors:
        raise UserError(f"{checkpoint.path}: state_dict_unet has {next(iter(tensors))!r}, unknown to the base's UNet")
    _check_modules(checkpoint, unet)
    unet.load_state_dict(weights, assign=True)
    return unet.eval().requires_grad_(requires_grad=False)


def retrieval(base: Base, checkpoint: ReferenceCheckpoint, blocks: int) -> CrossFrameRetrieval:
    """SpyNet and retrieval with the checkpoint's weights."""
    model = CrossFrameRetrieval(base.latent_channels, blocks)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {}
    for key, tensor in checkpoint.cfr.items():
        if key.partition(".")[0] in _UNUSED:
            continue
        name = retrieval_name(key)
        if name not in expected:
            raise UserError(f"{checkpoint.path}: state_dict_bpp has {key!r}, which is no part of SpyNet or retrieval")
        _check_shape(checkpoint, "state_dict_bpp", key, tensor, expected[name])
        found[name] = tensor.float()
    for name in expected:
        if name not in found:
            raise UserError(
                f"{checkpoint.path}: state_dict_bpp has no tensor for {name}; {list(expected[name])} is expected"
            )
    model.load_state_dict(found)
    return model.eval().requires_grad_(requires_grad=False)


def retrieval_name(key: str) -> str:
    """Our name of a tensor of the reference's ``CFR_model``; ``key`` itself for one that we do not use."""
    if match := _SPYNET_LAYER.fullmatch(key):
        level, layer, kind = match.groups()
        return f"flow.levels.{level}.{2 * int(layer)}.{kind}"
    statistics = {"spynet.mean": "flow.mean", "spynet.std": "flow.deviation"}
    if key in statistics:
        return statistics[key]
    prefix, _, rest = key.partition(".")
    layer, _, kind = rest.partition(".")
    if prefix == "cross_attn_module" and layer in RETRIEVAL_LAYERS:
        return f"retrieval.{RETRIEVAL_LAYERS[layer]}.{kind}"
    return key


def _adapters(checkpoint: ReferenceCheckpoint, module: str) -> Iterator[tuple[str, str]]:
    return ((part, branch) for (part, branch), modules in checkpoint.adapted.items() if module in modules)


def _update(
    tensors: dict[str, Tensor], checkpoint: ReferenceCheckpoint, module: str, adapter: str, weight: Tensor
) -> Tensor:
    """B·A of one adapter, in the shape of the weight it changes: linear [out, in] or convolution [out, in, k, k]."""
    rank = checkpoint.rank[adapter.rpartition("_")[2]]
    out, *rest = weight.shape
    ones = (1,) * (weight.ndim - 2)
    down = _take(tensors, checkpoint, f"{module}.lora_A.{adapter}.weight", (rank, *rest)).float()
    up = _take(tensors, checkpoint, f"{module}.lora_B.{adapter}.weight", (out, rank, *ones)).float()
    return (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)


def _take(tensors: dict[str, Tensor], checkpoint: ReferenceCheckpoint, key: str, shape: tuple[int, ...]) -> Tensor:
    if key not in tensors:
        raise UserError(f"{checkpoint.path}: state_dict_unet has no {key!r}; a tensor {list(shape)} is expected there")
    tensor = tensors.pop(key)
    _check_shape(checkpoint, "state_dict_unet", key, tensor, shape)
    return tensor


def _check_shape(checkpoint: ReferenceCheckpoint, table: str, key: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise UserError(
            f"{checkpoint.path}: {table}[{key!r}] is {list(tensor.shape)}; {list(shape)} is expected. Is the base the "
            "one that the checkpoint was trained on (Stable Diffusion 2.1-base)?"
        )


def _check_base(base: Base, checkpoint: ReferenceCheckpoint, own: Any, name: str, key: str, weight: Tensor) -> None:
    """The weights that LoRA training leaves alone are the base's, up to half precision."""
    if name not in set(own.keys()):
        raise UserError(f"{base.folder}: its UNet has no weights for {name!r}, which its configuration asks for")
    theirs = own.get_tensor(name).float()
    if theirs.shape != weight.shape or likeness(theirs, weight) < _SAME_BASE:
        raise UserError(
            f"{base.folder} is not the base of {checkpoint.path}: the frozen weight {key!r} is another there. "
            "Give the folder of the base that the checkpoint was trained on (Stable Diffusion 2.1-base)"
        )


def likeness(a: Tensor, b: Tensor) -> float:
    """Cosine of the angle between two tensors; 1 for two of zeros.

    Summed in f64: in f32 the sums over Stable Diffusion's largest weights are wrong by two percent.
    """
    scale = float(a.double().norm() * b.double().norm())
    if scale == 0:
        return 1.0 - float((a - b).abs().amax() > 0)
    return float((a * b).sum(dtype=torch.float64)) / scale


def _check_modules(checkpoint: ReferenceCheckpoint, unet: torch.nn.Module) -> None:
    known = {name for name, _ in unet.named_modules()}
    for (part, branch), modules in checkpoint.adapted.items():
        for module in modules:
            if module not in known:
                raise UserError(
                    f"{checkpoint.path}: unet_lora_{part}_modules_{branch} names {module!r}, unknown to the base's UNet"
                )
