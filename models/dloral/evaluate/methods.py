"""The upscalers that can be compared: low-quality frames in, frames ×4 out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dloral.errors import UserError
from dloral.runner import PackRunner

Picture = NDArray[np.uint8]
Method = Callable[[Iterable[Picture]], Iterator[Picture]]
"""Restores one video: as many frames out as in, each 4 times as high and wide."""

SCALE = 4
BICUBIC = "bicubic"
PACK = "pack"
"""Name of a pack where there is one; several have the names of their folders."""
SELF_PAIRED = "self_paired"
"""A pack whose frames are each paired with themselves: its distance to the pack is what the previous frame brings."""
BASELINES = ("realesrgan", "fsrcnn", "espcn")
METHODS = (BICUBIC, "lanczos", PACK, SELF_PAIRED, *BASELINES)


def name_packs(packs: Sequence[Path]) -> dict[str, Path]:
    """Packs by the names that tables give them; raises :class:`UserError` if two have one name."""
    named = {PACK: packs[0]} if len(packs) == 1 else {pack.resolve().name: pack for pack in packs}
    if len(named) < len(packs) or (len(packs) > 1 and set(named) & set(METHODS)):
        raise UserError("packs are called by the names of their folders: give folders with names of their own")
    return named


def self_paired(pack: str) -> str:
    """Name of the method ``SELF_PAIRED`` of one of the packs."""
    return SELF_PAIRED if pack == PACK else f"{pack} {SELF_PAIRED}"


def make_method(name: str, *, packs: Mapping[str, Path], baselines: Path | None, threads: int) -> Method:
    """The method ``name``, one of ``METHODS`` or of ``packs``, or one of these :func:`self_paired`.

    Raises :class:`UserError` if what it needs is not given or not installed.
    """
    if name in packs:
        return PackRunner(packs[name], threads=threads).restore
    if (pack := {self_paired(pack): packs[pack] for pack in packs}.get(name)) is not None:
        runner = PackRunner(pack, threads=threads)
        return each_frame(lambda frame: next(runner.restore([frame])))
    if name == BICUBIC:
        return each_frame(lambda frame: resized(frame, Image.Resampling.BICUBIC))
    if name == "lanczos":
        return each_frame(lambda frame: resized(frame, Image.Resampling.LANCZOS))
    if name in (PACK, SELF_PAIRED):
        raise UserError(f"the method {name} needs --pack FOLDER")
    if name in BASELINES:
        if baselines is None:
            raise UserError(f"the method {name} needs --baselines FOLDER")
        from dloral.evaluate.baselines import make_baseline

        return each_frame(make_baseline(name, baselines, threads))
    raise UserError(f"no method {name!r}; there are {', '.join(METHODS)}")


def resized(frame: Picture, filter_: Image.Resampling) -> Picture:
    """Pillow's enlargement ×4."""
    return np.asarray(Image.fromarray(frame).resize((frame.shape[1] * SCALE, frame.shape[0] * SCALE), filter_))


def each_frame(upscale: Callable[[Picture], Picture]) -> Method:
    """The method that treats every frame by itself."""
    return lambda frames: map(upscale, frames)
