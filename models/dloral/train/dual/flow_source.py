"""Where the flow network of a restorer's branches starts from: a run, or a pack."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from dloral.errors import UserError
from dloral.packs import find_pack
from dloral.train.checkpoint import load_checkpoint

PREFIX = "flow."


def flow_weights(source: Path) -> dict[str, Tensor]:
    """The flow network of a run's folder or a checkpoint, or of a pack, given by name or folder, by its own names.

    Raises :class:`UserError` where there is none.
    """
    run = source.is_file() or (source.is_dir() and not (source / "pack.toml").is_file())
    weights = load_checkpoint(source).ema if run else _restorer_weights(find_pack(source))
    found = {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
    if not found:
        raise UserError(f"{source} has no flow network: give a run or a pack of the tiny model")
    return found


def _restorer_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of the restorer's graph, without what the export adds to their names."""
    weights: dict[str, Tensor] = {}
    for tensor in onnx.load(folder / "restorer.onnx").graph.initializer:
        name = tensor.name.removesuffix(".half").removeprefix("model.")
        weights[name] = torch.from_numpy(np.array(numpy_helper.to_array(tensor))).float()
    return weights
