"""Is there a grid in the picture? Energy at the pixel-shuffle periods against that beside them.

Networks that make a picture by pixel-shuffle repeat their errors with the period of the shuffle: 2, 4 or 8 output
pixels. Such a grid has two forms, and each shows in a plane of its own:

- *grid*: a pattern that is added, the same everywhere. Plane: the residual, luma of the picture minus that of the
  bicubic picture.
- *block*: detail that is stronger or weaker by position, so a grid that comes and goes with the texture (foliage), or
  block edges. Its sign changes with the texture, so the residual has no peak, but the amount of detail has. Plane:
  :func:`detail`, the length of the picture's gradient.

A plane is cut into blocks of 128×128 pixels, every 64 pixels, under a Hann window; their power spectra are averaged
over blocks and frames. All three periods then lie exactly on bins, at (ky, kx) with both a multiple of 128 / period.
The *peak* at such a bin is

    10·log10(power at the bin / median power of the bins 2 or 3 away), in dB

(a Hann window leaks one bin, no farther). On the axes, where any picture has more energy, only neighbours on the axis
count. The result for a period is the highest peak among the bins that belong to it and not to a shorter one. 0 is no
pattern at all; because it is a highest of several estimates, a picture without one has 0 to 3.

The low-quality video's own block edges and any interpolation's images lie at the same periods, and some things are
made of squares: compare with the ground truth and with bicubic. A *grid* clearly above the ground truth's, or a *block*
above both, was put in by the method. At periods 2 and 4 bicubic itself has blocks of 10 to 20 dB.
"""

import numpy as np
from numpy.typing import NDArray

PERIODS = (2, 4, 8)
"""Periods in output pixels."""

BLOCK = 128
"""Side of the blocks."""

_STEP = BLOCK // 2
_RING = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4) if max(abs(dy), abs(dx)) >= 2]


def detail(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length of the gradient at every pixel but those of the first row and column, gray levels per pixel."""
    across, down = luma[1:, 1:] - luma[1:, :-1], luma[1:, 1:] - luma[:-1, 1:]
    return np.sqrt(across * across + down * down)


class GridSpectrum:
    """Mean power spectrum of planes, block by block; sums of several may be added up."""

    def __init__(self) -> None:
        self.power = np.zeros((BLOCK, BLOCK))
        self.blocks = 0

    def add(self, plane: NDArray[np.float32]) -> None:
        """Count in one plane, gray levels [H,W], at least ``BLOCK`` in both directions."""
        if min(plane.shape) < BLOCK:
            raise ValueError(f"the spectrum needs planes of at least {BLOCK} by {BLOCK} pixels, not {plane.shape}")
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(BLOCK) / BLOCK)
        window = np.outer(hann, hann).astype(np.float32)
        blocks = np.lib.stride_tricks.sliding_window_view(plane, (BLOCK, BLOCK))[::_STEP, ::_STEP]
        blocks = blocks.reshape(-1, BLOCK, BLOCK)
        blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * window
        half = np.square(np.abs(np.fft.rfft2(blocks))).sum(axis=0, dtype=np.float64)
        self.power += _whole(half)
        self.blocks += len(blocks)

    def merge(self, other: "GridSpectrum") -> None:
        """Count in what another one has counted."""
        self.power += other.power
        self.blocks += other.blocks

    def peaks(self) -> dict[int, float]:
        """Highest peak of each period in dB; NaN where there is no energy at all (a plane of zeros)."""
        return {period: max(self._peak(y, x) for y, x in _bins(period)) for period in PERIODS}

    def _peak(self, y: int, x: int) -> float:
        ring = [(dy, dx) for dy, dx in _RING if (y != 0 or dy == 0) and (x != 0 or dx == 0)]
        around = float(np.median([self.power[(y + dy) % BLOCK, (x + dx) % BLOCK] for dy, dx in ring]))
        # Rounding noise is no energy: below a millionth of a gray level there is nothing to compare.
        if self.blocks == 0 or around / self.blocks < 1e-6:
            return float("nan") if self.blocks == 0 or self.power[y, x] / self.blocks < 1e-6 else float("inf")
        return 10.0 * float(np.log10(self.power[y, x] / around))


def grid_peaks(plane: NDArray[np.float32]) -> dict[int, float]:
    """Peaks of one plane, gray levels [H,W]: period -> dB."""
    spectrum = GridSpectrum()
    spectrum.add(plane)
    return spectrum.peaks()


def _whole(half: NDArray[np.float64]) -> NDArray[np.float64]:
    """The full spectrum from the half that a real transform gives: P(-k) = P(k)."""
    whole = np.empty((BLOCK, BLOCK))
    whole[:, : BLOCK // 2 + 1] = half
    mirrored = half[:, 1 : BLOCK // 2][::-1, ::-1]
    whole[:, BLOCK // 2 + 1 :] = np.roll(mirrored, 1, axis=0)
    return whole


def _bins(period: int) -> list[tuple[int, int]]:
    """Bins of a period that belong to no shorter one, each once of its mirrored pair."""
    step = BLOCK // period
    lattice = [(y, x) for y in range(0, BLOCK, step) for x in range(0, BLOCK // 2 + 1, step)]
    return [(y, x) for y, x in lattice if y % (2 * step) or x % (2 * step)]
