"""The element behind fallbacksrc, which shows another picture where its source is lost, and takes that up again.

scripts/fallback.sh runs it.
"""

import socket
import time
from collections.abc import Iterator

import barcode
import frames
import gi
import pytest
from processes import Processes, free_port

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

SIZE = (160, 90)
LARGE = (640, 360)
# Frames of each kind that are waited for, and for how long.
ENOUGH = 50
TIMEOUT_S = 60


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    """Return what starts processes and ends them with the test."""
    with Processes(tmp_path) as processes:
        yield processes


def address_of(protocol: str) -> str:
    if protocol == "srt":
        return f"srt://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    return f"rtsp://127.0.0.1:{free_port()}/camera"


class Chain:
    """A source that may be lost, and the element behind it."""

    def __init__(self, address: str) -> None:
        width, height = SIZE
        self.pipeline = Gst.parse_launch(
            f"fallbacksrc uri={address} enable-audio=false timeout={2 * Gst.SECOND} "
            f"dummy-video-caps=video/x-raw,width={width},height={height},framerate=25/1 ! "
            "videoconvert ! queue ! dloralvsr name=vsr processing-latency=60000000 ! "
            "queue max-size-buffers=2 max-size-bytes=0 ! video/x-raw,format=I420 ! appsink name=end"
        )
        self.seen = frames.collect(
            self.pipeline.get_by_name("end"), lambda *frame: (frames.read_code(*frame), frames.size(frame[1]))
        )
        self.pipeline.set_state(Gst.State.PLAYING)

    def wait_for(self, wanted) -> None:
        """Wait for enough frames of a kind; an error of the pipeline ends the test."""
        already, deadline = len(self.seen), time.monotonic() + TIMEOUT_S
        while sum(wanted(code) for code, _ in self.seen[already:]) < ENOUGH:
            error = self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
            assert error is None, error.parse_error()
            assert time.monotonic() < deadline, f"of the last frames the codes are {self.seen[-5:]}"
            time.sleep(0.1)

    def count(self, field: str) -> int:
        return self.pipeline.get_by_name("vsr").get_property("stats").get_value(field)


@pytest.mark.parametrize("protocol", ["rtsp", "srt"])
def test_a_source_that_is_lost_and_comes_back(processes, tmp_path, protocol) -> None:
    address = address_of(protocol)

    def start_camera():
        size = "x".join(map(str, SIZE))
        return processes.python("camera.py", address, "--size", size, "--log", str(tmp_path / "camera.log"))

    camera = start_camera()
    chain = Chain(address)
    try:
        chain.wait_for(lambda code: code is not None)
        processes.kill(camera)
        # The other picture is black, without a code.
        chain.wait_for(lambda code: code is None)
        back = barcode.now()
        start_camera()
        chain.wait_for(lambda code: code is not None and code >= back)
    finally:
        chain.pipeline.set_state(Gst.State.NULL)
    assert {size for _, size in chain.seen} == {LARGE}
    # Frames in flight when it was stopped count nowhere.
    in_flight = chain.count("frames-in") - sum(map(chain.count, ("restored", "bypassed", "dropped")))
    assert 0 <= in_flight <= 2
    assert chain.count("restored") > 0, "no frame was restored in time: is the machine busy with other work?"
