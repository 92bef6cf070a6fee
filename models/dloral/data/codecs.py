"""Frames through a video codec and back, in yuv420p and BT.709; the same for the same frames. Sizes must be even."""

from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
BT709 = int(Colorspace.ITU709)


def h264(clip: Frames, crf: int) -> Frames:
    """Through libx264."""
    return _decoded("h264", encode_h264(clip, crf), len(clip))


def mpeg2(clip: Frames, quantiser: int) -> Frames:
    """Through MPEG-2 as DVDs and broadcasts have it, at a fixed quantiser from 1 (best) to 31."""
    return _decoded("mpeg2video", _encoded("mpeg2video", clip, _fixed(quantiser)), len(clip))


def mpeg4(clip: Frames, quantiser: int) -> Frames:
    """Through MPEG-4 ASP as DivX and Xvid files have it, at a fixed quantiser from 1 (best) to 31."""
    return _decoded("mpeg4", _encoded("mpeg4", clip, _fixed(quantiser)), len(clip))


def encode_h264(clip: Frames, crf: int) -> "list[av.Packet[av.VideoStream]]":
    """The stream that :func:`h264` decodes; the same for the same frames."""
    # Without mbtree: with it libx264 made, for one picture in about thirty, now and then another stream of the same
    # frames (on a CPU with AVX-512), and a resumed run would not equal an uninterrupted one.
    options = {"crf": str(crf), "preset": "veryfast", "bframes": "2", "x264-params": "mbtree=0"}
    return _encoded("libx264", clip, options)


def _fixed(quantiser: int) -> dict[str, str]:
    return {"qmin": str(quantiser), "qmax": str(quantiser), "bf": "2", "g": "12"}


def _encoded(codec: str, clip: Frames, options: dict[str, str]) -> "list[av.Packet[av.VideoStream]]":
    encoder = cast(VideoCodecContext, av.CodecContext.create(codec, "w"))
    encoder.height, encoder.width = clip.shape[1:3]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = options
    to_yuv = VideoReformatter()
    pictures = [_yuv(to_yuv, frame, index) for index, frame in enumerate(clip)]
    return [packet for picture in [*pictures, None] for packet in encoder.encode(picture)]


def _decoded(codec: str, packets: "list[av.Packet[av.VideoStream]]", count: int) -> Frames:
    decoder = cast(VideoCodecContext, av.CodecContext.create(codec, "r"))
    decoder.thread_count = 1
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    if len(decoded) != count:
        raise RuntimeError(f"{codec} gave {len(decoded)} frames back for {count}")
    from_yuv = VideoReformatter()
    # The frames are kept until their pixels are copied: PyAV's arrays are views that do not keep them alive.
    out = [from_yuv.reformat(frame, format="rgb24", src_colorspace=BT709) for frame in decoded]
    return np.stack([frame.to_ndarray() for frame in out]).astype(np.uint8)


def _yuv(reformatter: VideoReformatter, frame: NDArray[np.uint8], index: int) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    picture = reformatter.reformat(picture, format="yuv420p", dst_colorspace=BT709)
    picture.pts = index
    return picture
