"""The element among what GStreamer has for transcoding, editing, composing, recording and for programs in Python.

scripts/toolbox.sh runs it.
"""

import subprocess
from pathlib import Path

import barcode
import clip
import frames
import gi
import numpy as np
import pytest

gi.require_version("GES", "1.0")
gi.require_version("Gst", "1.0")
gi.require_version("GstPbutils", "1.0")
from gi.repository import GES, Gst, GstPbutils  # noqa: E402

SCALE = 4
WIDTH, HEIGHT = 160, 90
LARGE = SCALE * WIDTH, SCALE * HEIGHT
FRAMES = 50
MATROSKA = "video/x-matroska:video/x-h264"
RAW = "video/x-raw,format=I420"
DECODED = f"decodebin ! videoconvert ! {RAW}"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of two seconds."""
    return clip.write(tmp_path_factory.mktemp("clip") / "small.mp4", FRAMES, WIDTH, HEIGHT)


def frames_of(path: Path) -> list[tuple[int | None, tuple[int, int]]]:
    """Return number and size of each frame of a file."""
    pipeline = Gst.parse_launch(f"filesrc location={path} ! {DECODED} ! appsink name=end sync=false")
    seen = frames.collect(pipeline.get_by_name("end"), lambda *frame: (frames.read_code(*frame), frames.size(frame[1])))
    clip.run(pipeline)
    return seen


def all_frames(size: tuple[int, int] = LARGE) -> list[tuple[int, tuple[int, int]]]:
    """Return what frames_of finds in a file that holds the whole clip."""
    return [(number, size) for number in range(FRAMES)]


def launch(*words: str) -> None:
    """Run a command to its end."""
    result = subprocess.run(words, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_uritranscodebin(small, tmp_path) -> None:
    output = tmp_path / "output.mkv"
    launch(
        *("gst-launch-1.0", "uritranscodebin", f"source-uri={small.as_uri()}", f"dest-uri={output.as_uri()}"),
        *("video-filter=dloralvsr", f"profile={MATROSKA}"),
    )
    assert frames_of(output) == all_frames()


def assert_edited(output: Path) -> None:
    """Check what editing services have written, which lose a frame at the end where an effect takes time."""
    edited = frames_of(output)
    assert {size for _, size in edited} == {LARGE}
    numbers = [number for number, _ in edited]
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(FRAMES))
    assert set(numbers) >= set(range(FRAMES - 5))
    assert len(set(numbers)) >= FRAMES - 1


def test_editing_services(small, tmp_path) -> None:
    GES.init()
    track = GES.VideoTrack.new()
    track.set_restriction_caps(Gst.Caps.from_string(f"video/x-raw,width={LARGE[0]},height={LARGE[1]},framerate=25/1"))
    timeline = GES.Timeline.new()
    timeline.add_track(track)
    edited = timeline.append_layer().add_asset(
        GES.UriClipAsset.request_sync(small.as_uri()), 0, 0, FRAMES * clip.FRAME_NS, GES.TrackType.VIDEO
    )
    effect = GES.Effect.new("dloralvsr")
    edited.add(effect)
    output = tmp_path / "output.mkv"
    pipeline = GES.Pipeline()
    pipeline.set_timeline(timeline)
    pipeline.set_render_settings(output.as_uri(), profile(MATROSKA))
    pipeline.set_mode(GES.PipelineFlags.RENDER)
    taken = []
    vsr = effect.get_nleobject().iterate_all_by_element_factory_name("dloralvsr").next()[1]
    vsr.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, note_size, taken)
    clip.run(pipeline)
    assert_edited(output)
    # What enlarges is the element: it gets the frames as they are in the clip.
    assert set(taken) == {(WIDTH, HEIGHT)}


def note_size(pad: Gst.Pad, _, taken: list[tuple[int, int]]) -> Gst.PadProbeReturn:
    """Note the size of a frame."""
    taken.append(frames.size(pad.get_current_caps()))
    return Gst.PadProbeReturn.OK


def profile(description: str) -> GstPbutils.EncodingProfile:
    """Return a profile such as command lines take."""
    container, video = (Gst.Caps.from_string(caps) for caps in description.split(":"))
    result = GstPbutils.EncodingContainerProfile.new(None, None, container, None)
    result.add_profile(GstPbutils.EncodingVideoProfile.new(video, None, None, 0))
    return result


def test_ges_launch(small, tmp_path) -> None:
    output = tmp_path / "output.mkv"
    launch(
        *("ges-launch-1.0", "+clip", str(small), "+effect", "dloralvsr", "--format", MATROSKA, "-o", output.as_uri()),
        *("--video-caps", f"video/x-raw,width={LARGE[0]},height={LARGE[1]},framerate=25/1"),
    )
    assert_edited(output)


def test_compositor(small) -> None:
    """Beside each other, restored frames are those of the same time as those that were not."""
    pipeline = Gst.parse_launch(
        f"filesrc location={small} ! {DECODED} ! tee name=both ! queue max-size-buffers=20 ! composed. "
        "both. ! queue ! dloralvsr ! composed. "
        f"compositor name=composed sink_0::xpos={LARGE[0]} ! {RAW} ! appsink name=end sync=false"
    )
    seen = frames.collect(pipeline.get_by_name("end"), codes_beside_each_other)
    clip.run(pipeline)
    assert seen == [(number, number, (LARGE[0] + WIDTH, LARGE[1])) for number in range(FRAMES)]


def codes_beside_each_other(buffer: Gst.Buffer, caps: Gst.Caps) -> tuple[int | None, int | None, tuple[int, int]]:
    """Return the codes of a large picture, a small one to the right of it, and the size of both together."""
    width, height = frames.size(caps)
    luma = np.frombuffer(buffer.extract_dup(0, width * height), np.uint8).reshape(height, width)
    large, small = luma[:, : LARGE[0]], luma[:, LARGE[0] :]
    return code(large), code(small), (width, height)


def code(luma: np.ndarray) -> int | None:
    """Return the bar code of a picture."""
    width = luma.shape[1]
    return barcode.read([luma[line].tobytes() for line in barcode.middles(width)], width)


def test_tee_to_two_branches(small) -> None:
    """What one branch draws on its frames is not on those of the other."""
    pipeline = Gst.parse_launch(
        f"filesrc location={small} ! {DECODED} ! dloralvsr ! tee name=both ! queue ! appsink name=first sync=false "
        f"both. ! queue ! videobalance brightness=-1 ! {RAW} ! appsink name=second sync=false"
    )
    first = frames.collect(pipeline.get_by_name("first"))
    second = frames.collect(pipeline.get_by_name("second"), brightest)
    clip.run(pipeline)
    assert first == list(range(FRAMES))
    assert len(second) == FRAMES
    assert max(second) < barcode.DARK


def brightest(buffer: Gst.Buffer, caps: Gst.Caps) -> int:
    """Return the brightest luma of a frame."""
    width, height = frames.size(caps)
    return max(buffer.extract_dup(0, width * height))


def test_splitmuxsink(small, tmp_path) -> None:
    clip.run(
        Gst.parse_launch(
            f"filesrc location={small} ! {DECODED} ! dloralvsr ! x264enc speed-preset=ultrafast ! h264parse ! "
            f"splitmuxsink send-keyframe-requests=true max-size-time={Gst.SECOND} location={tmp_path}/part%d.mp4"
        )
    )
    parts = [frames_of(path) for path in sorted(tmp_path.iterdir())]
    assert [len(part) for part in parts] == [25, 25]
    assert parts[0] + parts[1] == all_frames()


def test_numpy_through_appsrc_and_appsink() -> None:
    vertical, horizontal = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    pictures = [
        np.stack([2 * vertical, horizontal + 5 * number, 200 - horizontal], axis=-1).astype(np.uint8)
        for number in range(12)
    ]
    pipeline = Gst.parse_launch(
        f"appsrc name=begin format=time caps=video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate=25/1 ! "
        "dloralvsr ! appsink name=end sync=false"
    )
    begin = pipeline.get_by_name("begin")
    seen = frames.collect(pipeline.get_by_name("end"), lambda buffer, caps: (buffer.pts, array(buffer, caps)))
    for number, picture in enumerate(pictures):
        buffer = Gst.Buffer.new_wrapped(picture.tobytes())
        buffer.pts, buffer.duration = number * clip.FRAME_NS, clip.FRAME_NS
        begin.emit("push-buffer", buffer)
    begin.emit("end-of-stream")
    clip.run(pipeline)
    assert [pts for pts, _ in seen] == [number * clip.FRAME_NS for number in range(len(pictures))]
    for picture, (_, enlarged) in zip(pictures, seen, strict=True):
        assert enlarged.shape == (LARGE[1], LARGE[0], 3)
        reduced = enlarged.reshape(HEIGHT, SCALE, WIDTH, SCALE, 3).mean(axis=(1, 3))
        # From one picture to the next the second channel changes by 5.
        assert np.abs(reduced - picture).mean(axis=(0, 1)).max() < 2


def array(buffer: Gst.Buffer, caps: Gst.Caps) -> np.ndarray:
    """Return an RGB frame without padding."""
    width, height = frames.size(caps)
    return np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(height, width, 3)


def test_two_instances_of_different_sizes(small, tmp_path) -> None:
    other = clip.write(tmp_path / "other.mp4", FRAMES, 128, 96)
    pipeline = Gst.parse_launch(
        " ".join(
            f"filesrc location={path} ! {DECODED} ! dloralvsr name=vsr-{name} ! appsink name={name} sync=false"
            for name, path in (("first", small), ("second", other))
        )
    )

    def read(*frame) -> tuple[int | None, tuple[int, int]]:
        return frames.read_code(*frame), frames.size(frame[1])

    first, second = (frames.collect(pipeline.get_by_name(name), read) for name in ("first", "second"))
    clip.run(pipeline)
    assert first == all_frames()
    assert second == all_frames((SCALE * 128, SCALE * 96))
