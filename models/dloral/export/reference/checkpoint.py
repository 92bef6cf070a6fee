"""Reading ``model.pkl``: safe, and every key accounted for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dloral.errors import UserError
from dloral.tensors import load_tensors

BRANCHES = ("quality", "consistency")
"""The reference's names of the detail LoRA (D-LoRA) and the consistency LoRA (C-LoRA)."""
PARTS = ("encoder", "decoder", "others")
"""Of the UNet; each part has adapters of its own in each branch."""


@dataclass(frozen=True)
class ReferenceCheckpoint:
    """What ``model.pkl`` holds.

    ``adapted`` names, by part and branch, the UNet's modules with LoRAs; ``unet`` is the whole UNet in peft's naming
    (it overrides the base's); ``cfr`` are SpyNet and the retrieval, and layers that nothing uses.
    """

    path: Path
    rank: dict[str, int]
    adapted: dict[tuple[str, str], list[str]]
    unet: dict[str, Tensor]
    cfr: dict[str, Tensor]


def read_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read the reference's checkpoint; raises :class:`UserError` that names the key and what was expected.

    The pickle is read with ``weights_only``: one that wants to run code is refused.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: DLoRAL's model.pkl is expected")
    table = load_tensors(path, mapped=True)
    adapted = {
        (part, branch): _take(table, path, f"unet_lora_{part}_modules_{branch}", list, "a list of module names")
        for part in PARTS
        for branch in BRANCHES
    }
    rank = {branch: _take(table, path, f"lora_rank_unet_{branch}", int, "a number") for branch in BRANCHES}
    for branch, value in rank.items():
        if value < 1:
            raise UserError(f"{path}: lora_rank_unet_{branch} is {value}; at least 1 is expected")
    unet = _take(table, path, "state_dict_unet", dict, "the UNet's tensors")
    cfr = _take(table, path, "state_dict_bpp", dict, "the tensors of SpyNet and the retrieval")
    if table:
        raise UserError(f"{path}: unexpected key {next(iter(table))!r}: this is not a checkpoint as DLoRAL saves it")
    checkpoint = ReferenceCheckpoint(path, rank, adapted, unet, cfr)
    for name, tensors in (("state_dict_unet", unet), ("state_dict_bpp", cfr)):
        for key, value in tensors.items():
            if not isinstance(value, Tensor):
                raise UserError(f"{path}: {name}[{key!r}] is a {type(value).__name__}; a tensor is expected")
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise UserError(f"{path}: {name}[{key!r}] holds values that are not finite")
    return checkpoint


def _take(table: dict[str, Any], path: Path, key: str, kind: type, wanted: str) -> Any:
    if key not in table:
        raise UserError(f"{path}: key {key!r} is missing; {wanted} is expected there")
    value = table.pop(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"{path}: {key!r} is a {type(value).__name__}; {wanted} is expected")
    return value
