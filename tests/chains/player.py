"""A player: playbin with the element as its video filter, showing a clip on the screen."""

from pathlib import Path

import clip
import frames
import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402


class Player:
    """Plays; notes each frame that leaves the element. Its sink shows all of them, also those that come late."""

    def __init__(self, path: Path, subtitles: Path | None = None) -> None:
        self.vsr = Gst.ElementFactory.make("dloralvsr")
        self.playbin = Gst.ElementFactory.make("playbin")
        self.playbin.set_property("uri", path.as_uri())
        self.playbin.set_property("video-filter", self.vsr)
        screen = Gst.ElementFactory.make("ximagesink")
        screen.set_property("qos", False)
        screen.set_property("max-lateness", -1)
        self.playbin.set_property("video-sink", screen)
        if subtitles:
            self.playbin.set_property("suburi", subtitles.as_uri())
            self.playbin.set_property("subtitle-font-desc", "Sans 30")
        # Number, size and running time of each frame since the last seek.
        self.noted: list[tuple[int | None, tuple[int, int], int]] = []
        pad = self.vsr.get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.BUFFER, self._note)
        pad.add_probe(Gst.PadProbeType.EVENT_FLUSH, self._begin)

    def _note(self, pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        buffer, caps = info.get_buffer(), pad.get_current_caps()
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        time = segment.to_running_time(Gst.Format.TIME, buffer.pts)
        self.noted.append((frames.read_code(buffer, caps), frames.size(caps), time))
        return Gst.PadProbeReturn.OK

    def _begin(self, _, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        if info.get_event().type == Gst.EventType.FLUSH_STOP:
            self.noted.clear()
        return Gst.PadProbeReturn.OK

    def numbers(self) -> list[int | None]:
        return [number for number, _, _ in self.noted]

    def wait(self, kind: Gst.MessageType) -> None:
        clip.wait(self.playbin, kind)

    def has_ended(self) -> bool:
        """Whether the end was reached since this was asked last."""
        return clip.take(self.playbin, Gst.MessageType.EOS, 0) is not None

    def pause(self) -> None:
        """Pause, and wait until a frame is there."""
        if self.playbin.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.ASYNC:
            self.wait(Gst.MessageType.ASYNC_DONE)
        # playbin may say so and still be on its way; then it takes no seek.
        self.playbin.get_state(Gst.CLOCK_TIME_NONE)

    def play(self) -> None:
        self.playbin.set_state(Gst.State.PLAYING)

    def seek(self, start: int, rate: float = 1.0, stop: int | None = None) -> None:
        """Seek to a frame, and wait until it is there. Backwards, `stop` is where it begins."""
        stops = (Gst.SeekType.NONE, 0) if stop is None else (Gst.SeekType.SET, stop * clip.FRAME_NS)
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
        sought = self.playbin.seek(rate, Gst.Format.TIME, flags, Gst.SeekType.SET, start * clip.FRAME_NS, *stops)
        if not sought:
            raise RuntimeError(f"the seek to frame {start} was refused")
        self.wait(Gst.MessageType.ASYNC_DONE)

    def step(self, count: int) -> None:
        """Step forward by frames, and wait until the last one is there."""
        self.playbin.send_event(Gst.Event.new_step(Gst.Format.BUFFERS, count, 1.0, True, False))
        self.wait(Gst.MessageType.ASYNC_DONE)

    def count(self, field: str) -> int:
        """Return one of the element's counts."""
        return self.vsr.get_property("stats").get_value(field)

    def stop(self) -> None:
        self.playbin.set_state(Gst.State.NULL)
