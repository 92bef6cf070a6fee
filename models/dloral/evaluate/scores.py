"""What is measured, and how the numbers of frames become those of clips and levels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from dloral.metrics import PERIODS, GridSpectrum

GROUND_TRUTH = "ground truth"


class Measure(NamedTuple):
    """One column: its key, its heading (↑ higher is better, ↓ lower), and the digits it is printed with."""

    key: str
    heading: str
    digits: int


# Those that no loss of the training uses come first; the perceptual distance is of the network in the losses.
MEASURES = (
    Measure("haarpsi", "HaarPSI ↑", 4),
    Measure("gmsd", "GMSD ↓", 4),
    Measure("ssim", "SSIM ↑", 4),
    Measure("squeezenet", "SqueezeNet ↓", 4),
    Measure("psnr", "PSNR ↑ dB", 2),
    Measure("sharpness", "sharpness", 3),
    Measure("warp_error", "E*warp ↓", 3),
    Measure("tof", "tOF ↓ px", 3),
    Measure("perceptual", "perceptual ↓", 4),
    Measure("flicker", "flicker ↓", 3),
    *(Measure(f"grid{period}", f"grid {period} dB", 1) for period in PERIODS),
    *(Measure(f"block{period}", f"block {period} dB", 1) for period in PERIODS),
)


@dataclass
class FrameScores:
    """Of one frame of one method: measures that exist for it, and the spectra that show grids and blocks."""

    values: dict[str, float] = field(default_factory=dict)
    grid: GridSpectrum = field(default_factory=GridSpectrum)
    block: GridSpectrum = field(default_factory=GridSpectrum)


@dataclass(frozen=True)
class Row:
    """Of one clip (or the mean of several) at one level with one method; measures that do not apply are missing."""

    clip: str
    level: str
    method: str
    frames: int
    values: dict[str, float]
    per_frame: tuple[dict[str, float], ...] = field(default=(), compare=False)
    """Of one clip: the measures of its frames, in order."""


def clip_row(clip: str, level: str, method: str, frames: Iterable[FrameScores]) -> Row:
    """Means over the frames (a pair of frames counts once), and the peaks of the common spectra."""
    scores = list(frames)
    values = _means(score.values for score in scores)
    values |= _peaks("grid", (score.grid for score in scores))
    values |= _peaks("block", (score.block for score in scores))
    return Row(clip, level, method, len(scores), values, tuple(score.values for score in scores))


def mean_rows(rows: Iterable[Row]) -> list[Row]:
    """The mean over clips of each level and method, in the order in which they first come."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.level, row.method), []).append(row)
    return [
        Row("mean", level, method, sum(row.frames for row in group), _means(row.values for row in group))
        for (level, method), group in groups.items()
    ]


def _peaks(name: str, spectra: Iterable[GridSpectrum]) -> dict[str, float]:
    total = GridSpectrum()
    for spectrum in spectra:
        total.merge(spectrum)
    return {f"{name}{period}": peak for period, peak in total.peaks().items() if not math.isnan(peak)}


def _means(tables: Iterable[dict[str, float]]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for table in tables:
        for key, value in table.items():
            if not math.isnan(value):
                columns.setdefault(key, []).append(value)
    return {key: math.fsum(values) / len(values) for key, values in columns.items()}
