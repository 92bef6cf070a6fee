"""How near one picture is to its ground truth.

GMSD and HaarPSI are defined as in the library piq 0.8 (parameters, YIQ matrix, zero padding), which they are tested
against; they are written here because on a CPU OpenCV computes them many times faster, and without PyTorch.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]

_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], np.float32)
_PSNR_CAP = 100.0
_SSIM_SIGMA = 1.5
_SSIM_TAPS = 11
_GMSD_CONSTANT = 170.0
_HAARPSI_CONSTANT = 30.0
_HAARPSI_ALPHA = 4.2
_HAARPSI_MIN = 16
_FLAT_GRADIENT = 0.05


def luma(picture: Picture) -> Plane:
    """Gray f32 [H,W] in 0…255 of an RGB picture: 0.299 R + 0.587 G + 0.114 B, not rounded."""
    return np.asarray(cv2.transform(picture.astype(np.float32), _YIQ[:1]), np.float32)


def psnr(picture: Picture, truth: Picture) -> float:
    """Peak signal-to-noise ratio over R, G and B in dB, peak 255; higher is better, at most 100.

    The cap stands for equal pictures too, whose ratio is infinite: means over frames stay finite.
    """
    _check(picture, truth)
    difference = picture.astype(np.float32) - truth
    error = float(np.mean(np.square(difference), dtype=np.float64))
    return min(10.0 * float(np.log10(255.0**2 / error)), _PSNR_CAP) if error > 0 else _PSNR_CAP


def ssim(picture: Picture, truth: Picture) -> float:
    """Structural similarity of the gray pictures, at most 1; higher is better.

    Wang et al. 2004: Gaussian window of 11×11 with σ 1.5, K1 0.01, K2 0.03, mean over the positions at which the
    window lies inside the picture (so at least 11×11 pixels); no reduction in size first.
    """
    _check(picture, truth, _SSIM_TAPS)
    x, y = luma(picture), luma(truth)
    mean_x, mean_y = _window(x), _window(y)
    mean_xx, mean_yy, mean_xy = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    variances = _window(x * x) + _window(y * y) - mean_xx - mean_yy
    covariance = _window(x * y) - mean_xy
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = ((2 * mean_xy + c1) * (2 * covariance + c2)) / ((mean_xx + mean_yy + c1) * (variances + c2))
    return float(values.mean(dtype=np.float64))


def gmsd(picture: Picture, truth: Picture) -> float:
    """Gradient magnitude similarity deviation (Xue et al. 2013), 0 for equal pictures; lower is better.

    Gray, halved by 2×2 means, Prewitt gradients with zeros outside, constant 170; standard deviation of the map.
    """
    _check(picture, truth, 4)
    x, y = (_prewitt(_halved(luma(p))) for p in (picture, truth))
    return float(_similarity(x, y, _GMSD_CONSTANT).std(dtype=np.float64))


def haarpsi(picture: Picture, truth: Picture) -> float:
    """Haar wavelet-based perceptual similarity (Reisenhofer et al. 2018) of colour pictures, 0…1; higher is better.

    YIQ, halved by 2×2 means, three scales, C 30, α 4.2. Pictures of at least 16×16 pixels; 1 where both are black, for
    which no coefficient has a weight.
    """
    _check(picture, truth, _HAARPSI_MIN)
    x, y = (_halved(np.asarray(cv2.transform(p.astype(np.float32), _YIQ))) for p in (picture, truth))
    weighted, total = 0.0, 0.0
    weights = []
    for axis in (0, 1):
        fine = [_similarity(_haar(x, s, axis), _haar(y, s, axis), _HAARPSI_CONSTANT) for s in (2, 4)]
        weight = np.maximum(_haar(x, 8, axis), _haar(y, 8, axis))
        weights.append(weight)
        weighted += _weighted(fine, weight)
        total += float(weight.sum(dtype=np.float64))
    colour = [_similarity(_box(x[..., c]), _box(y[..., c]), _HAARPSI_CONSTANT) for c in (1, 2)]
    weight = np.asarray((weights[0] + weights[1]) / 2, np.float32)
    weighted += _weighted(colour, weight)
    total += float(weight.sum(dtype=np.float64))
    if total == 0.0:
        return 1.0
    epsilon = float(np.finfo(np.float32).eps)
    score = (weighted + epsilon) / (total + epsilon)
    return float((np.log(score / (1 - score)) / _HAARPSI_ALPHA) ** 2)


def sharpness(picture: Picture, truth: Picture) -> float:
    """Mean gradient of the picture over that of its ground truth: 1 as sharp, below softer, above sharper or noisier.

    The gradient is the length of the central differences of gray, in levels per pixel. Not a number where the ground
    truth is flat, with a gradient below 0.05: nothing there is sharp, and noise would be all that counts.
    """
    _check(picture, truth, 3)
    wanted = _mean_gradient(truth)
    return _mean_gradient(picture) / wanted if wanted >= _FLAT_GRADIENT else float("nan")


def _check(picture: Picture, truth: Picture, least: int = 1) -> None:
    if picture.shape != truth.shape or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"pictures must both be [H,W,3], not {picture.shape} and {truth.shape}")
    if min(picture.shape[:2]) < least:
        raise ValueError(f"pictures must be at least {least} pixels high and wide, not {picture.shape[:2]}")


def _window(plane: Plane) -> Plane:
    margin = _SSIM_TAPS // 2
    blurred = cv2.GaussianBlur(plane, (_SSIM_TAPS, _SSIM_TAPS), _SSIM_SIGMA)
    return np.asarray(blurred[margin:-margin, margin:-margin], np.float32)


def _halved(planes: Plane) -> Plane:
    """2×2 means; with an odd side, both sides get one row of zeros first, as in piq."""
    height, width = planes.shape[:2]
    pad = max(height % 2, width % 2)
    if pad:
        planes = np.asarray(cv2.copyMakeBorder(planes, 0, pad, 0, pad, cv2.BORDER_CONSTANT, value=0), np.float32)
    even = planes[: planes.shape[0] // 2 * 2, : planes.shape[1] // 2 * 2]
    quads = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
    return np.asarray(quads / 4, np.float32)


def _prewitt(plane: Plane) -> Plane:
    kernel = np.array([[-1, 0, 1]] * 3, np.float32) / 3
    x = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
    y = cv2.filter2D(plane, cv2.CV_32F, np.ascontiguousarray(kernel.T), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.magnitude(x, y), np.float32)


def _similarity(x: Plane, y: Plane, constant: float) -> Plane:
    return np.asarray((2 * x * y + np.float32(constant)) / (x * x + y * y + np.float32(constant)), np.float32)


def _haar(yiq: Plane, size: int, axis: int) -> Plane:
    """Magnitude of the Haar coefficients of the luma at one scale; ``axis`` 0: differences down, 1: to the right."""
    signs = np.repeat(np.array([1, -1], np.float32), size // 2)
    ones = np.full(size, 1 / size, np.float32)
    down, right = (signs, ones) if axis == 0 else (ones, signs)
    # An even kernel's centre is its upper left middle, as MATLAB's conv2(…, "same") has it.
    anchor = (size // 2 - 1, size // 2 - 1)
    plane = np.ascontiguousarray(yiq[..., 0])
    filtered = cv2.sepFilter2D(plane, cv2.CV_32F, right, down, anchor=anchor, borderType=cv2.BORDER_CONSTANT)
    return np.abs(np.asarray(filtered, np.float32))


def _box(plane: Plane) -> Plane:
    padded = np.pad(plane, ((0, 1), (0, 1)))
    quads = padded[:-1, :-1] + padded[:-1, 1:] + padded[1:, :-1] + padded[1:, 1:]
    return np.asarray(np.abs(quads) / 4, np.float32)


def _weighted(maps: list[Plane], weight: Plane) -> float:
    similarity = (maps[0] + maps[1]) / 2
    return float((weight / (1 + np.exp(-_HAARPSI_ALPHA * similarity))).sum(dtype=np.float64))


def _mean_gradient(picture: Picture) -> float:
    gray = luma(picture)
    x = gray[1:-1, 2:] - gray[1:-1, :-2]
    y = gray[2:, 1:-1] - gray[:-2, 1:-1]
    return float(np.sqrt(x * x + y * y).mean(dtype=np.float64)) / 2
