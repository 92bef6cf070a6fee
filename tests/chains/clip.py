"""A clip whose frames carry their numbers as bar codes, above four fields of known colours."""

from pathlib import Path

import barcode
import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

RATE = 25
FRAME_NS = Gst.SECOND // RATE
# RGB of the fields: left and right above, left and right below.
COLORS = [(200, 60, 50), (60, 170, 80), (60, 80, 200), (220, 200, 70)]


def caps(width: int, height: int) -> str:
    """Return the caps of the frames."""
    return f"video/x-raw,format=I420,width={width},height={height},framerate={RATE}/1,colorimetry=bt601"


def frame(number: int, width: int, height: int) -> bytes:
    """Return a frame in I420."""
    below = barcode.height_of(width)
    fields = [to_yuv(color) for color in COLORS]
    luma = barcode.lines(number, width)
    for line in range(below, height):
        luma += _line([field[0] for field in fields], line, height, width)
    chroma = b"".join(
        _line([field[plane] for field in fields], 2 * line, height, width // 2)
        for plane in (1, 2)
        for line in range(height // 2)
    )
    return luma + chroma


def _line(values: list[int], line: int, height: int, width: int) -> bytes:
    left, right = values[:2] if line < height // 2 else values[2:]
    return bytes([left]) * (width // 2) + bytes([right]) * (width - width // 2)


def to_yuv(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the Y, U and V that BT.601 makes of a colour."""
    red, green, blue = color
    gray = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + gray * 219 / 255),
        round(128 + (blue - gray) / 1.772 * 224 / 255),
        round(128 + (red - gray) / 1.402 * 224 / 255),
    )


def write(path: Path, frames: int, width: int = 160, height: int = 90) -> Path:
    """Write a clip as H.264 in MP4, a key frame a second."""
    pipeline = Gst.parse_launch(
        f"appsrc name=frames format=time caps={caps(width, height)} ! "
        f"x264enc pass=quant quantizer=16 key-int-max={RATE} ! h264parse ! mp4mux ! filesink location={path}"
    )
    source = pipeline.get_by_name("frames")
    for number in range(frames):
        buffer = Gst.Buffer.new_wrapped(frame(number, width, height))
        buffer.pts, buffer.duration = number * FRAME_NS, FRAME_NS
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    run(pipeline)
    return path


def run(pipeline: Gst.Pipeline) -> None:
    """Run a pipeline to its end."""
    pipeline.set_state(Gst.State.PLAYING)
    try:
        wait(pipeline, Gst.MessageType.EOS)
    finally:
        pipeline.set_state(Gst.State.NULL)


def wait(pipeline: Gst.Element, kind: Gst.MessageType, seconds: int = 60) -> Gst.Message:
    """Return the next message of a kind; an error, or that none comes, ends the test."""
    message = take(pipeline, kind, seconds)
    if message is None:
        raise TimeoutError(f"no message of {kind.value_nicks} within {seconds} s")
    return message


def take(pipeline: Gst.Element, kind: Gst.MessageType, seconds: int) -> Gst.Message | None:
    """Return the next message of a kind, none where none comes; an error ends the test."""
    message = pipeline.get_bus().timed_pop_filtered(seconds * Gst.SECOND, kind | Gst.MessageType.ERROR)
    if message and message.type == Gst.MessageType.ERROR:
        error, details = message.parse_error()
        raise RuntimeError(f"{message.src.get_name()}: {error.message} ({details})")
    return message
