"""Confidence intervals of differences between methods: the bootstrap, over clips and over the frames of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dloral.evaluate.scores import GROUND_TRUTH, Row

Floats = NDArray[np.float64]

RELATIVE = ("gmsd", "squeezenet", "perceptual", "warp_error", "tof", "flicker")
"""Measures whose differences are given in per cent; those of the others are absolute."""


@dataclass(frozen=True)
class Interval:
    """Of one measure: the difference from the method compared with, and the middle 95 % of it over the resamples."""

    value: float
    low: float
    high: float


def differences(
    rows: Sequence[Row], reference: str, resamples: int, seed: int = 0
) -> dict[tuple[str, str], dict[str, Interval]]:
    """(level, method) -> measure -> difference from ``reference``.

    Each resample draws as many clips as there are, with replacement, and of each as many frames as it has. All methods
    get the same draw, so that what is common to them (hard clips, hard frames) cancels out.
    """
    intervals: dict[tuple[str, str], dict[str, Interval]] = {}
    for level in dict.fromkeys(row.level for row in rows):
        of_level = [row for row in rows if row.level == level and row.method != GROUND_TRUTH]
        clips = list(dict.fromkeys(row.clip for row in of_level))
        samples = _resampled(of_level, clips, resamples, np.random.default_rng(seed))
        for method, measures in samples.items():
            if method == reference or reference not in samples:
                continue
            intervals[level, method] = {
                name: _interval(name, values, samples[reference][name])
                for name, values in measures.items()
                if name in samples[reference]
            }
    return intervals


def _interval(name: str, ours: Floats, theirs: Floats) -> Interval:
    """Index 0 of both is what was measured, the rest are resamples."""
    difference = 100.0 * (ours / theirs - 1.0) if name in RELATIVE else ours - theirs
    low, high = np.nanpercentile(difference[1:], [2.5, 97.5])
    return Interval(float(difference[0]), float(low), float(high))


def _resampled(
    rows: Sequence[Row], clips: Sequence[str], resamples: int, rng: np.random.Generator
) -> dict[str, dict[str, Floats]]:
    """Method -> measure -> means [1 + resamples], the first of everything once."""
    chosen = np.vstack([np.arange(len(clips)), rng.integers(len(clips), size=(resamples, len(clips)))])
    draws = {clip: _draw(rows, clip, resamples, rng) for clip in clips}
    samples: dict[str, dict[str, Floats]] = {}
    for method in dict.fromkeys(row.method for row in rows):
        of_method = {row.clip: row for row in rows if row.method == method}
        names = dict.fromkeys(name for row in of_method.values() for frame in row.per_frame for name in frame)
        samples[method] = {}
        for name in names:
            means = np.stack([_frame_means(of_method[clip], name, draws[clip]) for clip in clips], axis=1)
            samples[method][name] = _known_mean(np.take_along_axis(means, chosen, axis=1))
    return samples


def _draw(rows: Sequence[Row], clip: str, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of frames [1 + resamples, frames]."""
    count = next(len(row.per_frame) for row in rows if row.clip == clip)
    return np.vstack([np.arange(count), rng.integers(count, size=(resamples, count))])


def _frame_means(row: Row, name: str, draw: NDArray[np.int64]) -> Floats:
    return _known_mean(np.array([frame.get(name, np.nan) for frame in row.per_frame])[draw])


def _known_mean(values: Floats) -> Floats:
    """Means over the second axis of what is not NaN; NaN where nothing is: a draw may miss all that has a measure."""
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.divide(sums, known.sum(axis=1), out=np.full(len(values), np.nan), where=known.any(axis=1))
