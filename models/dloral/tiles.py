"""How a picture is cut into tiles, and how they are put together again.

The same rule for all three graphs, in latent samples: the whole if h·w ≤ tile² (or tile is 0), else squares of side
min(tile, h, w), ``side - overlap`` apart from the top left, the last of each row and column moved back to the border.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dloral.manifest import GraphSizes

Window = Literal["gaussian", "feather"]

_GAUSSIAN_VARIANCE = 0.01


@dataclass(frozen=True)
class TilePlan:
    """Where the tiles of a picture lie, in latent samples: size, overlap, and where rows and columns of tiles start."""

    height: int
    width: int
    overlap: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]


def plan_tiles(height: int, width: int, sizes: GraphSizes) -> TilePlan:
    """Tiles for a picture of ``height`` × ``width`` samples."""
    least = -(-sizes.min // sizes.multiple) * sizes.multiple
    side = min(max(sizes.tile // sizes.multiple * sizes.multiple, least), height, width)
    if sizes.tile == 0 or height * width <= sizes.tile**2 or side == height == width:
        return TilePlan(height, width, 0, (0,), (0,))
    overlap = -(-sizes.overlap // sizes.multiple) * sizes.multiple
    overlap = min(overlap, side // 2 // sizes.multiple * sizes.multiple)
    return TilePlan(side, side, overlap, _starts(height, side, side - overlap), _starts(width, side, side - overlap))


def window_weights(length: int, overlap: int, window: Window, *, down: bool) -> NDArray[np.float64]:
    """Weights of ``length`` samples along one axis of a tile, not normalised.

    ``gaussian`` is that of DLoRAL's tiled inference: variance 0.01 of the squared side, centred at n/2 down and
    (n-1)/2 across. ``feather`` rises evenly over the overlap and is 1 inside.
    """
    at = np.arange(length, dtype=np.float64)
    if window == "gaussian":
        middle = length / 2 if down else (length - 1) / 2
        return np.exp(-np.square((at - middle) / length) / (2 * _GAUSSIAN_VARIANCE))
    return np.minimum((np.minimum(at, length - 1 - at) + 0.5) / max(overlap, 1), 1.0)


class Blender:
    """Sums weighted tiles up to a picture [..., height, width] of f64."""

    def __init__(self, plan: TilePlan, window: Window, scale: int, channels: int) -> None:
        """``scale``: samples of the tiles per latent sample."""
        self._scale = scale
        down = window_weights(plan.height * scale, plan.overlap * scale, window, down=True)
        across = window_weights(plan.width * scale, plan.overlap * scale, window, down=False)
        self._weights = np.outer(down, across)
        size = ((plan.rows[-1] + plan.height) * scale, (plan.columns[-1] + plan.width) * scale)
        self._sum = np.zeros((channels, *size))
        self._total = np.zeros(size)

    def add(self, tile: NDArray[np.float32], row: int, column: int) -> None:
        """Add one tile [channels, h, w] whose first sample is latent sample (``row``, ``column``)."""
        height, width = self._weights.shape
        top, left = row * self._scale, column * self._scale
        self._sum[:, top : top + height, left : left + width] += tile * self._weights
        self._total[top : top + height, left : left + width] += self._weights

    def result(self) -> NDArray[np.float64]:
        """The picture [channels, height, width]."""
        return self._sum / self._total


def _starts(length: int, side: int, stride: int) -> tuple[int, ...]:
    count = 1 + -(-(length - side) // stride)
    return tuple(min(index * stride, length - side) for index in range(count))
