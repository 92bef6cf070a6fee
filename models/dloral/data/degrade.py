"""Online degradation of a clean clip: blur, ×1/4 resize, noise, JPEG, H.264; one draw of parameters for all its frames.

The order and the kinds are Real-ESRGAN's (Wang et al., ICCVW 2021), with a video codec at the end. What is drawn per
clip stays fixed over its frames; only the noise is fresh in every frame, as from a sensor.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.random import Generator
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
FloatFrames = NDArray[np.float32]

SCALE = 4
BT709 = int(Colorspace.ITU709)


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
    resizers: tuple[int, ...] = field(default=(cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC))

    def apply(self, clip: Frames, rng: Generator) -> Frames:
        """Clean u8 [T, H, W, 3] to degraded u8 [T, H/4, W/4, 3]; H and W multiples of 8."""
        # Blur and noise tend to come together (cheap cameras, old tape), so that both follow one severity in part.
        severity = rng.random()
        blur = self._blur(clip, rng, severity)
        low = _resize(blur, 1.0 / SCALE, int(rng.choice(self.resizers)))
        if rng.random() < self.second:
            low = self._second(low, rng)
        low = self._noise(low, rng, self.noise_sigma, severity)
        out = _rounded(low)
        if rng.random() < self.jpeg:
            out = _jpeg(out, int(rng.integers(*self.jpeg_quality)))
        if rng.random() < self.h264:
            out = h264(out, int(rng.integers(self.h264_crf[0], self.h264_crf[1] + 1)))
        return out

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


def _uniform(bounds: tuple[float, float], position: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * position


def _resize(clip: FloatFrames, factor: float, interpolation: int) -> FloatFrames:
    size = (round(clip.shape[2] * factor), round(clip.shape[1] * factor))
    if interpolation != cv2.INTER_AREA and factor < 1.0:
        # OpenCV's other filters do not low-pass when they shrink; half the factor by area first keeps them honest.
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


def h264(clip: Frames, crf: int) -> Frames:
    """Through libx264 (yuv420p, BT.709) and back; the size must be even."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [frame for packet in [*encode_h264(clip, crf), None] for frame in decoder.decode(packet)]
    if len(decoded) != len(clip):
        raise RuntimeError(f"H.264 gave {len(decoded)} frames back for {len(clip)}")
    from_yuv = VideoReformatter()
    # The frames are kept until their pixels are copied: PyAV's arrays are views that do not keep them alive.
    out = [from_yuv.reformat(frame, format="rgb24", src_colorspace=BT709) for frame in decoded]
    return np.stack([frame.to_ndarray() for frame in out]).astype(np.uint8)


def encode_h264(clip: Frames, crf: int) -> "list[av.Packet[av.VideoStream]]":
    """The stream that :func:`h264` decodes; the same for the same frames."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = clip.shape[1:3]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    # Without mbtree: with it libx264 made, for one picture in about thirty, now and then another stream of the same
    # frames (on a CPU with AVX-512), and a resumed run would not equal an uninterrupted one.
    encoder.options = {"crf": str(crf), "preset": "veryfast", "bframes": "2", "x264-params": "mbtree=0"}
    to_yuv = VideoReformatter()
    pictures = [_yuv(to_yuv, frame, index) for index, frame in enumerate(clip)]
    return [packet for picture in [*pictures, None] for packet in encoder.encode(picture)]


def _yuv(reformatter: VideoReformatter, frame: NDArray[np.uint8], index: int) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    picture = reformatter.reformat(picture, format="yuv420p", dst_colorspace=BT709)
    picture.pts = index
    return picture
