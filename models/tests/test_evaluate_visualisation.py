"""What ``evaluate`` writes for the eye, what it does without ground truth, and its intervals."""

import csv
import itertools
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image
from test_evaluate import FRAMES, evaluate, write_clip

from dloral import cli, metrics
from dloral.evaluate.bootstrap import differences
from dloral.evaluate.clips import count_frames, frame_rate, read_frames
from dloral.evaluate.profile import detailed_row
from dloral.evaluate.scores import GROUND_TRUTH, FrameScores, Row, clip_row

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe are not installed"
)

PACKS = REPOSITORY / "tests" / "packs"
SIZE = (160, 176)


@pytest.fixture(scope="module")
def truth(pictures: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [np.ascontiguousarray(pictures["cat"][:160, shift : shift + 176]) for shift in range(FRAMES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, truth: list[np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "lq").mkdir()
    write_clip(folder / "cat.mp4", truth)
    low = [cv2.resize(frame, (44, 40), interpolation=cv2.INTER_AREA) for frame in truth]
    write_clip(folder / "lq" / "cat.medium.mp4", low)
    return folder


def test_profile_is_the_row_of_every_frame(folder: Path, tmp_path: Path, truth: list[np.ndarray]) -> None:
    options = ["--method", "bicubic", "--no-perceptual", "--png", str(tmp_path), "--row", "50"]
    assert evaluate(folder, *options) == 0
    sheet = np.asarray(Image.open(tmp_path / "cat.medium.profile-row-50.png"))
    stretch = 160 // FRAMES
    # LQ, bicubic, ground truth, each below its caption.
    assert sheet.shape == (3 * (22 + 160 + 6) - 6, SIZE[1], 3)
    bands = sheet[2 * 188 + 22 :]
    for t, frame in enumerate(truth):
        for line in bands[t * stretch : (t + 1) * stretch]:
            np.testing.assert_array_equal(line, frame[50])


def test_the_most_detailed_row_is_found() -> None:
    picture = np.full((60, 80, 3), 90, np.uint8)
    picture[30:41] = np.random.default_rng(0).integers(0, 256, (11, 80, 3), dtype=np.uint8)
    assert 33 <= detailed_row(picture) <= 37
    picture[:3] = np.random.default_rng(0).integers(0, 256, (3, 80, 3), dtype=np.uint8) // 32 * 255
    assert 33 <= detailed_row(picture) <= 37, "a busy border is not what is to be seen"


def test_video_holds_all_pictures_side_by_side(folder: Path, tmp_path: Path, truth: list[np.ndarray]) -> None:
    options = ["--pack", str(PACKS / "nearest"), "--no-perceptual", "--video", str(tmp_path)]
    assert evaluate(folder, *options) == 0
    video = tmp_path / "cat.medium.mp4"
    assert count_frames(video) == FRAMES
    assert frame_rate(video) == frame_rate(folder / "cat.mp4")
    for frame, wanted in zip(read_frames(video), truth, strict=True):
        # LQ, bicubic, lanczos; pack, ground truth: two rows of three.
        assert frame.shape == (2 * (SIZE[0] + 24), 3 * SIZE[1], 3)
        cell = frame[SIZE[0] + 48 :, SIZE[1] : 2 * SIZE[1]].astype(int)
        assert np.abs(cell - wanted).mean() < 4.0  # H.264 and 4:2:0


def test_without_ground_truth_steadiness_is_measured(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    options = ["--lq", str(folder / "lq"), "--pack", str(PACKS / "nearest"), "--jobs", "2", "--csv", str(table)]
    options += ["--png", str(tmp_path / "png"), "--video", str(tmp_path / "video")]
    assert cli.main(["evaluate", *options]) == 0
    rows = {(row["clip"], row["method"]): row for row in csv.DictReader(table.open())}
    assert [method for clip, method in rows if clip == "cat.medium"] == ["bicubic", "lanczos", "pack"]
    row = rows["cat.medium", "bicubic"]
    assert row["psnr"] == row["tof"] == ""
    assert row["level"] == "real"
    low = list(read_frames(folder / "lq" / "cat.medium.mp4"))
    plain = [np.asarray(Image.fromarray(frame).resize(SIZE[::-1], Image.Resampling.BICUBIC)) for frame in low]
    errors = [metrics.warp_error(a, b, metrics.reference_motion(a, b)) for a, b in itertools.pairwise(plain)]
    assert float(row["warp_error"]) == pytest.approx(np.mean(errors), rel=1e-6)
    assert float(rows["cat.medium", "pack"]["flicker"]) > float(row["flicker"]) > 0.0
    assert (tmp_path / "video" / "cat.medium.real.mp4").is_file()
    assert sorted(path.name for path in (tmp_path / "png").iterdir())[0] == "cat.medium.real.0004.png"
    assert "ground truth" not in capsys.readouterr().out


def test_flicker_forgives_motion_and_steady_change_only() -> None:
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 256, (12, 20, 3), dtype=np.uint8), (160, 96), interpolation=cv2.INTER_CUBIC)
    pan = [np.ascontiguousarray(wide[:, shift : shift + 120]) for shift in (0, 2, 4)]
    back, forth = metrics.reference_motion(pan[1], pan[0]), metrics.reference_motion(pan[1], pan[2])

    def flicker(offsets: tuple[int, int, int]) -> float:
        frames = [(frame // 2 + offset).astype(np.uint8) for frame, offset in zip(pan, offsets, strict=True)]
        return metrics.flicker((frames[0], frames[1], frames[2]), back, forth)

    still = flicker((20, 20, 20))
    assert still < 1.5
    assert flicker((20, 30, 40)) == pytest.approx(still, abs=0.05)
    assert flicker((20, 30, 20)) == pytest.approx(10.0, abs=1.5)


def test_several_packs_go_by_their_folders_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("base", "both"):
        if not (folder / name).exists():
            shutil.copytree(PACKS / "nearest", folder / name)
    packs = ["--pack", str(folder / "base"), str(folder / "both"), "--no-perceptual"]
    assert evaluate(folder, *packs, "--method", "pack", "--bootstrap", "50") == 0
    text = capsys.readouterr().out
    assert "### medium, against base (95 % intervals)" in text
    assert evaluate(folder, *packs, "--method", "pack,self_paired") == 0
    text_alone = capsys.readouterr().out
    assert "| base self_paired" in text_alone
    assert "| both self_paired" in text_alone
    # Two packs that are the same do not differ, whatever is drawn.
    line = next(line for line in text.splitlines() if line.startswith("| both | +0.00"))
    assert "+0.00 [+0.00, +0.00]" in line
    assert evaluate(folder, *packs, "--against", "other") == 1
    assert "--against other: measured are bicubic, lanczos, base, both" in capsys.readouterr().err
    assert evaluate(folder, "--pack", str(folder / "base"), str(folder / "lq" / ".." / "base")) == 1
    assert "folders with names of their own" in capsys.readouterr().err


def frames(values: list[float], key: str = "psnr") -> list[FrameScores]:
    return [FrameScores({key: value}) for value in values]


def test_intervals_are_of_paired_differences() -> None:
    rng = np.random.default_rng(1)
    hard = {"a": rng.normal(20.0, 3.0, 40), "b": rng.normal(30.0, 3.0, 40), "c": rng.normal(25.0, 3.0, 40)}
    rows = []
    for clip, base in hard.items():
        rows += [
            clip_row(clip, "medium", "base", frames(list(base))),
            clip_row(clip, "medium", "better", frames(list(base + 0.5))),
            clip_row(clip, "medium", "as good", frames(list(base + rng.normal(0.0, 1.0, 40)))),
            Row(clip, "medium", GROUND_TRUTH, 40, {}),
        ]
    intervals = differences(rows, "base", 400)
    assert list(intervals) == [("medium", "better"), ("medium", "as good")]
    # Clips and frames differ by far more than the methods do, but every method meets the same ones.
    better = intervals["medium", "better"]["psnr"]
    assert (better.value, better.low, better.high) == pytest.approx((0.5, 0.5, 0.5))
    same = intervals["medium", "as good"]["psnr"]
    assert same.low < 0.0 < same.high
    assert same.low < same.value < same.high
    # Of a mean over 120 frames with a deviation of 1 each, 95 % lie within about ±0.18, more where clips differ too.
    assert 0.15 < same.high - same.low < 0.8


def test_intervals_of_relative_measures_are_in_per_cent() -> None:
    rows = [
        clip_row("a", "medium", "base", frames([1.0, 2.0, float("nan")], "tof")),
        clip_row("a", "medium", "half", frames([0.5, 1.0, float("nan")], "tof")),
    ]
    half = differences(rows, "base", 20)["medium", "half"]["tof"]
    assert (half.value, half.low, half.high) == pytest.approx((-50.0, -50.0, -50.0))
