"""Reads the weights out of a network's ncnn files: a text that lists the layers, and a file of numbers in their order.

Of the layers only convolutions and PReLU have numbers. A convolution has a tag of four bytes (0x01306B47: float16
weights, filled up to a multiple of four bytes; 0: float32), its weights [out, in, kh, kw], and its bias in float32.
A PReLU has its slopes in float32, without a tag.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dloral.errors import UserError

MAGIC = "7767517"
"""First line of every text."""
HALF = 0x01306B47
"""Tag of float16 weights."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A layer: ``weight`` [out, in, kh, kw] and ``bias`` [out] of a convolution, or ``slope`` [n] of a PReLU."""

    name: str
    weight: Array | None = None
    bias: Array | None = None
    slope: Array | None = None


def read_layers(param: Path, numbers: Path) -> list[Layer]:
    """The layers with weights, in the order of the files; every byte of ``numbers`` is accounted for.

    Raises :class:`UserError` for a text of another format, a layer with weights of another kind, and numbers that are
    cut off, left over or not finite.
    """
    data = _Numbers(numbers)
    layers = [layer for line in _lines(param) if (layer := _read_layer(param, line.split(), data)) is not None]
    if data.left:
        raise UserError(f"{numbers}: {data.left} bytes are left over: it does not belong to {param.name}")
    return layers


def _lines(param: Path) -> list[str]:
    try:
        lines = param.read_text("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{param}: not the text of an ncnn network: give its .param file") from error
    if len(lines) < 2 or lines[0].strip() != MAGIC:
        raise UserError(f"{param}: not the text of an ncnn network: its first line is not {MAGIC}")
    count = lines[1].split()[0] if lines[1].split() else ""
    layers = [line for line in lines[2:] if line.strip()]
    if count != str(len(layers)):
        announced = count or "no number of"
        raise UserError(f"{param}: {announced} layers are announced and {len(layers)} listed: it is cut off")
    return layers


def _read_layer(param: Path, fields: list[str], data: "_Numbers") -> Layer | None:
    kind, name = fields[0], fields[1]
    # Type, name, counts of inputs and outputs, their names, then `key=value`.
    options = dict(field.split("=", 1) for field in fields if "=" in field)
    if kind == "Convolution":
        out, kernel, size = (int(options.get(key, "0")) for key in ("0", "1", "6"))
        height = int(options.get("11", kernel))
        if min(out, kernel, height) < 1 or size % (out * kernel * height):
            raise UserError(f"{param}: the sizes of the convolution {name} contradict one another")
        weight = data.weights(name, size).reshape(out, -1, height, kernel)
        return Layer(name, weight=weight, bias=data.floats(name, out) if options.get("5") == "1" else None)
    if kind == "PReLU":
        return Layer(name, slope=data.floats(name, int(options["0"])))
    if kind in {"ConvolutionDepthWise", "Deconvolution", "InnerProduct", "BatchNorm", "Scale", "MemoryData"}:
        raise UserError(f"{param}: layers of the kind {kind} ({name}) are in none of the bases")
    return None


class _Numbers:
    """The file of numbers, read from front to back."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, path.read_bytes(), 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def weights(self, layer: str, count: int) -> Array:
        tag = int(self._take(layer, np.dtype("<u4"), 1)[0])
        if tag == 0:
            return self.floats(layer, count)
        if tag != HALF:
            raise UserError(f"{self.path}: the weights of {layer} are of an unknown kind ({tag:#010x})")
        values = self._take(layer, np.dtype("<f2"), count + count % 2)[:count]
        return self._finite(layer, values.astype(np.float32))

    def floats(self, layer: str, count: int) -> Array:
        return self._finite(layer, self._take(layer, np.dtype("<f4"), count).astype(np.float32))

    def _finite(self, layer: str, values: Array) -> Array:
        if not np.isfinite(values).all():
            raise UserError(f"{self.path}: the weights of {layer} are not all finite: it is damaged")
        return values

    def _take(self, layer: str, kind: np.dtype, count: int) -> NDArray:  # type: ignore[type-arg]
        size = kind.itemsize * count
        if self.left < size:
            raise UserError(f"{self.path}: it ends inside of {layer}: it is cut off, or belongs to another network")
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += size
        return values
