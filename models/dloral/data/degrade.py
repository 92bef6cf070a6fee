"""Online degradation of a clean clip: blur, ×1/4 resize, noise, JPEG, codecs; one draw of parameters for a whole clip.

The order and the kinds are Real-ESRGAN's (Wang et al., ICCVW 2021), with video codecs at the end, and what tapes,
cameras and deinterlacers do. What is drawn per clip stays fixed over its frames; only the noise is fresh in every
frame, as from a sensor.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dloral.data.analogue import combed, haloed, taped
from dloral.data.codecs import h264, mpeg2, mpeg4

Frames = NDArray[np.uint8]
FloatFrames = NDArray[np.float32]

SCALE = 4


@dataclass(frozen=True)
class Degradation:
    """Ranges the degradation draws from; each pair is uniform, each probability independent."""

    blur_sigma: tuple[float, float] = (0.2, 2.8)
    """Gaussian blur in clean pixels."""
    anisotropic: float = 0.2
    """Probability that the two axes of the blur differ."""
    noise_sigma: tuple[float, float] = (0.0, 9.0)
    """Gaussian noise after the resize, in 8-bit levels."""
    gray_noise: float = 0.2
    """Probability that the noise is the same in the three channels."""
    second: float = 0.15
    """Probability of a second order at the low resolution: noise, JPEG, blur and resize (down and up again) before."""
    second_blur: tuple[float, float] = (0.2, 0.8)
    """In pixels of the low resolution."""
    second_noise: tuple[float, float] = (0.0, 4.0)
    jpeg: float = 0.15
    jpeg_quality: tuple[int, int] = (50, 95)
    h264: float = 0.8
    h264_crf: tuple[int, int] = (15, 32)
    old_codecs: float = 0.0
    """Share of the coded clips that go through MPEG-2 or MPEG-4 ASP in the place of H.264."""
    quantiser: tuple[int, int] = (3, 14)
    """Of MPEG-2 and MPEG-4 ASP."""
    twice: float = 0.0
    """Share of the coded clips that were coded once before."""
    tape: float = 0.0
    """Probability of what a VHS tape does to colours and lines."""
    halo: float = 0.0
    """Probability of the halos that cameras and players draw around edges."""
    combing: float = 0.0
    """Probability of the comb that a deinterlacer leaves at what moves."""
    resizers: tuple[int, ...] = field(default=(cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC))

    def apply(self, clip: Frames, rng: Generator) -> Frames:
        """Clean u8 [T, H, W, 3] to degraded u8 [T, H/4, W/4, 3]; H and W multiples of 8."""
        # Blur and noise tend to come together (cheap cameras, old tape), so both partly follow one severity.
        severity = rng.random()
        blur = self._blur(clip, rng, severity)
        low = _resize(blur, 1.0 / SCALE, int(rng.choice(self.resizers)))
        if rng.random() < self.second:
            low = self._second(low, rng)
        if _happens(self.tape, rng):
            low = taped(low, rng)
        low = self._noise(low, rng, self.noise_sigma, severity)
        if _happens(self.halo, rng):
            low = haloed(low, rng)
        if _happens(self.combing, rng):
            low = combed(low, rng)
        out = _rounded(low)
        if rng.random() < self.jpeg:
            out = _jpeg(out, int(rng.integers(*self.jpeg_quality)))
        if rng.random() < self.h264:
            if _happens(self.twice, rng):
                out = self._coded(out, rng)
            out = self._coded(out, rng)
        return out

    def _coded(self, clip: Frames, rng: Generator) -> Frames:
        if _happens(self.old_codecs, rng):
            codec = mpeg2 if rng.random() < 0.5 else mpeg4
            return codec(clip, int(rng.integers(self.quantiser[0], self.quantiser[1] + 1)))
        return h264(clip, int(rng.integers(self.h264_crf[0], self.h264_crf[1] + 1)))

    def _blur(self, clip: Frames, rng: Generator, severity: float) -> FloatFrames:
        sigma = _uniform(self.blur_sigma, 0.5 * severity + 0.5 * rng.random())
        other = sigma * rng.uniform(0.5, 1.5) if rng.random() < self.anisotropic else sigma
        frames = [
            cv2.GaussianBlur(frame.astype(np.float32), (0, 0), sigma, sigmaY=other, borderType=cv2.BORDER_REFLECT_101)
            for frame in clip
        ]
        return np.stack(frames).astype(np.float32)

    def _second(self, clip: FloatFrames, rng: Generator) -> FloatFrames:
        """An order before the last: what comes after it is the first order's noise and codecs."""
        severity = rng.random()
        noisy = self._noise(clip, rng, self.second_noise, severity)
        coded = _jpeg(_rounded(noisy), int(rng.integers(*self.jpeg_quality)))
        sigma = _uniform(self.second_blur, severity)
        blurred = [
            cv2.GaussianBlur(frame.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
            for frame in coded
        ]
        return _down_and_up(np.stack(blurred).astype(np.float32), rng)

    def _noise(self, clip: FloatFrames, rng: Generator, bounds: tuple[float, float], severity: float) -> FloatFrames:
        sigma = _uniform(bounds, 0.5 * severity + 0.5 * rng.random())
        shape = (*clip.shape[:3], 1) if rng.random() < self.gray_noise else clip.shape
        return clip + rng.standard_normal(shape, dtype=np.float32) * np.float32(sigma)


def _happens(probability: float, rng: Generator) -> bool:
    """At probability 0 no random number is drawn, so that older runs stay reproducible."""
    return probability > 0.0 and rng.random() < probability


def _uniform(bounds: tuple[float, float], position: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * position


def _resize(clip: FloatFrames, factor: float, interpolation: int) -> FloatFrames:
    size = (round(clip.shape[2] * factor), round(clip.shape[1] * factor))
    if interpolation != cv2.INTER_AREA and factor < 1.0:
        # OpenCV's other filters do not low-pass when they shrink; halving by area first avoids aliasing.
        clip = np.stack([cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for f in clip])
    return np.stack([cv2.resize(frame, size, interpolation=interpolation) for frame in clip]).astype(np.float32)


def _rounded(clip: FloatFrames) -> Frames:
    return np.clip(np.rint(clip), 0, 255).astype(np.uint8)


def _down_and_up(clip: FloatFrames, rng: Generator) -> FloatFrames:
    factor = rng.uniform(0.6, 0.95)
    height, width = clip.shape[1:3]
    small = (max(round(width * factor), 8), max(round(height * factor), 8))
    up = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    shrunk = [cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in clip]
    return np.stack([cv2.resize(frame, (width, height), interpolation=up) for frame in shrunk]).astype(np.float32)


def _jpeg(clip: Frames, quality: int) -> Frames:
    out = np.empty_like(clip)
    for index, frame in enumerate(clip):
        ok, data = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not ok:
            raise RuntimeError(f"OpenCV could not encode a frame of shape {frame.shape} as JPEG")
        out[index] = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1]
    return out
