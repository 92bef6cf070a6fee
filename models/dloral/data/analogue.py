"""What tapes, cameras and deinterlacers do to video. Frames are f32 [T, H, W, 3] in levels; so are the results."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

FloatFrames = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""BT.601, as in the time of tapes."""


def taped(clip: FloatFrames, rng: Generator) -> FloatFrames:
    """As from a VHS tape: soft along lines, colours softer still and moved aside, with noise that lies along lines."""
    soft, softer = rng.uniform(0.2, 0.8), rng.uniform(1.0, 3.0)
    move = np.array([[1.0, 0.0, rng.uniform(-1.5, 1.5)], [0.0, 1.0, rng.uniform(-0.75, 0.75)]], np.float32)
    noise = rng.uniform(0.0, 8.0)
    frames = []
    for frame in clip:
        luma = (frame @ LUMA)[..., None]
        colour = cv2.GaussianBlur(frame - luma, (0, 0), softer, sigmaY=0.3, borderType=cv2.BORDER_REPLICATE)
        size = (frame.shape[1], frame.shape[0])
        colour = cv2.warpAffine(colour, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        streaks = rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(noise)
        colour += cv2.GaussianBlur(streaks, (0, 0), 2.0, sigmaY=0.3)
        luma = cv2.GaussianBlur(luma, (0, 0), soft, sigmaY=0.2, borderType=cv2.BORDER_REPLICATE)[..., None]
        frames.append(luma + colour - (colour @ LUMA)[..., None])
    return np.stack(frames).astype(np.float32)


def haloed(clip: FloatFrames, rng: Generator) -> FloatFrames:
    """Sharpened by an unsharp mask, which draws bright and dark lines beside edges."""
    sigma, amount = rng.uniform(0.6, 1.4), rng.uniform(0.2, 0.8)
    soft = [cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101) for frame in clip]
    return (clip + amount * (clip - np.stack(soft))).astype(np.float32)


def combed(clip: FloatFrames, rng: Generator) -> FloatFrames:
    """Every other line in part from the frame before; the first frame, which has none before it, stays."""
    share = rng.uniform(0.2, 0.8)
    out = clip.copy()
    odd = slice(int(rng.integers(2)), None, 2)
    out[1:, odd] += share * (clip[:-1, odd] - clip[1:, odd])
    return out
