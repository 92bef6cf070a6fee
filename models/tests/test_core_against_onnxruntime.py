"""The element's core, through `examples/restore_raw.rs`, against the plain pack runner: equal within one level."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dloral.runner import ColorFix, PackRunner

REPOSITORY = Path(__file__).resolve().parents[2]
TINY = REPOSITORY / "models" / "tiny"
PACKS = REPOSITORY / "tests" / "packs"
FRAMES = 3


def moving(height: int, width: int) -> list[NDArray[np.uint8]]:
    """A textured picture that moves by a pixel a frame, with grain of its own in each frame."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0 : width + FRAMES]
    waves = [90 * np.sin(x / (5 + c) + y / 17) * np.cos(y / (4 + 2 * c)) for c in range(3)]
    scene = 128 + np.stack(waves, -1) + random.normal(0, 6, (height, width + FRAMES, 3))
    grain = random.normal(0, 2, (FRAMES, height, width, 3))
    return [(scene[:, at : at + width] + grain[at]).clip(0, 255).astype(np.uint8) for at in range(FRAMES)]


def through_core(core: list[str], pack: Path, frames: list[NDArray[np.uint8]], *options: str) -> NDArray[np.uint8]:
    height, width, _ = frames[0].shape
    arguments = ["--model", str(pack), "--execution-provider", "cpu", "--scene-threshold", "0", *options]
    result = subprocess.run(
        [*core, *arguments, f"{width}x{height}"],
        cwd=REPOSITORY,
        input=b"".join(frame.tobytes() for frame in frames),
        stdout=subprocess.PIPE,
        check=True,
    )
    return np.frombuffer(result.stdout, np.uint8).reshape(len(frames), 4 * height, 4 * width, 3)


@pytest.mark.parametrize(
    ("pack", "height", "width", "tile_size", "tile_overlap", "color_fix"),
    [
        (TINY, 64, 96, 0, 0, "pack"),
        (TINY, 16, 16, 0, 0, "pack"),
        (TINY, 51, 77, 0, 0, "pack"),
        (TINY, 51, 77, 128, 32, "pack"),
        (TINY, 96, 120, 160, 0, "adain"),
        (TINY, 37, 61, 0, 0, "wavelet"),
        (PACKS / "nearest", 79, 151, 0, 0, "pack"),
        (PACKS / "nearest", 79, 151, 80, 24, "pack"),
        (PACKS / "upscaled", 71, 93, 0, 0, "pack"),
        (PACKS / "upscaled", 71, 93, 96, 0, "none"),
    ],
)
def test_the_core_equals_the_runner(
    core: list[str], pack: Path, height: int, width: int, tile_size: int, tile_overlap: int, color_fix: ColorFix
) -> None:
    frames = moving(height, width)
    runner = PackRunner(pack, color_fix=color_fix, tile_size=tile_size, tile_overlap=tile_overlap)
    expected = np.stack(list(runner.restore(frames)))
    options = ["--tile-size", str(tile_size), "--tile-overlap", str(tile_overlap), "--color-fix", color_fix]
    actual = through_core(core, pack, frames, *options)
    difference = np.abs(actual.astype(int) - expected)
    assert difference.max() <= 1
    # Rounding alone may differ, and only now and then.
    assert np.mean(difference > 0) < 0.01


def test_forced_tiles_are_really_taken(core: list[str]) -> None:
    """The comparison above would not show a tile size that both sides ignore: the tiny pack's pictures depend on it."""
    frames = moving(51, 77)
    whole = through_core(core, TINY, frames)
    tiled = through_core(core, TINY, frames, "--tile-size", "128", "--tile-overlap", "32")
    assert not np.array_equal(whole, tiled)


def test_the_same_input_twice_is_identical(core: list[str]) -> None:
    frames = moving(51, 77)
    assert np.array_equal(through_core(core, TINY, frames), through_core(core, TINY, frames))


def test_an_input_that_ends_inside_a_frame_is_an_error(core: list[str]) -> None:
    result = subprocess.run([*core, "16x16"], cwd=REPOSITORY, input=bytes(100), capture_output=True, check=False)
    assert result.returncode != 0
    assert b"frame 0" in result.stderr
