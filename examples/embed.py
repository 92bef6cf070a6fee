"""The element inside a Python program: NumPy frames in, NumPy frames out.

    export GST_PLUGIN_PATH=$PWD/target/release    # where libgstdloralvsr.so is, unless it is installed
    /usr/bin/python3 examples/embed.py            # writes restored.ppm

Debian's packages: python3-gi, python3-numpy, gir1.2-gst-plugins-base-1.0.
"""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstApp, GstVideo  # noqa: E402  (GstApp gives the elements their methods)

WIDTH, HEIGHT, RATE = 160, 96, 25


def frames() -> Iterator[np.ndarray]:
    """Moving rings: HEIGHT x WIDTH x 3, uint8."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for number in range(10):
        ring = np.sin(np.hypot(x - 60 - number, y - 48) / 2) * 100 + 128
        yield np.stack([ring, np.full_like(ring, 128), 255 - ring], axis=2).astype(np.uint8)


def feed(source: "GstApp.AppSrc") -> None:
    """Hand over every frame with its time."""
    for number, frame in enumerate(frames()):
        buffer = Gst.Buffer.new_wrapped(frame.tobytes())
        buffer.pts = number * Gst.SECOND // RATE
        buffer.duration = Gst.SECOND // RATE
        source.push_buffer(buffer)
    source.end_of_stream()


def picture(sample: "Gst.Sample") -> np.ndarray:
    """A copy of the pixels. Rows may be longer than their pixels."""
    video = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
    mapped, memory = sample.get_buffer().map(Gst.MapFlags.READ)
    if not mapped:
        raise RuntimeError("the restored frame cannot be read")
    try:
        rows = np.frombuffer(memory.data, np.uint8)[: video.stride[0] * video.height].reshape(video.height, -1)
        return rows[:, : video.width * 3].reshape(video.height, video.width, 3).copy()
    finally:
        sample.get_buffer().unmap(memory)


def main() -> int:
    """Restore the frames and write the last one."""
    Gst.init(None)
    caps = f"video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate={RATE}/1"
    pipeline = Gst.parse_launch(
        f"appsrc name=frames caps={caps} format=time block=true max-buffers=2 "
        "! dloralvsr ! appsink name=restored sync=false max-buffers=2"
    )
    sink = pipeline.get_by_name("restored")
    pipeline.set_state(Gst.State.PLAYING)
    # On a thread of its own: several frames are under way at a time.
    threading.Thread(target=feed, args=(pipeline.get_by_name("frames"),), daemon=True).start()
    last = None
    while sample := sink.pull_sample():
        last = picture(sample)
        print(f"{sample.get_buffer().pts / Gst.SECOND:.2f} s: {last.shape[1]}x{last.shape[0]}, mean {last.mean():.1f}")
    error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if error is not None:
        print(f"error: {error.parse_error()[0].message}", file=sys.stderr)
        return 1
    if last is not None:
        Path("restored.ppm").write_bytes(b"P6 %d %d 255\n" % (last.shape[1], last.shape[0]) + last.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
