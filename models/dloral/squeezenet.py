"""A second perceptual distance, of a network that no loss of the training uses: features of SqueezeNet 1.0.

Its weights are read from ``compressed_SqueezeNet.net`` of the repository songhan/SqueezeNet-Deep-Compression (Iandola
et al., arXiv 1602.07360; Han et al., arXiv 1510.00149): pruned, with shared values. The file holds how many weights of
each convolution are kept (u32); then of each convolution its 256 values (f32), its biases (f32), of each kept weight
the index of its value (u8), and the gaps between the places of kept weights (4 bits each).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dloral.errors import UserError
from dloral.perceptual import unit_length

VALUES = 256
"""Different weights that a convolution may have."""

_FIRST = 96
# Channels of each fire module: squeezed, and expanded by each of its two convolutions.
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
# The fire module behind which there is a pooling.
_POOLED_AFTER = 2
_CLASSES = 1000
# Fire modules whose output is compared, beside the first convolution's: strides of 4, 8 and 8.
_COMPARED = (1, 3, 5)
# Of ImageNet, blue first, in levels.
_MEAN = (104.0, 117.0, 123.0)


class _Layer(NamedTuple):
    weight: Tensor
    bias: Tensor


class SqueezeNetDistance:
    """Distance of pictures; 0 for equal ones, at most 2.

    At four depths the feature vectors are scaled to length 1 over the channels; their squared difference is summed over
    the channels and averaged over the places. The result is the mean of the four.
    """

    def __init__(self, path: Path) -> None:
        """Read the weights. Raises :class:`UserError` where the file is not as expected."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"--squeezenet {path} cannot be read: {error}") from error
        try:
            self._layers = _read(data)
        except (ValueError, IndexError) as error:
            raise UserError(f"--squeezenet {path} is not compressed_SqueezeNet.net ({error})") from error

    @torch.inference_mode()
    def measure(self, pictures: Sequence[Tensor], reference: Tensor) -> list[float]:
        """Distances of several ``pictures`` from one ``reference``, all RGB [1,3,H,W] in [0,1]."""
        wanted = self._features(reference)
        distances = []
        for picture in pictures:
            depths = zip(self._features(picture), wanted, strict=True)
            distances.append(float(torch.stack([(a - b).square().sum(1).mean() for a, b in depths]).mean()))
        return distances

    def _features(self, picture: Tensor) -> list[Tensor]:
        layers = iter(self._layers)
        x = picture.flip(1) * 255 - torch.tensor(_MEAN).view(1, 3, 1, 1)
        x = _convolve(x, next(layers), stride=2)
        found = [unit_length(x)]
        x = _pool(x)
        for index in range(_COMPARED[-1] + 1):
            squeezed = _convolve(x, next(layers))
            x = torch.cat([_convolve(squeezed, next(layers)), _convolve(squeezed, next(layers), padding=1)], 1)
            if index in _COMPARED:
                found.append(unit_length(x))
            if index == _POOLED_AFTER:
                x = _pool(x)
        return found


def _shapes() -> list[tuple[int, int, int, int]]:
    """Of the convolutions' weights [out, in, height, width], in the file's order."""
    shapes = [(_FIRST, 3, 7, 7)]
    channels = _FIRST
    for squeezed, expanded in _FIRES:
        shapes += [(squeezed, channels, 1, 1), (expanded, squeezed, 1, 1), (expanded, squeezed, 3, 3)]
        channels = 2 * expanded
    return [*shapes, (_CLASSES, channels, 1, 1)]


def _read(data: bytes) -> list[_Layer]:
    shapes = _shapes()
    kept = np.frombuffer(data, np.uint32, len(shapes))
    at = kept.nbytes
    layers = []

    def take(kind: type[np.generic], count: int) -> np.ndarray:
        nonlocal at
        found = np.frombuffer(data, kind, count, at)
        at += found.nbytes
        return found

    for shape, count in zip(shapes, kept.tolist(), strict=True):
        values, bias = take(np.float32, VALUES), take(np.float32, shape[0])
        indices, gaps = take(np.uint8, count), take(np.uint8, (count + 1) // 2)
        places = np.cumsum(np.stack([gaps % 16, gaps // 16], 1).ravel()[:count].astype(np.int64) + 1) - 1
        weight = np.full(np.prod(shape), values[0])
        weight[places] = values[indices]
        layers.append(_Layer(torch.tensor(weight.reshape(shape)), torch.tensor(bias)))
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes too many")
    return layers


def _convolve(x: Tensor, layer: _Layer, *, stride: int = 1, padding: int = 0) -> Tensor:
    return functional.relu(functional.conv2d(x, layer.weight, layer.bias, stride, padding))


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, 2, ceil_mode=True)
