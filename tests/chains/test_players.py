"""playbin with the element as video filter, and players of the command line, on a screen of their own.

scripts/players.sh runs it.
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import barcode
import clip
import gi
import pytest
from player import Player
from screen import Screen

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

SCALE = 4
WIDTH, HEIGHT = 160, 90
LARGE_WIDTH, LARGE_HEIGHT = SCALE * WIDTH, SCALE * HEIGHT
FRAMES = 100
# How far colours may be off: coding, the model and two conversions.
COLOR_TOLERANCE = 6
# Where fields of different colours meet, coding mixes them.
MARGIN = 20
# How long the screen may take to show what is asked for.
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """Return a screen of our own."""
    with Screen(tmp_path_factory.mktemp("screen")) as screen:
        yield screen


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip that is enlarged in less time than it lasts."""
    return clip.write(tmp_path_factory.mktemp("clip") / "small.mp4", FRAMES, WIDTH, HEIGHT)


@pytest.fixture
def open_player(screen: Screen) -> Iterator[Callable[..., Player]]:
    """Return what makes players that are paused at the first frame."""
    players = []

    def opened(path: Path, subtitles: Path | None = None) -> Player:
        players.append(Player(path, subtitles))
        players[-1].pause()
        return players[-1]

    yield opened
    for player in players:
        player.stop()


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; return whether it came true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def assert_shown(screen: Screen, number: int, width: int = LARGE_WIDTH) -> None:
    """Wait until the screen shows a frame."""
    assert until(lambda: screen.code(width) == number), f"frame {screen.code(width)} in place of {number}"


def test_every_frame_is_restored_and_played(screen, small, open_player) -> None:
    player = open_player(small)
    player.play()
    player.wait(Gst.MessageType.EOS)
    assert player.numbers() == list(range(FRAMES))
    assert {size for _, size, _ in player.noted} == {(LARGE_WIDTH, LARGE_HEIGHT)}
    assert (player.count("restored"), player.count("bypassed")) == (FRAMES, 0)
    assert_shown(screen, FRAMES - 1)


def test_seeks_while_paused(screen, small, open_player) -> None:
    player = open_player(small)
    for number in (60, 13, 99, 0):
        player.seek(number)
        assert_shown(screen, number)


def test_seeks_while_playing(small, open_player) -> None:
    player = open_player(small)
    player.play()
    for start in (70, 20):
        player.seek(start)
        assert until(lambda: len(player.noted) >= 5)
        assert player.numbers()[:5] == list(range(start, start + 5))


def test_a_pause_keeps_the_frame(screen, small, open_player) -> None:
    player = open_player(small)
    player.play()
    assert until(lambda: len(player.noted) >= 20)
    player.pause()
    # What the sink was given last may not be drawn yet.
    time.sleep(0.2)
    kept = screen.code(LARGE_WIDTH)
    time.sleep(0.5)
    assert screen.code(LARGE_WIDTH) == kept
    assert kept in range(FRAMES - 1)
    player.play()
    player.wait(Gst.MessageType.EOS)
    assert player.numbers() == list(range(FRAMES))


def test_steps_by_frames(screen, small, open_player) -> None:
    player = open_player(small)
    player.seek(30)
    for count, number in ((1, 31), (1, 32), (5, 37)):
        player.step(count)
        assert_shown(screen, number)


def test_double_speed(small, open_player) -> None:
    player = open_player(small)
    player.seek(0, rate=2.0)
    player.play()
    player.wait(Gst.MessageType.EOS)
    assert player.numbers() == list(range(FRAMES))
    assert [time for _, _, time in player.noted] == [number * clip.FRAME_NS // 2 for number in range(FRAMES)]
    assert player.count("bypassed") == 0


def test_backwards(screen, small, open_player) -> None:
    player = open_player(small)
    player.seek(0, rate=-1.0, stop=50)
    player.play()
    player.wait(Gst.MessageType.EOS)
    assert player.numbers() == list(reversed(range(50)))
    assert player.count("bypassed") == 0
    assert_shown(screen, 0)


def test_subtitles_are_drawn(screen, small, open_player, tmp_path) -> None:
    # A file of less than 129 bytes is not taken for one of subtitles.
    cues = ((0, 5), (50, 75), (90, 95))
    subtitles = tmp_path / "subtitles.srt"
    subtitles.write_text("".join(subtitle(number, *cue) for number, cue in enumerate(cues, 1)))
    player = open_player(small, subtitles)
    # No seeks: after one playbin may draw what was there before, or nothing, with any filter.
    player.play()
    with_text, without = [], []

    def look() -> bool:
        number = screen.code(LARGE_WIDTH)
        # All else below the bar code is darker in blue than the letters, which are white.
        blue = screen.brightest(barcode.height_of(LARGE_WIDTH) + MARGIN, LARGE_HEIGHT, LARGE_WIDTH)
        is_still_there = number is not None and screen.code(LARGE_WIDTH) == number
        # Frames near a change may be drawn in part.
        if is_still_there and any(number in near for near in (range(8, 48), range(53, 72), range(78, 88))):
            (with_text if number in range(50, 75) else without).append(blue)
        return player.has_ended()

    assert until(look)
    assert statistics.median(with_text) > 235 > statistics.median(without)


def test_colors_on_the_screen_are_those_of_the_clip(screen, open_player, tmp_path) -> None:
    # Large enough for players to take it for BT.709 where nothing says that it is BT.601.
    width, height = 320, 180
    player = open_player(clip.write(tmp_path / "large.mp4", 5, width, height))
    assert_shown(screen, 0, SCALE * width)
    top = barcode.height_of(SCALE * width)
    half_width, half_height = SCALE * width // 2, SCALE * height // 2
    for index, color in enumerate(clip.COLORS):
        left, above, below = (
            (half_width * (index % 2), half_height, SCALE * height)
            if index // 2
            else (half_width * (index % 2), top, half_height)
        )
        for x in range(left + MARGIN, left + half_width - MARGIN, 40):
            for y in range(above + MARGIN, below - MARGIN, 40):
                seen = screen.pixel(x, y)
                error = max(abs(a - b) for a, b in zip(seen, color, strict=True))
                assert error <= COLOR_TOLERANCE, f"{seen} in place of {color} at {x}, {y}"
    assert player.count("restored") >= 1
    assert player.count("bypassed") == 0


def test_pointers_reach_upstream_as_places_in_the_input(screen, small, open_player) -> None:
    player = open_player(small)
    seen: list[Gst.Structure] = []
    player.vsr.get_static_pad("sink").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, note_navigation, seen)
    # ximagesink looks for events from time to time.
    for x, y in ((400, 200), (12, 350), (639, 1)):
        screen.input("mousemove", x, y)
        assert_pointed(seen, "mouse-move", (x / SCALE, y / SCALE))
    screen.input("mousemove", 100, 300, "click", 1)
    assert_pointed(seen, "mouse-button-press", (25.0, 75.0))
    assert_pointed(seen, "mouse-button-release", (25.0, 75.0))
    screen.input("key", "a")
    assert until(lambda: any(event.get_string("key") == "a" for event in seen))


def note_navigation(_, info: Gst.PadProbeInfo, seen: list[Gst.Structure]) -> Gst.PadProbeReturn:
    """Note what goes upstream."""
    event = info.get_event()
    if event.type == Gst.EventType.NAVIGATION:
        seen.append(event.get_structure())
    return Gst.PadProbeReturn.OK


def assert_pointed(seen: list[Gst.Structure], kind: str, place: tuple[float, float]) -> None:
    """Wait until the last event of a kind is at a place."""

    def last() -> tuple[float, float] | None:
        events = [event for event in seen if event.get_string("event") == kind]
        return (events[-1].get_double("pointer_x")[1], events[-1].get_double("pointer_y")[1]) if events else None

    assert until(lambda: last() == place), f"{kind} is at {last()} in place of {place}"


@pytest.mark.parametrize(
    "words",
    [
        ["gst-play-1.0", "--no-interactive", "--videosink=videoconvert ! dloralvsr ! videoconvert ! ximagesink", "URI"],
        [
            *("gst-launch-1.0", "playbin", "uri=URI"),
            "video-filter=videoconvert ! dloralvsr overload=bypass ! queue max-size-buffers=8 max-size-bytes=0",
        ],
    ],
    ids=["gst-play", "gst-launch"],
)
def test_players_of_the_command_line(screen, small, words) -> None:
    words = [word.replace("URI", small.as_uri()) for word in words]
    player = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = set()
    while player.poll() is None:
        seen.add(screen.code(LARGE_WIDTH))
        time.sleep(0.01)
    messages = player.communicate()[0]
    assert player.returncode == 0, messages
    # What comes late is not shown.
    assert len(seen - {None}) > FRAMES // 4, messages


def subtitle(number: int, start: int, end: int) -> str:
    """Return a subtitle from one frame to another, in the format of SubRip."""

    def written(frame: int) -> str:
        milliseconds = frame * clip.FRAME_NS // Gst.MSECOND
        return f"00:00:{milliseconds // 1000:02},{milliseconds % 1000:03}"

    return f"{number}\n{written(start)} --> {written(end)}\nSUBTITLE\nin two lines\n\n"
