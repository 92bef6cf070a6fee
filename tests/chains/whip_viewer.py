"""A WHIP server for one stream: takes it over WebRTC, and writes down when each frame's bar code was read.

whip_viewer.py http://127.0.0.1:8889/live/whip --log FILE

FILE is as viewer.py writes it. It takes one offer at a time, and runs until it is killed.
"""

import argparse
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import barcode
import gi
import viewer
import whip

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

# How long candidates may be gathered.
GATHERING_S = 10
DECODED = "rtph264depay ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! appsink name=frames sync=false"


class Peer:
    """The receiving end of one connection."""

    def __init__(self, log: Path) -> None:
        self.log = log.open("a", buffering=1)
        self.pipeline = Gst.Pipeline()
        self.webrtc = Gst.ElementFactory.make("webrtcbin")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.webrtc.set_property("latency", 0)
        self.pipeline.add(self.webrtc)
        # Kept: webrtcbin of GStreamer 1.22 gives its only reference away, which the binding would drop.
        self.ice = self.webrtc.get_property("ice-agent")
        self.ice.emit("add-local-ip-address", "127.0.0.1")
        self.webrtc.connect("pad-added", self._decode)
        self.gathered = threading.Event()
        self.webrtc.connect("notify::ice-gathering-state", self._note_gathering)

    def answer(self, offer: str) -> str:
        """Return the answer, with every candidate in it."""
        self.pipeline.set_state(Gst.State.PLAYING)
        self._wait("set-remote-description", description(GstWebRTC.WebRTCSDPType.OFFER, offer))
        created = self._wait("create-answer", None)
        # Kept as long: the answer is a part of it.
        reply = created.get_reply()
        self._wait("set-local-description", reply.get_value("answer"))
        if not self.gathered.wait(GATHERING_S):
            raise TimeoutError(f"no candidates within {GATHERING_S} s")
        return self.webrtc.get_property("local-description").sdp.as_text()

    def stop(self) -> None:
        self.pipeline.set_state(Gst.State.NULL)

    def _wait(self, action: str, argument) -> Gst.Promise:
        """Return the promise, to which its reply belongs."""
        promise = Gst.Promise.new()
        self.webrtc.emit(action, argument, promise)
        promise.wait()
        return promise

    def _note_gathering(self, webrtc: Gst.Element, _) -> None:
        if webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self.gathered.set()

    def _decode(self, _, pad: Gst.Pad) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        decoder = Gst.parse_bin_from_description(DECODED, True)
        frames = decoder.get_by_name("frames")
        frames.set_property("emit-signals", True)
        frames.connect("new-sample", self._note)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def _note(self, sink: Gst.Element) -> Gst.FlowReturn:
        came = barcode.now()
        frame = viewer.read(sink.emit("pull-sample"))
        self.log.write(f"{frame[0]} {came} {frame[1]}\n" if frame else "unreadable\n")
        return Gst.FlowReturn.OK


def description(kind: GstWebRTC.WebRTCSDPType, text: str) -> GstWebRTC.WebRTCSessionDescription:
    """Return a description that webrtcbin takes."""
    return GstWebRTC.WebRTCSessionDescription.new(kind, GstSdp.SDPMessage.new_from_text(text)[1])


def handler(log: Path) -> type[BaseHTTPRequestHandler]:
    """Return what answers offers."""

    class Offers(BaseHTTPRequestHandler):
        peer: Peer | None = None

        def do_POST(self) -> None:
            offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if Offers.peer:
                Offers.peer.stop()
            Offers.peer = Peer(log)
            answer = Offers.peer.answer(offer).encode()
            whip.send_answer(self, answer)

    return Offers


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    Gst.init(None)
    host, _, port = options.address.removeprefix("http://").partition("/")[0].partition(":")
    if host != "127.0.0.1":
        sys.exit(f"whip_viewer: {options.address}: this server listens on 127.0.0.1 alone")
    ThreadingHTTPServer((host, int(port)), handler(options.log)).serve_forever()


if __name__ == "__main__":
    main()
