"""The command ``evaluate`` on clips made here: what it reads, prints and writes."""

import csv
import re
import shutil
import struct
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image

from dloral import cli, metrics
from dloral.errors import UserError
from dloral.evaluate.clips import count_frames, find_clips, read_frames, read_truth
from dloral.evaluate.measure import Instant, Key
from dloral.evaluate.methods import make_method
from dloral.evaluate.pictures import detailed_places
from dloral.evaluate.scores import FrameScores, Row, clip_row, mean_rows
from dloral.evaluate.table import against_bicubic, markdown
from dloral.evaluate.video import SideBySide
from dloral.quality import read_quality
from dloral.runner import PackRunner

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe are not installed"
)

FRAMES = 8
PACK = REPOSITORY / "tests" / "packs" / "nearest"
TINY = REPOSITORY / "models" / "tiny"


def write_clip(path: Path, frames: list[np.ndarray]) -> None:
    """Write a clip without loss: RGB in H.264."""
    height, width = frames[0].shape[:2]
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "-"]
    command += ["-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast", str(path)]
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)


@pytest.fixture(scope="module")
def truth(pictures: dict[str, np.ndarray]) -> list[np.ndarray]:
    """A pan of one pixel per frame over a picture, of a size that is no multiple of 8."""
    return [np.ascontiguousarray(pictures["cat"][:165, shift : shift + 180]) for shift in range(FRAMES)]


@pytest.fixture(scope="module")
def low(truth: list[np.ndarray]) -> list[np.ndarray]:
    return [cv2.resize(frame[:160, :176], (44, 40), interpolation=cv2.INTER_AREA) for frame in truth]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, truth: list[np.ndarray], low: list[np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "lq").mkdir()
    write_clip(folder / "cat.mp4", truth)
    write_clip(folder / "lq" / "cat.medium.mp4", low)
    return folder


def evaluate(folder: Path, *options: str) -> int:
    fixed = ["--clips", str(folder), "--lq", str(folder / "lq"), "--levels", "medium", "--jobs", "2"]
    return cli.main(["evaluate", *fixed, *options])


def test_frames_are_read_as_they_are(folder: Path, truth: list[np.ndarray], low: list[np.ndarray]) -> None:
    assert count_frames(folder / "cat.mp4") == FRAMES
    for read, frame in zip(read_truth(folder / "cat.mp4"), truth, strict=True):
        np.testing.assert_array_equal(read, frame[:160, :176])
    for read, frame in zip(read_frames(folder / "lq" / "cat.medium.mp4"), low, strict=True):
        np.testing.assert_array_equal(read, frame)


def test_a_rotation_for_players_is_not_applied(folder: Path, tmp_path: Path, truth: list[np.ndarray]) -> None:
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(rotated((folder / "cat.mp4").read_bytes()))
    shown = subprocess.run(["ffprobe", "-v", "error", "-show_streams", turned], capture_output=True, check=True).stdout
    assert b"rotation=" in shown
    for read, frame in zip(read_frames(turned), truth, strict=True):
        np.testing.assert_array_equal(read, frame)


def rotated(video: bytes) -> bytes:
    """An MP4 file with another display matrix, a turn by 90°, in its track header."""
    matrix = video.index(b"tkhd") + 44  # behind the name, and 40 bytes of version, times, number, layer and volume
    turn = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    return video[:matrix] + turn + video[matrix + len(turn) :]


def test_reading_may_stop_early(folder: Path) -> None:
    frames = read_frames(folder / "cat.mp4")
    next(frames)
    frames.close()  # type: ignore[attr-defined] # a generator; hangs or warns if ffmpeg is left writing


def test_numbers_are_those_of_the_measures(folder: Path, truth: list[np.ndarray], low: list[np.ndarray]) -> None:
    table = folder / "table.csv"
    options = ["--pack", str(PACK), "--no-perceptual", "--csv", str(table)]
    assert evaluate(folder, *options) == 0
    rows = {(row["clip"], row["method"]): row for row in csv.DictReader(table.open())}
    assert [method for clip, method in rows if clip == "cat"] == ["bicubic", "lanczos", "pack", "ground truth"]
    assert evaluate(folder, *options, "--method", "pack,self_paired") == 0
    rows = {(row["clip"], row["method"]): row for row in csv.DictReader(table.open())}
    assert [method for clip, method in rows if clip == "cat"] == ["bicubic", "pack", "self_paired", "ground truth"]
    cropped = [frame[:160, :176] for frame in truth]
    for method, results in (
        ("bicubic", [np.asarray(Image.fromarray(f).resize((176, 160), Image.Resampling.BICUBIC)) for f in low]),
        ("pack", list(PackRunner(PACK).restore(low))),
        ("self_paired", [picture for frame in low for picture in PackRunner(PACK).restore([frame])]),
    ):
        row = rows["cat", method]
        pairs = list(zip(results, cropped, strict=True))
        assert int(row["frames"]) == FRAMES
        assert float(row["psnr"]) == pytest.approx(np.mean([metrics.psnr(*pair) for pair in pairs]), rel=1e-6)
        assert float(row["ssim"]) == pytest.approx(np.mean([metrics.ssim(*pair) for pair in pairs]), rel=1e-6)
        # tOF is of the pairs within frames 2 to N-3.
        flows = [
            metrics.flow_distance(metrics.farneback(results[t], results[t + 1]), metrics.farneback(*cropped[t : t + 2]))
            for t in range(2, FRAMES - 3)
        ]
        assert float(row["tof"]) == pytest.approx(np.mean(flows), rel=1e-6)
        motions = [metrics.reference_motion(*cropped[t : t + 2]) for t in range(FRAMES - 1)]
        errors = [metrics.warp_error(results[t], results[t + 1], motions[t]) for t in range(FRAMES - 1)]
        assert float(row["warp_error"]) == pytest.approx(np.mean(errors), rel=1e-5)
    assert rows["cat", "ground truth"]["psnr"] == ""
    assert rows["cat", "bicubic"]["grid8"] == ""
    assert rows["mean", "pack"]["psnr"] == rows["cat", "pack"]["psnr"]


def test_prints_tables_and_writes_pictures(
    folder: Path, tmp_path: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    options = ["--method", "lanczos", "--max-frames", "4", "--backbone", str(backbone)]
    assert evaluate(folder, *options, "--png", str(tmp_path / "png"), "--markdown", str(tmp_path / "table.md")) == 0
    text = capsys.readouterr().out
    assert "### medium" in text
    assert "medium, lanczos against bicubic: HaarPSI +" in text
    assert "perceptual" in text
    assert (tmp_path / "table.md").read_text() == text.removesuffix("\n")
    sheet, profile = sorted((tmp_path / "png").iterdir())
    assert sheet.name == "cat.medium.0002.png"
    assert profile.name.startswith("cat.medium.profile-row-")
    # LQ, bicubic, lanczos, ground truth: four details of 128 pixels, three times as large, with gaps between.
    assert Image.open(sheet).size[0] == 4 * 384 + 3 * 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "dog"], "no clip dog"),
        (["--levels", "heavy"], "versions are missing"),
        (["--method", "pack"], "needs --pack"),
        (["--method", "espcn"], "needs --baselines"),
        (["--method", "realesrgan", "--baselines", "nowhere"], "ncnn|there is no"),
        (["--pack", "nowhere"], "there is no model 'nowhere'"),
        (["--backbone", "nowhere.onnx"], "(no perceptual backbone|needs the Python package).*--no-perceptual"),
    ],
)
def test_says_what_is_wrong(folder: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder, *options) == 1
    assert re.search(message, capsys.readouterr().err)


def test_version_of_another_length_or_size_is_refused(
    folder: Path, tmp_path: Path, low: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lq").mkdir()
    shutil.copy(folder / "cat.mp4", tmp_path)
    version = tmp_path / "lq" / "cat.medium.mp4"
    write_clip(version, low[:-1])
    assert evaluate(tmp_path, "--no-perceptual") == 1
    assert "has 7 frames" in capsys.readouterr().err
    version.unlink()
    write_clip(version, [np.ascontiguousarray(frame[:, :-2]) for frame in low])
    assert evaluate(tmp_path, "--no-perceptual") == 1
    assert "pictures are 168 by 160, the ground truth is 176 by 160" in capsys.readouterr().err
    (tmp_path / "cat.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="not a video"):
        next(read_truth(tmp_path / "cat.mp4"))


def test_frames_are_counted_as_they_decode(tmp_path: Path, low: list[np.ndarray]) -> None:
    """A cut that is not recoded keeps packets of frames before it, which are not shown."""
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    write_clip(whole, low * 4)
    command = ["ffmpeg", "-v", "error", "-ss", "0.5", "-i", str(whole), "-c", "copy", str(cut)]
    subprocess.run(command, check=True)
    probe = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
    packets = int(subprocess.check_output([*probe, str(cut)], text=True).strip().rstrip(","))
    assert count_frames(cut) == len(list(read_frames(cut))) < packets


def test_frames_that_change_in_size_are_refused(tmp_path: Path, low: list[np.ndarray]) -> None:
    parts = [tmp_path / "small.ts", tmp_path / "large.ts"]
    for part, frames in zip(parts, (low, [np.tile(frame, (2, 2, 1)) for frame in low]), strict=True):
        write_clip(part, frames)
    changing = tmp_path / "changing.ts"
    changing.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(UserError, match=r"changing\.ts: the frame size changes"):
        count_frames(changing)


def test_a_pack_s_figures_are_kept(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "quality.toml"
    options = ["--no-perceptual", "--pack", str(PACK), "--quality", str(file)]
    assert evaluate(folder, *options) == 0
    figures = read_quality(file)
    assert set(figures) == {
        f"{key}_medium{of}" for key in ("haarpsi", "gmsd", "ssim", "psnr", "tof") for of in ("", "_bicubic")
    }
    assert figures["psnr_medium"] != figures["psnr_medium_bicubic"]
    assert evaluate(folder, *options, "--pack", str(PACK), str(TINY)) == 1
    assert "give --clips and one --pack" in capsys.readouterr().err


def test_truncated_clip_is_an_error(folder: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    data = (folder / "cat.mp4").read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError):
        list(read_frames(cut))


def test_clips_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mp4", "a.mild.mp4", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"b\.mild\.mp4"):
        find_clips(tmp_path, tmp_path, ["mild"], ["b"])
    (clip,) = find_clips(tmp_path, tmp_path, ["mild"], ["a"])
    assert clip.low_quality == {"mild": tmp_path / "a.mild.mp4"}


def test_means_skip_what_does_not_apply() -> None:
    frames = [FrameScores({"psnr": 20.0}), FrameScores({"psnr": 30.0, "tof": 0.5, "warp_error": float("nan")})]
    row = clip_row("a", "mild", "bicubic", frames)
    assert row.values == {"psnr": 25.0, "tof": 0.5}
    (mean,) = mean_rows([row, Row("b", "mild", "bicubic", 2, {"psnr": 27.0})])
    assert (mean.frames, mean.values) == (4, {"psnr": 26.0, "tof": 0.5})


def test_table_text() -> None:
    rows = [
        Row("a", "mild", "bicubic", 2, {"psnr": 25.0, "perceptual": 0.2}),
        Row("a", "mild", "pack", 2, {"psnr": 25.25, "perceptual": 0.15}),
        Row("a", "mild", "ground truth", 2, {"warp_error": 0.1234}),
    ]
    lines = markdown(rows).splitlines()
    assert lines[2].split("|")[3].strip() == "PSNR ↑ dB"
    assert [cell.strip() for cell in lines[-2].split("|")[1:-1]] == ["a", "pack", "25.25", "-", "0.1500"]
    assert [cell.strip() for cell in lines[-1].split("|")[1:-1]] == ["a", "ground truth", "-", "0.123", "-"]
    assert against_bicubic(rows) == ["mild, pack against bicubic: PSNR +0.25 dB, perceptual distance -25.0 %"]


def test_detailed_places_are_where_the_detail_is() -> None:
    picture = np.full((400, 600, 3), 128, np.uint8)
    picture[200:328, 300:428] = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    places = detailed_places(picture, 2)
    assert places[0] == (200, 300)
    assert abs(places[1][0] - 200) >= 128 or abs(places[1][1] - 300) >= 128


def test_a_video_that_ffmpeg_cannot_write_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cat.mild.mp4").mkdir()
    frame = np.zeros((160, 176, 3), np.uint8)
    instant = Instant(0, {"mild": frame[::4, ::4]}, {Key("mild", "bicubic"): frame})

    def write() -> None:
        with SideBySide(tmp_path, "cat", "25") as video:
            for _ in range(100):  # more than a pipe holds
                video.add(instant)

    with pytest.raises(UserError, match=r"ffmpeg could not write .*cat\.mild\.mp4: .*directory"):
        write()


def test_methods_are_pillows() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    result = list(make_method("lanczos", packs={}, baselines=None, threads=1)([frame]))
    np.testing.assert_array_equal(result[0], Image.fromarray(frame).resize((28, 36), Image.Resampling.LANCZOS))
