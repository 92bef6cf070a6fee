"""An RTSP server that takes one stream and gives it to every client that asks for it.

relay.py rtsp://127.0.0.1:8555/restored
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


class Relay:
    """What is recorded goes to those who play."""

    def __init__(self) -> None:
        self.outputs: list[Gst.Element] = []

    def recorded(self, _factory, media) -> None:
        sink = media.get_element().get_by_name("recorded")
        sink.connect("new-sample", self._pass_on)

    def played(self, _factory, media) -> None:
        self.outputs = [media.get_element().get_by_name("played")]

    def _pass_on(self, sink: Gst.Element) -> Gst.FlowReturn:
        buffer = sink.emit("pull-sample").get_buffer()
        for output in self.outputs:
            # Without times: the source gives those of its own pipeline.
            output.emit("push-buffer", Gst.Buffer.new_wrapped(buffer.extract_dup(0, buffer.get_size())))
        return Gst.FlowReturn.OK


def factory(description: str, mode: GstRtspServer.RTSPTransportMode, configure) -> GstRtspServer.RTSPMediaFactory:
    """Return what makes one stream for all clients of a path."""
    made = GstRtspServer.RTSPMediaFactory(shared=True)
    made.set_launch(description)
    made.set_transport_mode(mode)
    made.connect("media-configure", configure)
    return made


H264 = "video/x-h264,stream-format=byte-stream,alignment=au"


def main() -> None:
    """Serve until killed."""
    address = sys.argv[1]
    host, _, rest = address.removeprefix("rtsp://").partition(":")
    port, _, path = rest.partition("/")
    Gst.init(None)
    relay = Relay()
    server = GstRtspServer.RTSPServer(address=host, service=port)
    # On one thread a client that asks would wait for data that the same thread has to take.
    server.get_thread_pool().set_max_threads(4)
    points = server.get_mount_points()
    record = (
        f"( rtph264depay name=depay0 ! h264parse config-interval=-1 ! {H264} ! "
        "appsink name=recorded emit-signals=true sync=false )"
    )
    play = (
        f"( appsrc name=played is-live=true format=time do-timestamp=true caps={H264} ! "
        "h264parse ! rtph264pay name=pay0 config-interval=-1 )"
    )
    modes = GstRtspServer.RTSPTransportMode
    points.add_factory(f"/{path}", factory(record, modes.RECORD, relay.recorded))
    points.add_factory(f"/{path}/play", factory(play, modes.PLAY, relay.played))
    if server.attach(None) == 0:
        sys.exit(f"relay: nothing can listen at {address}: is the port taken?")
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
