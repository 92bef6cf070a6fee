"""Weights to start a run from: those of another run, or of a pack whose run is not at hand."""

import re
import tomllib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from dloral.errors import UserError
from dloral.model.tiny.codec import DOUBLE_CHANNELS, SCALE
from dloral.train.checkpoint import load_checkpoint

_BLOCK = re.compile(r"\.(\d+)\.(depthwise|expand|project)\.(weight|bias)$")


def load_weights(source: Path) -> dict[str, Tensor]:
    """Averaged weights of a run's folder or a checkpoint file, or the weights of a pack's folder, by their names."""
    if (source / "pack.toml").is_file():
        return _pack_weights(source)
    return load_checkpoint(source).ema


def _pack_weights(folder: Path) -> dict[str, Tensor]:
    if tomllib.loads((folder / "pack.toml").read_text(encoding="utf-8")).get("precision") != "fp32":
        raise UserError(f"{folder} is not in fp32: start from the pack it was made from")
    weights: dict[str, Tensor] = {}
    for graph in ("encoder", "restorer", "decoder"):
        # The encoder's and the decoder's modules lie one level deeper in their graphs, under the same name.
        prefix = "restorer." if graph == "restorer" else ""
        for tensor in onnx.load(folder / f"{graph}.onnx").graph.initializer:
            if tensor.name.endswith((".weight", ".bias")):
                weights[prefix + tensor.name] = torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
    # The export folds the scale to bytes and the half of the rounding into the last convolution (DecoderGraph).
    weights["decoder.conv_out.weight"] /= 255.0
    weights["decoder.conv_out.bias"] = (weights["decoder.conv_out.bias"] - 0.5) / 255.0
    return weights


def start_from(state: dict[str, Tensor], weights: dict[str, Tensor], source: Path) -> None:
    """Write ``weights`` into the tensors of ``state``, which may have more blocks: those start as the identity.

    Those of a decoder of 16 phases are made into those of four.
    Raises :class:`UserError` where anything else is missing, left over or of another shape.
    """
    added = [name for name in state if name not in weights and _BLOCK.search(name)]
    for name in added:
        if ".project." in name:
            state[name].zero_()
    weights = _halved_phases(weights, state)
    wrong = sorted(
        {name for name in state if name not in weights and name not in added}
        | {name for name in weights if name not in state}
        | {name for name in weights if name in state and weights[name].shape != state[name].shape}
    )
    if wrong:
        raise UserError(f"{source} does not fit this configuration; missing, left over or of another size: {wrong[:5]}")
    with torch.no_grad():
        for name, value in weights.items():
            state[name].copy_(value)


def _halved_phases(weights: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``weights`` with the last convolution of an earlier decoder, whose residual had the size of the output, as that
    of today's, whose residual has half of it: each phase is the mean of the four in its place.
    """
    weights = dict(weights)
    for name in {"decoder.conv_out.weight", "decoder.conv_out.bias"} & weights.keys() & state.keys():
        value = weights[name]
        if (len(value), len(state[name])) == (3 * SCALE * SCALE, DOUBLE_CHANNELS):
            halved = value.reshape(2, 2, 2, 2, 3, *value.shape[1:]).mean(dim=(1, 3))
            weights[name] = halved.movedim(2, 0).reshape(DOUBLE_CHANNELS, *value.shape[1:])
    return weights
