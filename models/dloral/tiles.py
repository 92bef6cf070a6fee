"""How a picture is cut into tiles, and how they are put together again.

The same rule for all three graphs, in latent samples: the whole if h·w ≤ tile² (or tile is 0), else tiles of one size,
``side - overlap`` apart from the top left, the last of each row and column moved back to the border. Tiles are squares
of side min(tile, h, w) or, where the pack leaves their shape free, the rectangles of at most tile² samples that are the
least work together.
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
    if sizes.tile == 0 or height * width <= sizes.tile**2:
        return TilePlan(height, width, 0, (0,), (0,))
    side = max(sizes.tile // sizes.multiple * sizes.multiple, _round_up(sizes.min, sizes.multiple))
    if sizes.shape == "square":
        side = min(side, height, width)
    overlap = min(_round_up(sizes.overlap, sizes.multiple), side // 2 // sizes.multiple * sizes.multiple)
    if sizes.shape == "square":
        return _plan(height, width, side, side, overlap)
    plans = []
    for rows in range(1, _most(height, side, overlap) + 1):
        tile_height = _tile_side(height, rows, overlap, sizes)
        for columns in range(1, _most(width, side, overlap) + 1):
            tile_width = _tile_side(width, columns, overlap, sizes)
            if tile_height * tile_width <= side * side:
                plans.append(_plan(height, width, tile_height, tile_width, overlap))
                break
    # Of equal ones that with the fewest rows.
    return min(plans, key=lambda plan: len(plan.rows) * len(plan.columns) * plan.height * plan.width)


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


def _plan(height: int, width: int, tile_height: int, tile_width: int, overlap: int) -> TilePlan:
    rows = _starts(height, tile_height, max(tile_height - overlap, 1))
    columns = _starts(width, tile_width, max(tile_width - overlap, 1))
    return TilePlan(tile_height, tile_width, 0 if len(rows) == len(columns) == 1 else overlap, rows, columns)


def _tile_side(length: int, count: int, overlap: int, sizes: GraphSizes) -> int:
    """Of ``count`` equal tiles that cover ``length``."""
    even = _round_up(-(-(length + (count - 1) * overlap) // count), sizes.multiple)
    return min(max(even, _round_up(sizes.min, sizes.multiple)), length)


def _most(length: int, side: int, overlap: int) -> int:
    """How many tiles of the square's side cover ``length``."""
    return 1 + -(-max(length - side, 0) // (side - overlap))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _starts(length: int, side: int, stride: int) -> tuple[int, ...]:
    count = 1 + -(-(length - side) // stride)
    return tuple(min(index * stride, length - side) for index in range(count))
