"""Base folders and checkpoints of DLoRAL's layout with random weights, from tiny to Stable Diffusion 2.1's size.

Run it to try an export without the published weights (from ``models/``; ``sd21`` takes 7 GB of disk):

    python tests/random_sd.py FOLDER --size sd21
    python -m dloral export --base FOLDER/base --checkpoint FOLDER/model.pkl \
        --prompt-embedding FOLDER/prompt.npy --out FOLDER/pack
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor

from dloral.export.reference.checkpoint import BRANCHES, PARTS
from dloral.export.reference.merge import RETRIEVAL_LAYERS
from dloral.model.sd.cfr import CrossFrameRetrieval

RANK = 4

_ATTENTION, _PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
UNETS: dict[str, dict[str, Any]] = {
    "sd21": {
        "block_out_channels": (320, 640, 1280, 1280),
        "down_block_types": (_ATTENTION[0],) * 3 + (_PLAIN[0],),
        "up_block_types": (_PLAIN[1],) + (_ATTENTION[1],) * 3,
        "attention_head_dim": (5, 10, 20, 20),
        "cross_attention_dim": 1024,
    },
    "small": {
        "block_out_channels": (8, 16),
        "down_block_types": (_ATTENTION[0], _PLAIN[0]),
        "up_block_types": (_PLAIN[1], _ATTENTION[1]),
        "attention_head_dim": (1, 2),
        "cross_attention_dim": 16,
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
}
VAES: dict[str, dict[str, Any]] = {
    "sd21": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
    "small": {"block_out_channels": (4, 4, 8, 8), "layers_per_block": 1, "norm_num_groups": 2},
}
_ADAPTED = ("to_k", "to_q", "to_v", "to_out.0", "conv", "proj_out", "proj_in", "ff.net.2", "ff.net.0.proj")


def write_base(folder: Path, size: str) -> None:
    """UNet, autoencoder and scheduler with diffusers' initial weights."""
    unet = UNet2DConditionModel(use_linear_projection=True, **UNETS[size])
    unet.save_pretrained(folder / "unet", max_shard_size="100GB")
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    AutoencoderKL(**kinds, **VAES[size]).save_pretrained(folder / "vae", max_shard_size="100GB")
    DDPMScheduler(beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")


def checkpoint_table(base: Path) -> dict[str, Any]:
    """What DLoRAL saves after training on ``base``: its UNet with adapters, SpyNet and retrieval."""
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    modules = [name for name, _ in unet.named_parameters() if name.endswith(".weight")]
    modules = [name.removesuffix(".weight") for name in modules if "norm" not in name]
    adapted = [name for name in modules if any(part in name for part in _ADAPTED)]
    table: dict[str, Any] = {f"lora_rank_unet_{branch}": RANK for branch in BRANCHES}
    parts = {part: [name for name in adapted if _part(name) == part] for part in PARTS}
    table |= {f"unet_lora_{part}_modules_{branch}": names for part, names in parts.items() for branch in BRANCHES}
    tensors: dict[str, Tensor] = {}
    for name, weight in unet.state_dict().items():
        module, _, kind = name.rpartition(".")
        if name == "conv_in.weight":
            weight = torch.cat([weight, weight], dim=1)
        tensors[f"{module}.base_layer.{kind}" if module in adapted else name] = weight
        if module in adapted and kind == "weight":
            for branch in BRANCHES:
                tensors |= _adapter(module, f"default_{_part(module)}_{branch}", weight)
    return table | {"state_dict_unet": tensors, "state_dict_bpp": cfr_table()}


def cfr_table() -> dict[str, Tensor]:
    """SpyNet and retrieval in the reference's naming, and a layer that nothing uses."""
    ours = {value: key for key, value in RETRIEVAL_LAYERS.items()}
    table = {"conv_last.weight": torch.zeros(4, 64, 3, 3), "conv_last.bias": torch.zeros(4)}
    for name, tensor in CrossFrameRetrieval().state_dict().items():
        part, *rest = name.split(".")
        if part == "retrieval":
            table[f"cross_attn_module.{ours[rest[0]]}.{rest[1]}"] = tensor
        elif rest[0] == "levels":
            level, layer, kind = rest[1:]
            table[f"spynet.basic_module.{level}.basic_module.{int(layer) // 2}.conv.{kind}"] = tensor
        else:
            table[{"mean": "spynet.mean", "deviation": "spynet.std"}[rest[0]]] = tensor
    return table


def write_model(folder: Path, size: str) -> None:
    """``base``, ``model.pkl`` and ``prompt.npy`` in ``folder``."""
    torch.manual_seed(0)
    write_base(folder / "base", size)
    torch.save(checkpoint_table(folder / "base"), folder / "model.pkl")
    width = UNETS[size]["cross_attention_dim"]
    np.save(folder / "prompt.npy", np.random.default_rng(0).normal(0, 1, (1, 77, width)).astype(np.float32))


def _part(module: str) -> str:
    if module.startswith(("down_blocks", "conv_in")):
        return "encoder"
    return "decoder" if module.startswith(("up_blocks", "conv_out")) else "others"


def _adapter(module: str, adapter: str, weight: Tensor) -> dict[str, Tensor]:
    out, *rest = weight.shape
    ones = (1,) * (weight.ndim - 2)
    scale = float(weight.std()) / 4
    return {
        f"{module}.lora_A.{adapter}.weight": torch.randn(RANK, *rest) * scale,
        f"{module}.lora_B.{adapter}.weight": torch.randn(out, RANK, *ones) * 0.1,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=UNETS, default="small")
    arguments = parser.parse_args()
    write_model(arguments.folder, arguments.size)
