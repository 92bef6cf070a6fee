"""Runs a model pack with plain ONNX Runtime and NumPy: frames in, frames out.

This is the same arithmetic as the GStreamer element's, written a second time and as plainly as possible: evaluation
uses it, and the element's core is compared with it. It is not made for speed (blending is in f64, frames are copied).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from dloral import color
from dloral.errors import UserError
from dloral.manifest import GRAPHS, SCALE, GraphSizes, Manifest, open_pack
from dloral.tiles import Blender, plan_tiles

Picture = NDArray[np.uint8]
Latent = NDArray[np.float32]
ColorFix = Literal["pack", "none", "adain", "wavelet"]


@dataclass(frozen=True)
class Encoded:
    """A frame as the restorer sees it: ``latent`` f32 [1,C,h,w] and ``guide`` f32 [1,3,h,w]."""

    latent: Latent
    guide: Latent


class PackRunner:
    """The three graphs of a pack. One of it serves any number of streams, also from several threads."""

    def __init__(
        self,
        folder: Path | str,
        *,
        threads: int = 0,
        color_fix: ColorFix = "pack",
        tile_size: int = 0,
        tile_overlap: int = 0,
        int8: bool = True,
    ) -> None:
        """Load the pack in ``folder``; ``int8``: its form in 8 bits where it has one, as the element does on a CPU.

        ``threads``: of ONNX Runtime, 0: all cores. ``tile_size`` and ``tile_overlap``: of the restorer, in output
        pixels, 0: the pack's. Raises :class:`UserError` if the pack cannot be read.
        """
        self.manifest = open_pack(Path(folder))
        self.restorer_sizes = _restorer_sizes(self.manifest, tile_size, tile_overlap)
        self.color_fix = self.manifest.color_fix if color_fix == "pack" else color_fix
        self._encoder, self._restorer, self._decoder = (
            _session(self.manifest.path(graph, int8=int8), threads) for graph in GRAPHS
        )

    def restore(self, frames: Iterable[Picture]) -> Iterator[Picture]:
        """Restore one video: RGB u8 [H,W,3] in, [4H,4W,3] out, as many as came in."""
        stream = PackStream(self)
        for frame in frames:
            yield stream.restore(frame)

    def encode(self, frame: Picture) -> Encoded:
        """Encode a padded frame [H,W,3]."""
        picture = upscale(frame) if self.manifest.upscaled_input else frame
        factor = self.manifest.factor if self.manifest.upscaled_input else self.manifest.input_factor
        height, width = picture.shape[0] // factor, picture.shape[1] // factor
        plan = plan_tiles(height, width, self.manifest.encoder)
        latent = Blender(plan, "feather", 1, self.manifest.channels)
        guide = Blender(plan, "feather", 1, 3)
        for row in plan.rows:
            for column in plan.columns:
                tile = _tile(picture, row, column, plan.height, plan.width, factor)
                latents, guides = self._encoder.run(["latent", "guide"], {"frame": tile[None]})
                latent.add(latents[0], row, column)
                guide.add(guides[0], row, column)
        return Encoded(latent.result().astype(np.float32)[None], guide.result().astype(np.float32)[None])

    def restore_latent(self, current: Encoded, previous: Encoded) -> Latent:
        """The restored latent [1,C,h,w] of ``current``."""
        names = ("latent", "guide", "latent_prev", "guide_prev")
        values = (current.latent, current.guide, previous.latent, previous.guide)
        plan = plan_tiles(current.latent.shape[2], current.latent.shape[3], self.restorer_sizes)
        blender = Blender(plan, "gaussian", 1, self.manifest.channels)
        for row in plan.rows:
            for column in plan.columns:
                place = np.s_[..., row : row + plan.height, column : column + plan.width]
                inputs = {name: np.ascontiguousarray(value[place]) for name, value in zip(names, values, strict=True)}
                blender.add(self._restorer.run(["restored"], inputs)[0][0], row, column)
        return blender.result().astype(np.float32)[None]

    def decode(self, restored: Latent, frame: Picture) -> Picture:
        """The picture [4H,4W,3] of a restored latent and its padded frame [H,W,3]."""
        plan = plan_tiles(restored.shape[2], restored.shape[3], self.manifest.decoder)
        blender = Blender(plan, "feather", self.manifest.factor, 3)
        for row in plan.rows:
            for column in plan.columns:
                latents = restored[..., row : row + plan.height, column : column + plan.width]
                inputs: dict[str, NDArray[np.float32] | Picture] = {"restored": np.ascontiguousarray(latents)}
                if self.manifest.conditioned:
                    factor = self.manifest.input_factor
                    inputs["frame"] = _tile(frame, row, column, plan.height, plan.width, factor)[None]
                picture = self._decoder.run(["picture"], inputs)[0][0]
                blender.add(picture.transpose(2, 0, 1), row, column)
        values = np.floor(blender.result() + 0.5).clip(0, 255)
        return np.ascontiguousarray(values.transpose(1, 2, 0)).astype(np.uint8)


class PackStream:
    """One video stream: the window of two frames."""

    def __init__(self, runner: PackRunner) -> None:
        self._runner = runner
        self._previous: Encoded | None = None

    def reset(self) -> None:
        """Pair the next frame with itself (a seek, a gap, a scene cut)."""
        self._previous = None

    def restore(self, frame: Picture) -> Picture:
        """Restore the next frame: RGB u8 [H,W,3] in, [4H,4W,3] out. A frame of another size starts a new window."""
        runner = self._runner
        padded = pad_frame(frame, runner.manifest)
        current = runner.encode(padded)
        previous = self._previous
        if previous is None or previous.latent.shape != current.latent.shape:
            previous = current
        self._previous = current
        picture = runner.decode(runner.restore_latent(current, previous), padded)
        picture = np.ascontiguousarray(picture[: frame.shape[0] * SCALE, : frame.shape[1] * SCALE])
        return _fix_color(picture, frame, runner.color_fix)


def upscale(frame: Picture) -> Picture:
    """Pillow's bicubic ×4 of an RGB u8 frame."""
    size = (frame.shape[1] * SCALE, frame.shape[0] * SCALE)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def pad_frame(frame: Picture, manifest: Manifest) -> Picture:
    """Repeat the last row and column until every graph of the pack takes the frame's size."""
    factor = manifest.input_factor
    padded = [manifest.padded(-(-side // factor)) * factor for side in frame.shape[:2]]
    missing = [(0, wanted - side) for wanted, side in zip(padded, frame.shape, strict=False)]
    return np.pad(frame, [*missing, (0, 0)], mode="edge")


def _tile(picture: Picture, row: int, column: int, height: int, width: int, factor: int) -> Picture:
    rows = slice(row * factor, (row + height) * factor)
    columns = slice(column * factor, (column + width) * factor)
    return np.ascontiguousarray(picture[rows, columns])


def _fix_color(picture: Picture, frame: Picture, fix: str) -> Picture:
    if fix == "none":
        return picture
    fixes = {"adain": color.adain, "wavelet": color.wavelet}
    if fix not in fixes:
        raise UserError(f"colour fix {fix!r}: it has to be none, adain or wavelet")
    return fixes[fix](picture, upscale(frame))


def _restorer_sizes(manifest: Manifest, tile_size: int, tile_overlap: int) -> GraphSizes:
    sizes = manifest.restorer
    if tile_size:
        least = -(-sizes.min // sizes.multiple) * sizes.multiple
        tile = tile_size // manifest.factor // sizes.multiple * sizes.multiple
        sizes = replace(sizes, tile=max(tile, least))
    if tile_overlap:
        sizes = replace(sizes, overlap=tile_overlap // manifest.factor)
    return sizes


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        raise UserError(f"{path}: ONNX Runtime cannot load it: {error}") from error
