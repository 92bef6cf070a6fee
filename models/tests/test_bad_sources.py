"""Training data that cannot be used is refused by name, with what is wrong."""

import errno
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

av = pytest.importorskip("av", reason="videos are read with PyAV: pip install -e 'models[train]'")

from dloral.data.sources import decode, open_sources  # noqa: E402
from dloral.errors import UserError  # noqa: E402


def stream(frames: int, size: int) -> bytes:
    """A raw H.264 stream of square gray frames."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height = encoder.width = size
    encoder.pix_fmt = "yuv420p"
    encoder.options = {"preset": "ultrafast", "bf": "0"}
    pictures = [av.VideoFrame.from_ndarray(np.full((size, size, 3), 40 * t, np.uint8), "rgb24") for t in range(frames)]
    pictures = [picture.reformat(format="yuv420p") for picture in pictures]
    for index, picture in enumerate(pictures):
        picture.pts = index
    return b"".join(bytes(packet) for picture in [*pictures, None] for packet in encoder.encode(picture))


def test_a_clip_shorter_than_the_window_or_too_small_is_named(tmp_path: Path) -> None:
    (tmp_path / "short.mp4").write_bytes(stream(2, 64))
    with pytest.raises(UserError, match=r"short\.mp4: 2 frames of 64 by 64; at least 3 of 64 by 64 are needed"):
        open_sources([tmp_path], tmp_path / "cache", 3, 64)
    with pytest.raises(UserError, match=r"short\.mp4: 2 frames of 64 by 64; at least 2 of 128 by 128 are needed"):
        open_sources([tmp_path], tmp_path / "cache", 2, 128)
    assert len(open_sources([tmp_path], tmp_path / "cache", 2, 64).videos) == 1


def test_frames_that_change_in_size_are_named(tmp_path: Path) -> None:
    (tmp_path / "changes.mp4").write_bytes(stream(3, 64) + stream(3, 96))
    with pytest.raises(UserError, match=r"changes\.mp4: the frame size changes"):
        list(decode(tmp_path / "changes.mp4"))


def test_a_full_disk_leaves_no_half_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip.mp4").write_bytes(stream(3, 64))

    def full(file: BinaryIO, _: object) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dloral.data.sources._write_frames", full)
        with pytest.raises(UserError, match=r"clip\.mp4: its frames could not be written.*No space left"):
            open_sources([tmp_path], tmp_path / "cache", 3, 64)
    assert not list((tmp_path / "cache").iterdir())
    # With room again, nothing is in the way.
    assert len(open_sources([tmp_path], tmp_path / "cache", 3, 64).videos) == 1


def test_the_cache_holds_the_frames(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(stream(6, 64))
    cached = open_sources([tmp_path], tmp_path / "cache", 3, 64).videos[0]
    np.testing.assert_array_equal(cached, np.stack(list(decode(tmp_path / "clip.mp4"))))


def test_folders_that_hold_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "clip.mp4").write_bytes(stream(3, 64))
    (tmp_path / "empty").mkdir()
    for folder, reason in (
        (tmp_path / "god", "is no folder"),
        (tmp_path / "good" / "clip.mp4", "is no folder"),
        (tmp_path / "empty", "holds no video or picture"),
    ):
        with pytest.raises(UserError, match=f"{folder.name} {reason}"):
            open_sources([tmp_path / "good", folder], tmp_path / "cache", 3, 64)
