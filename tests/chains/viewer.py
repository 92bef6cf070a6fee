"""Plays a stream and writes down when each frame's bar code was read.

viewer.py ADDRESS --log FILE

Each frame's time and the time at which it came are a line of FILE; a frame whose code cannot be read is `unreadable`.
It plays until it is killed, the stream ends, or it fails, and then says so.
"""

import argparse
import sys
from pathlib import Path

import barcode
import frames
import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

INPUTS = {
    "rtsp": "rtspsrc location={address} latency=0 protocols=tcp ! application/x-rtp,media=video ! rtph264depay ! "
    "h264parse ! avdec_h264",
    "srt": "srtsrc uri={address} latency=20 ! tsdemux latency=0 ! h264parse ! avdec_h264",
    "http": "uridecodebin uri={address}",
}


def read(sample: Gst.Sample) -> tuple[int, int] | None:
    """Return a frame's time and width."""
    caps = sample.get_caps()
    stamp = frames.read_code(sample.get_buffer(), caps)
    return None if stamp is None else (stamp, frames.size(caps)[0])


def main() -> int:
    """Play until the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    Gst.init(None)
    source = INPUTS[options.address.partition(":")[0]].format(address=options.address)
    # Segments come whole: only the clock spreads their frames.
    sync = options.address.startswith("http:")
    pipeline = Gst.parse_launch(
        f"{source} ! video/x-raw,format=I420 ! appsink name=frames sync={sync} emit-signals=true"
    )
    lines = options.log.open("a", buffering=1)

    def note(sink: Gst.Element) -> Gst.FlowReturn:
        came = barcode.now()
        frame = read(sink.emit("pull-sample"))
        lines.write(f"{frame[0]} {came} {frame[1]}\n" if frame else "unreadable\n")
        return Gst.FlowReturn.OK

    pipeline.get_by_name("frames").connect("new-sample", note)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        error, details = message.parse_error()
        print(f"viewer: {options.address}: {error.message} ({details})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
