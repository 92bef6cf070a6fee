"""Measures of restored video against ground truth.

Pictures are RGB u8 [H,W,3]. Everything here is NumPy and OpenCV; the perceptual distance is :mod:`dloral.perceptual`.
"""

from dloral.metrics.fidelity import gmsd, haarpsi, luma, psnr, sharpness, ssim
from dloral.metrics.spectrum import BLOCK, PERIODS, GridSpectrum, detail, grid_peaks
from dloral.metrics.temporal import (
    TOF_SKIPPED,
    ReferenceMotion,
    farneback,
    flicker,
    flow_distance,
    reference_motion,
    warp_error,
)

__all__ = [
    "BLOCK",
    "PERIODS",
    "TOF_SKIPPED",
    "GridSpectrum",
    "ReferenceMotion",
    "detail",
    "farneback",
    "flicker",
    "flow_distance",
    "gmsd",
    "grid_peaks",
    "haarpsi",
    "luma",
    "psnr",
    "reference_motion",
    "sharpness",
    "ssim",
    "warp_error",
]
