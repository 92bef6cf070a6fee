"""Text that is read: the clips, the count of characters, and tesseract where it is installed."""

import shutil
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest

from dloral.errors import UserError
from dloral.evaluate import reading
from dloral.evaluate.methods import BICUBIC, make_method
from dloral.evaluate.reading import FRAMES, HEIGHT, WIDTH, characters_read, markdown, read_text, text_clip


@pytest.mark.parametrize(
    ("said", "text", "share"),
    [
        ("as it is", "as it is", 1.0),
        ("asitis\n", "as it is", 1.0),
        ("", "as it is", 0.0),
        ("abxd", "abcd", 0.75),
        ("abd", "abcd", 0.75),
        ("abccd", "abcd", 0.75),
        ("much more than there was", "a", 0.0),
    ],
)
def test_share_of_characters(said: str, text: str, share: float) -> None:
    assert characters_read(said, text) == pytest.approx(share)


@pytest.mark.parametrize("size", reading.SIZES)
def test_text_moves_evenly_over_its_ground(size: int) -> None:
    clip = text_clip(size)
    assert clip.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert (clip == text_clip(size)).all()
    # Which pixels are bright depends on the part of a pixel that letters have moved by: the same every four frames.
    first, later = (np.argwhere(clip[number].min(axis=-1) > 200).mean(axis=0) for number in (0, 8))
    np.testing.assert_allclose((first - later) / 8, (reading.SPEED[1], reading.SPEED[0]), atol=0.05)


def test_without_tesseract_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="tesseract-ocr"):
        reading.require_tools()


def test_without_pyav_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.shutil, "which", lambda name: name)
    monkeypatch.setattr(reading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"models\[train\]"):
        reading.require_tools()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed (Debian: tesseract-ocr)")
def test_tesseract_reads_what_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="the clips are coded with PyAV: pip install -e 'models[train]'")

    def hidden(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for frame in frames:
            yield cv2.GaussianBlur(frame, (0, 0), 4.0).repeat(4, axis=0).repeat(4, axis=1)

    monkeypatch.setattr(reading, "READ", (4,))
    monkeypatch.setattr(reading, "SIZES", (30,))
    monkeypatch.setattr(reading, "LINES", reading.LINES[:2])
    bicubic = make_method(BICUBIC, packs={}, baselines=None, threads=1)
    reads = {(read.level, read.method): read.share for read in read_text({BICUBIC: bicubic, "hidden": hidden})}
    assert reads["mild", "ground truth"] > 0.97
    assert reads["mild", BICUBIC] > 0.9
    assert reads["medium", "hidden"] < 0.3


def test_the_table_has_a_line_for_each_method() -> None:
    reads = [reading.Read("mild", 22, "a", 1.0), reading.Read("mild", 22, "b", 0.5)]
    assert "| b | 50 % |" in markdown(reads)
