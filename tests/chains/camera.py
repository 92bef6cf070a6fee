"""A camera for one case: moving pictures with a bar code of the time, as H.264 over RTSP or SRT.

camera.py ADDRESS --size 160x90 --rate 25 --log FILE

Each frame's time goes to FILE, a line each, when the frame is given to the encoder. The camera runs until it is killed.
"""

import argparse
import math
import sys
import threading
import time
from pathlib import Path

import barcode
import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PATTERNS = 25


class Pictures:
    """Frames of a pattern that moves, in I420."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.patterns = [self._pattern(height, 4 * index) for index in range(PATTERNS)]
        self.chroma = bytes([118]) * (width * height // 4) + bytes([138]) * (width * height // 4)

    def _pattern(self, height: int, shift: int) -> bytes:
        wave = bytes(int(128 + 70 * math.sin(x / 9) + 25 * math.sin(x / 2.3)) for x in range(self.width + 4 * PATTERNS))
        below = barcode.height_of(self.width)
        return b"".join(wave[(shift + y // 3) % (4 * PATTERNS) :][: self.width] for y in range(below, height))

    def frame(self, number: int, stamp: int) -> bytes:
        return barcode.lines(stamp, self.width) + self.patterns[number % PATTERNS] + self.chroma


def feed(source: Gst.Element, pictures: Pictures, rate: int, log: Path) -> None:
    """Give frames at their times, as long as they are taken."""
    started = time.monotonic()
    with log.open("a", buffering=1) as lines:
        number = 0
        while True:
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            stamp = barcode.now()
            buffer = Gst.Buffer.new_wrapped(pictures.frame(number, stamp))
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            lines.write(f"{stamp}\n")
            number += 1


def encoded(width: int, height: int, rate: int) -> str:
    """Return what makes H.264 of the pictures, a key frame a second."""
    return (
        f"appsrc name=pictures is-live=true format=time do-timestamp=true "
        f"caps=video/x-raw,format=I420,width={width},height={height},framerate={rate}/1 ! queue ! "
        f"x264enc tune=zerolatency speed-preset=ultrafast bitrate=3000 key-int-max={rate} ! h264parse"
    )


def serve_rtsp(address: str, description: str, start) -> None:
    """Serve the pictures to every client that asks for them."""
    host, _, rest = address.removeprefix("rtsp://").partition(":")
    port, _, path = rest.partition("/")
    server = GstRtspServer.RTSPServer(address=host, service=port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    factory.set_launch(f"( {description} ! rtph264pay name=pay0 config-interval=-1 )")
    factory.connect("media-configure", lambda _, media: start(media.get_element().get_by_name("pictures")))
    server.get_mount_points().add_factory(f"/{path}", factory)
    if server.attach(None) == 0:
        sys.exit(f"camera: nothing can listen at {address}: is the port taken?")


def serve_srt(address: str, description: str, start) -> Gst.Element:
    """Send the pictures to whoever connects; until then they go nowhere."""
    pipeline = Gst.parse_launch(
        f"{description} ! mpegtsmux alignment=7 ! srtsink uri={address}?mode=listener wait-for-connection=false"
    )
    start(pipeline.get_by_name("pictures"))
    pipeline.set_state(Gst.State.PLAYING)
    return pipeline


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--size", default="160x90")
    parser.add_argument("--rate", type=int, default=25)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    Gst.init(None)
    width, height = map(int, options.size.split("x"))
    pictures = Pictures(width, height)

    def start(source: Gst.Element) -> None:
        threading.Thread(target=feed, args=(source, pictures, options.rate, options.log), daemon=True).start()

    serve = serve_srt if options.address.startswith("srt:") else serve_rtsp
    kept = serve(options.address, encoded(width, height, options.rate), start)  # noqa: F841 - a pipeline lives as long
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
