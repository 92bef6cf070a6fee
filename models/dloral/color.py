"""Colour fixes: the restored picture takes its colours from the bicubic picture of its input."""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_RADII = (1, 2, 4, 8, 16)
_VARIANCE_FLOOR = 1e-5


def adain(picture: Picture, reference: Picture) -> Picture:
    """Give each channel of ``picture`` the mean and deviation of ``reference``'s; both RGB u8 [H,W,3]."""
    x, y = picture.astype(np.float64) / 255, reference.astype(np.float64) / 255
    mean_x, mean_y = x.mean(axis=(0, 1)), y.mean(axis=(0, 1))
    deviation_x, deviation_y = (np.sqrt(v.var(axis=(0, 1), ddof=1) + _VARIANCE_FLOOR) for v in (x, y))
    return _to_u8(((x - mean_x) * (deviation_y / deviation_x) + mean_y) * 255)


def wavelet(picture: Picture, reference: Picture) -> Picture:
    """Details of ``picture`` over the low frequencies of ``reference``; both RGB u8 [H,W,3].

    Five levels of the à trous decomposition: binomial 3×3 with taps 1, 2, 4, 8 and 16 pixels apart, edges replicated.
    """
    difference = reference.astype(np.float64) - picture
    for radius in _RADII:
        difference = _smooth(_smooth(difference, radius, 0), radius, 1)
    return _to_u8(picture + difference)


def _smooth(values: NDArray[np.float64], radius: int, axis: int) -> NDArray[np.float64]:
    at = np.arange(values.shape[axis])
    before = values.take(np.maximum(at - radius, 0), axis)
    after = values.take(np.minimum(at + radius, len(at) - 1), axis)
    return (before + 2 * values + after) / 4


def _to_u8(values: NDArray[np.float64]) -> Picture:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
