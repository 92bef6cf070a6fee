"""The averaged weights of a run alone, in 16 bits: an eighth of its checkpoint, enough to export and to start from.

A safetensors file whose metadata say what a checkpoint says beside its tensors.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dloral.errors import UserError
from dloral.train.checkpoint import Checkpoint

SUFFIX = ".safetensors"


def write_weights(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file; whole or not there.

    Raises :class:`UserError` where it cannot be written.
    """
    tensors = {name: _halved(value) for name, value in checkpoint.ema.items()}
    said = {"step": checkpoint.step, "seed": checkpoint.seed, "base": checkpoint.base, "config": checkpoint.config}
    aside = path.with_name(f"{path.name}.part")
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, aside, {name: json.dumps(value) for name, value in said.items()})
    except (OSError, SafetensorError) as error:
        aside.unlink(missing_ok=True)
        raise UserError(f"{path} could not be written ({error}): make room, and give the same command again") from error
    aside.rename(path)


def read_weights(path: Path) -> Checkpoint:
    """A checkpoint with averaged weights, in float32, and without a state to go on from.

    Raises :class:`UserError` where the file is not one that :func:`write_weights` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            said = {name: json.loads(metadata[name]) for name in ("step", "seed", "base", "config")}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # no dict
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not as python -m dloral weights writes it ({error})") from error
    averaged = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    return Checkpoint(model=averaged, ema=averaged, optimizer={}, **said)


def _halved(value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point():
        return value.contiguous()
    halved = value.half().contiguous()
    if not bool(torch.isfinite(halved).all()):
        raise UserError("the run's weights are not finite, or too large for 16 bits: they are damaged")
    return halved
