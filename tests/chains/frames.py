"""Frames as buffers: what their bar codes and pixels are."""

import barcode
import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402

# Bytes from one pixel to the next, and the byte that stands for its brightness: Y, or green.
BRIGHTNESS = {"I420": (1, 0), "BGRx": (4, 1)}


def size(caps: Gst.Caps) -> tuple[int, int]:
    """Return width and height."""
    info = GstVideo.VideoInfo.new_from_caps(caps)
    return info.width, info.height


def read_code(buffer: Gst.Buffer, caps: Gst.Caps) -> int | None:
    """Return what a frame's bar code says; none where it cannot be read."""
    info = GstVideo.VideoInfo.new_from_caps(caps)
    step, first = BRIGHTNESS[info.finfo.name]
    meta = GstVideo.buffer_get_video_meta(buffer)
    offset, stride = (meta.offset[0], meta.stride[0]) if meta else (info.offset[0], info.stride[0])
    rows = [
        buffer.extract_dup(offset + line * stride, info.width * step)[first::step]
        for line in barcode.middles(info.width)
    ]
    return barcode.read(rows, info.width)


def collect(sink: Gst.Element, read=read_code) -> list:
    """Return a list that fills with what is read of each frame at an appsink."""
    seen: list = []

    def note(sink: Gst.Element) -> Gst.FlowReturn:
        sample = sink.emit("pull-sample")
        seen.append(read(sample.get_buffer(), sample.get_caps()))
        return Gst.FlowReturn.OK

    sink.set_property("emit-signals", True)
    sink.connect("new-sample", note)
    return seen
