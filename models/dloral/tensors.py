"""Files of PyTorch, read without running what they bring."""

import pickle
from pathlib import Path
from typing import Any

import torch

from dloral.errors import UserError


def load_tensors(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """The dictionary that a file of tensors holds, on the CPU; ``mapped``: read from the file as it is needed.

    Raises :class:`UserError` that says what is wrong, and not how PyTorch would run a pickle's code.
    """
    try:
        table = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and _is_zip(path))
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused, because it is no plain pickle of tensors: reading it would run code that it brings, or "
            f"it is damaged"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a checkpoint of PyTorch: {error}") from error
    if not isinstance(table, dict):
        raise UserError(f"{path}: it holds a {type(table).__name__}; a dictionary is expected")
    return table


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"
