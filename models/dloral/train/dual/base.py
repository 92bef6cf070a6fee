"""The frozen base of a tiny model's branches: a run that has none, or a pack."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from dloral.errors import UserError
from dloral.model.tiny import TinyConfig, TinyModel
from dloral.train.checkpoint import load_checkpoint
from dloral.train.init import load_weights, start_from

PAIRS = "pairs"
"""Key of a run of branches: whether its base sees pairs of frames. Runs without it have a base of single frames."""


class Base(NamedTuple):
    """What branches are trained on."""

    sizes: dict[str, Any]
    """``TinyConfig`` as plain values."""
    weights: dict[str, Tensor]
    pairs: bool
    """Whether it looks at the frame before, as a whole model does."""


def load_base(source: Path) -> Base:
    """The averaged weights of a run's folder or a checkpoint file, or the weights of a pack's folder in fp32.

    Raises :class:`UserError` where they are not those of a plain tiny model.
    """
    if (source / "pack.toml").is_file():
        # A pack does not say how wide its networks are; those of other widths do not fit, and are told so.
        sizes = TinyConfig()
        state = TinyModel(sizes).state_dict()
        start_from(state, load_weights(source), source)
        return Base(asdict(sizes), state, pairs=True)
    checkpoint = load_checkpoint(source)
    if checkpoint.base or checkpoint.config.get("architecture") != "tiny":
        raise UserError(
            f"{source} is no tiny base without branches: give --base a run of tiny.toml or tiny-base.toml, or a pack"
        )
    return Base(checkpoint.config["model"], checkpoint.ema, pairs=checkpoint.config.get("stage") != "base")


def sees_pairs(config: Mapping[str, Any]) -> bool:
    """Whether the base of a run of branches, whose configuration this is, sees pairs of frames."""
    return bool(config.get(PAIRS, False))
