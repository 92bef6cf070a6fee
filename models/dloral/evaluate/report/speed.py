"""How long a method takes for a frame, measured by itself before anything else runs."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dloral.evaluate.methods import Method

Picture = NDArray[np.uint8]

FRAMES = 6
"""Frames that are timed; the one before them warms up and is not."""


@dataclass(frozen=True)
class Speed:
    """Of all methods on one clip."""

    milliseconds: dict[str, float]
    """Method -> median time of a frame."""
    clip: str
    size: tuple[int, int]
    """Width and height of the input."""
    threads: int


def measure_speed(methods: Mapping[str, Method], frames: Sequence[Picture], clip: str, threads: int) -> Speed:
    """Time each method on the first frames of one clip; ``threads`` is what the methods were made with."""
    timed = frames[: FRAMES + 1]
    height, width = timed[0].shape[:2]
    return Speed({name: _median(method, timed) for name, method in methods.items()}, clip, (width, height), threads)


def _median(method: Method, frames: Sequence[Picture]) -> float:
    results = method(frames)
    times = []
    for _ in frames:
        start = time.perf_counter()
        next(results)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:] or times)
