"""The pack runner against results worked out by hand, on the packs of ``tests/packs`` (formulas in their README)."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from dloral.errors import UserError
from dloral.export.folder import digests
from dloral.manifest import GraphSizes
from dloral.runner import PackRunner, upscale
from dloral.tiles import Blender, plan_tiles, window_weights

PACKS = REPOSITORY / "tests" / "packs"


def frames(count: int, height: int, width: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def enlarged(values: np.ndarray, times: int) -> np.ndarray:
    return values.repeat(times, axis=0).repeat(times, axis=1)


def nearest_by_hand(frame: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The pack ``nearest`` for frames of even size that need no padding."""

    def means(f: np.ndarray) -> np.ndarray:
        return f.astype(np.float64).reshape(f.shape[0] // 2, 2, f.shape[1] // 2, 2, 3).mean(axis=(1, 3))

    guides = frame[::2, ::2].astype(np.float64) - previous[::2, ::2]
    restored = 0.5 * means(frame) + 0.5 * means(previous) + 0.25 * guides
    picture = 0.5 * enlarged(frame.astype(np.float64), 4) + 0.5 * enlarged(restored, 8) + 1 / 64
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def test_nearest_whole() -> None:
    clip = frames(3, 32, 48)
    results = list(PackRunner(PACKS / "nearest").restore(clip))
    assert len(results) == 3
    for result, frame, previous in zip(results, clip, [clip[0], *clip], strict=False):
        np.testing.assert_array_equal(result, nearest_by_hand(frame, previous))


def test_nearest_in_tiles() -> None:
    clip = frames(2, 80, 152)  # 40×76 samples: restorer in tiles of 24, decoder in tiles of 32
    results = list(PackRunner(PACKS / "nearest").restore(clip))
    difference = results[1].astype(int) - nearest_by_hand(clip[1], clip[0])
    assert np.abs(difference).max() <= 1
    assert np.mean(difference != 0) < 1e-3


def test_odd_sizes_are_padded_by_their_edges_and_cropped() -> None:
    clip = frames(2, 17, 29)
    padded = [np.pad(frame, ((0, 3), (0, 3), (0, 0)), mode="edge") for frame in clip]
    results = list(PackRunner(PACKS / "nearest").restore(clip))
    assert results[1].shape == (68, 116, 3)
    np.testing.assert_array_equal(results[1], nearest_by_hand(padded[1], padded[0])[:68, :116])


def test_a_new_size_starts_a_new_window() -> None:
    first, second = frames(1, 32, 48)[0], frames(1, 48, 32)[0]
    results = list(PackRunner(PACKS / "nearest").restore([first, second]))
    np.testing.assert_array_equal(results[1], nearest_by_hand(second, second))


def test_upscaled_takes_its_colours_from_the_input() -> None:
    ramp = np.linspace(40, 200, 32 * 48 * 3).reshape(32, 48, 3).astype(np.uint8)
    runner = PackRunner(PACKS / "upscaled")
    result = next(runner.restore([ramp]))
    reference = upscale(ramp).astype(np.float64)
    assert runner.color_fix == "adain"
    np.testing.assert_allclose(result.mean(axis=(0, 1)), reference.mean(axis=(0, 1)), atol=0.5)
    np.testing.assert_allclose(result.std(axis=(0, 1)), reference.std(axis=(0, 1)), rtol=0.01)
    plain = next(PackRunner(PACKS / "upscaled", color_fix="none").restore([ramp]))
    blocks = reference.reshape(16, 8, 24, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(plain, enlarged(blocks, 8), atol=1)


def test_bad_packs_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no pack\.toml"):
        PackRunner(tmp_path)
    pack = tmp_path / "pack"
    shutil.copytree(PACKS / "nearest", pack)
    (pack / "decoder.onnx").unlink()
    with pytest.raises(UserError, match=r"decoder\.onnx is missing"):
        PackRunner(pack)
    (pack / "decoder.onnx").write_bytes((PACKS / "nearest" / "decoder.onnx").read_bytes())
    listed = digests(pack)["encoder.onnx"]
    (pack / "encoder.onnx").write_bytes(b"nothing")
    manifest = (pack / "pack.toml").read_text()
    (pack / "pack.toml").write_text(manifest.replace(listed, digests(pack)["encoder.onnx"]))
    with pytest.raises(UserError, match="cannot load"):
        PackRunner(pack)
    (pack / "pack.toml").write_text("format = 2\nscale = 4\n")
    with pytest.raises(UserError, match="format 2"):
        PackRunner(pack)
    (pack / "pack.toml").write_text("format = 1\nscale = 4\n")
    with pytest.raises(UserError, match="latent"):
        PackRunner(pack)


@pytest.mark.parametrize(("height", "width"), [(20, 64), (24, 70), (33, 47), (40, 56), (24, 24), (25, 24)])
@pytest.mark.parametrize("window", ["gaussian", "feather"])
@pytest.mark.parametrize("shape", ["square", "free"])
def test_tiles_of_a_picture_give_the_picture(height: int, width: int, window: str, shape: str) -> None:
    plan = plan_tiles(height, width, GraphSizes(tile=24, overlap=8, min=8, multiple=1, shape=shape))
    picture = np.random.default_rng(0).normal(size=(2, height * 2, width * 2)).astype(np.float32)
    blender = Blender(plan, window, 2, 2)  # type: ignore[arg-type]
    for row in plan.rows:
        for column in plan.columns:
            rows, columns = slice(row * 2, (row + plan.height) * 2), slice(column * 2, (column + plan.width) * 2)
            blender.add(picture[:, rows, columns], row, column)
    np.testing.assert_allclose(blender.result(), picture, rtol=1e-6, atol=1e-6)


def test_plan_of_the_reference() -> None:
    plan = plan_tiles(20, 64, GraphSizes(tile=24, overlap=8, min=8, multiple=1))
    assert (plan.height, plan.rows, plan.columns) == (20, (0,), (0, 12, 24, 36, 44))


def test_free_shapes_are_those_of_the_element() -> None:
    """The same cases as in tests/restore_plan.rs, and the embedded pack's sizes."""
    sizes = GraphSizes(tile=384, overlap=32, min=8, multiple=2, shape="free")
    plan = plan_tiles(540, 960, sizes)
    assert (plan.height, plan.width, plan.rows, plan.columns) == (286, 496, (0, 254), (0, 464))
    whole = plan_tiles(180, 320, sizes)
    assert (whole.height, whole.width, whole.overlap) == (180, 320, 0)


def test_gaussian_is_off_centre_down() -> None:
    down = window_weights(8, 0, "gaussian", down=True)
    across = window_weights(8, 0, "gaussian", down=False)
    assert down.argmax() == 4
    np.testing.assert_allclose(across, across[::-1])
    assert across[0] == pytest.approx(np.exp(-((3.5 / 8) ** 2) / 0.02))
