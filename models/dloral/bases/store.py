"""A base as a folder: ``base.toml``, ``weights.safetensors``, and the licence that goes with the weights."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors.torch import load_file, save_file

from dloral.errors import UserError
from dloral.model.bases import NETWORKS, Restorer

DESCRIPTION = "base.toml"
WEIGHTS = "weights.safetensors"
LICENCE = "LICENSE"


@dataclass(frozen=True)
class Base:
    """A base that was read: its name, its network with weights, and the SHA-256 of these."""

    name: str
    network: Restorer
    sha256: str


def save_base(folder: Path, name: str, network: Restorer, licence: str, origin: dict[str, str]) -> None:
    """Write the folder; what it holds is whole or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    description = folder / DESCRIPTION
    description.unlink(missing_ok=True)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / WEIGHTS)
    (folder / LICENCE).write_text(licence, "utf-8")
    table: dict[str, Any] = {"name": name, "weights_sha256": _sha256(folder / WEIGHTS), "origin": origin}
    # Last: without it the folder is no base.
    description.write_text(tomli_w.dumps(table), "utf-8")


def load_base(folder: Path) -> Base:
    """The base in ``folder``; raises :class:`UserError` where a part of it is missing or was changed."""
    try:
        table = tomllib.loads((folder / DESCRIPTION).read_text("utf-8"))
        name, expected = table["name"], table["weights_sha256"]
        network = NETWORKS[name]()
    except FileNotFoundError as error:
        raise UserError(f"{folder} holds no {DESCRIPTION}: make it with python -m dloral base") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{folder / DESCRIPTION} is not as python -m dloral base writes it ({error})") from error
    if not (folder / LICENCE).is_file():
        raise UserError(f"{folder} lacks {LICENCE}: its weights may not be passed on without it; make the base anew")
    if not (folder / WEIGHTS).is_file() or _sha256(folder / WEIGHTS) != expected:
        raise UserError(f"{folder / WEIGHTS} is missing or not the file that {DESCRIPTION} names: make the base anew")
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise UserError(f"{folder / WEIGHTS} has other layers than the base {name} has: make the base anew") from error
    return Base(name, network.eval().requires_grad_(False).to(memory_format=torch.channels_last), expected)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
