"""The upscalers that can be compared: low-quality frames in, frames ×4 out."""

from collections.abc import Callable, Iterable, Iterator
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
METHODS = (BICUBIC, "lanczos", "pack", "realesrgan", "fsrcnn", "espcn")
PEERS = METHODS[3:]


def make_method(name: str, *, pack: Path | None, peers: Path | None, threads: int) -> Method:
    """The method ``name`` of ``METHODS``; raises :class:`UserError` if what it needs is not given or not installed."""
    if name == BICUBIC:
        return each_frame(lambda frame: resized(frame, Image.Resampling.BICUBIC))
    if name == "lanczos":
        return each_frame(lambda frame: resized(frame, Image.Resampling.LANCZOS))
    if name == "pack":
        if pack is None:
            raise UserError("the method pack needs --pack FOLDER")
        return PackRunner(pack, threads=threads).restore
    if name in PEERS:
        if peers is None:
            raise UserError(f"the method {name} needs --peers FOLDER")
        from dloral.evaluate.peers import make_peer

        return each_frame(make_peer(name, peers, threads))
    raise UserError(f"no method {name!r}; there are {', '.join(METHODS)}")


def resized(frame: Picture, filter_: Image.Resampling) -> Picture:
    """Pillow's enlargement ×4."""
    return np.asarray(Image.fromarray(frame).resize((frame.shape[1] * SCALE, frame.shape[0] * SCALE), filter_))


def each_frame(upscale: Callable[[Picture], Picture]) -> Method:
    """The method that treats every frame by itself."""
    return lambda frames: map(upscale, frames)
