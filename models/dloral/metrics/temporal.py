"""How steady video is over time: E*warp and tOF."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Flow = NDArray[np.float32]

WARP_SCALE = 1000.0
"""E*warp is printed in thousandths."""

TOF_SKIPPED = 2
"""Frames at either end of a clip that tOF leaves out."""

_TOF_MULTIPLE = 32
_TOF_MARGIN = 16


@dataclass(frozen=True)
class ReferenceMotion:
    """Motion of the ground truth from frame t to t+1: where each pixel goes, and where that can be relied on."""

    target_x: NDArray[np.float32]
    target_y: NDArray[np.float32]
    visible: NDArray[np.bool_]


def reference_motion(
    truth: Picture, truth_next: Picture, preset: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
) -> ReferenceMotion:
    """Motion between two ground-truth frames, RGB u8 [H,W,3]: OpenCV's DIS flow on gray; E*warp is with preset MEDIUM.

    Occluded, after Lai et al. (ECCV 2018): |bw' + fw|² > 0.01 (|fw|² + |bw'|²) + 0.5, with bw' the backward flow taken
    where fw leads, or |∇fw|² > 0.01 |fw|² + 0.002. Pixels that leave the picture count as occluded too.
    """
    now, after = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (truth, truth_next))
    dis = cv2.DISOpticalFlow.create(preset)
    forward = np.asarray(dis.calc(now, after, None), np.float32)  # type: ignore[call-overload] # None: no initial flow
    backward = np.asarray(dis.calc(after, now, None), np.float32)  # type: ignore[call-overload]
    height, width = now.shape
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = grid_x + forward[..., 0], grid_y + forward[..., 1]
    returned = np.asarray(cv2.remap(backward, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return ReferenceMotion(x, y, inside & ~_occluded(forward, returned))


def _occluded(forward: Flow, returned: Flow) -> NDArray[np.bool_]:
    length = _squares(forward)
    lost = _squares(forward + returned) > 0.01 * (length + _squares(returned)) + 0.5
    right = np.diff(forward, axis=1, append=forward[:, -1:])
    down = np.diff(forward, axis=0, append=forward[-1:])
    boundary = _squares(right) + _squares(down) > 0.01 * length + 0.002
    return np.asarray(lost | boundary, np.bool_)


def _squares(flow: Flow) -> NDArray[np.float32]:
    return np.asarray(np.square(flow[..., 0]) + np.square(flow[..., 1]), np.float32)


def warp_error(picture: Picture, picture_next: Picture, motion: ReferenceMotion) -> float:
    """E*warp of one pair of frames × 1000: mean squared error of values in 0…1 where visible; lower is steadier.

    ``picture_next`` is brought back along the ground truth's motion (bilinear) and compared with ``picture``. Blur
    lowers it as well, so it means little without that of a plain upscaler and of the ground truth. NaN if nothing is
    visible.
    """
    if not motion.visible.any():
        return float("nan")
    squares = np.square(_brought_back(picture_next, motion) - picture).sum(axis=2)
    error = float(squares[motion.visible].mean(dtype=np.float64)) / 3 / 255.0**2
    return WARP_SCALE * error


def flicker(pictures: tuple[Picture, Picture, Picture], back: ReferenceMotion, forth: ReferenceMotion) -> float:
    """How far a frame lies from the mean of its neighbours, in levels of 255; lower is steadier.

    The neighbours are brought to the middle frame along its motion ``back`` to the frame before and ``forth`` to the
    one after. Change that goes on in one direction, as of light, cancels out; what comes and goes does not. Mean
    absolute value over channels and pixels that are visible in all three; NaN if there are none.
    """
    visible = back.visible & forth.visible
    if not visible.any():
        return float("nan")
    before, now, after = pictures
    mean = 0.5 * (_brought_back(before, back) + _brought_back(after, forth))
    return float(np.abs(mean - now).mean(axis=2)[visible].mean(dtype=np.float64))


def _brought_back(picture: Picture, motion: ReferenceMotion) -> NDArray[np.float32]:
    """``picture`` as it looks where ``motion`` leads to, bilinear, f32 [H,W,3]."""
    values = picture.astype(np.float32)
    place = (motion.target_x, motion.target_y)
    warped = cv2.remap(values, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


def farneback(picture: Picture, picture_next: Picture) -> Flow:
    """Farneback's flow [H,W,2] in pixels between two frames with tOF's parameters (0.5, 3, 15, 3, 5, 1.2, 0)."""
    now, after = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (picture, picture_next))
    flow = cv2.calcOpticalFlowFarneback(now, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    return np.asarray(flow, np.float32)


def flow_distance(flow: Flow, truth: Flow) -> float:
    """tOF of one pair of frames in pixels: mean length of the difference of two Farneback flows; lower is better.

    As in TecoGAN, over the central part whose sides are the largest multiples of 32 that leave out 16 pixels or more.
    """
    if flow.shape != truth.shape:
        raise ValueError(f"flows differ in size: {flow.shape} and {truth.shape}")
    rows, columns = (_centre(size) for size in flow.shape[:2])
    difference = (flow - truth)[rows, columns]
    return float(np.sqrt(_squares(difference)).mean(dtype=np.float64))


def _centre(size: int) -> slice:
    kept = (size - _TOF_MARGIN) // _TOF_MULTIPLE * _TOF_MULTIPLE
    if kept <= 0:
        raise ValueError(f"tOF needs pictures of at least {_TOF_MULTIPLE + _TOF_MARGIN} pixels, not {size}")
    start = (size - kept) // 2
    return slice(start, start + kept)
