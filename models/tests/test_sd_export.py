"""The reference's reduced model as a pack: through the plain runner and through the element's core."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[sd]'")
pytest.importorskip("diffusers", reason="the Stable Diffusion model needs diffusers: pip install -e 'models[sd]'")

from test_core_against_onnxruntime import through_core  # noqa: E402

from dloral.export.pack import write_pack  # noqa: E402
from dloral.export.sd import SdOptions, sd_parts  # noqa: E402
from dloral.manifest import read_manifest  # noqa: E402
from dloral.metrics import psnr  # noqa: E402
from dloral.runner import PackRunner, pad_frame, upscale  # noqa: E402

HERE = Path(__file__).parent / "golden"
WHOLE, TILED = "f_full_untiled_512x512", "f_full_tiled_704x640_t64_o16"
Frames = NDArray[np.uint8]


def export(golden: Path, reference_model: tuple[Path, Path], folder: Path, dtype: str) -> Path:
    prompt = folder / "prompt.npy"
    np.save(prompt, np.load(golden / WHOLE / "tensors.npz")["prompt_embeds"])
    base, checkpoint = reference_model
    options = SdOptions(base, checkpoint, dtype=dtype, prompt_embedding=prompt, tile=64, overlap=16)
    write_pack(sd_parts(options, dtype, {}, {}), folder / dtype)
    return folder / dtype


@pytest.fixture(scope="module")
def pack(golden: Path, reference_model: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(golden, reference_model, tmp_path_factory.mktemp("packs"), "fp32")


def levels(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The reference's picture [1, 3, H, W] in [-1, 1] as levels [H, W, 3], before it truncates them to bytes."""
    return (values[0].transpose(1, 2, 0).astype(np.float64) * 0.5 + 0.5) * 255


def agree(got: Frames, expected: NDArray[np.float64]) -> None:
    """At most one level apart at 99.9 % of the values, and two at all, beside the half that rounding takes."""
    difference = np.abs(got - expected)
    assert np.mean(difference > 1.0) <= 1e-3
    assert difference.max() <= 2.0


def check_whole(golden: Path, restored: Frames) -> None:
    tensors = np.load(golden / WHOLE / "tensors.npz")
    agree(restored[1][::4, ::4], levels(tensors["out_stage1_stride4"]))
    agree(restored[1][208:304, 208:304], levels(tensors["out_stage1_crop96"]))
    # The reference's bytes are truncated where ours are rounded.
    difference = restored[1][208:304, 208:304].astype(int) - tensors["out_stage1_u8_crop"]
    assert np.abs(difference).max() <= 1


def check_tiled(golden: Path, restored: Frames) -> None:
    tensors = np.load(golden / TILED / "tensors.npz")
    agree(restored[1][::8, ::8], levels(tensors["out_stage1_stride8"]))
    agree(restored[1][320:384, 288:352], levels(tensors["out_stage1_crop64"]))


def frames(golden: Path, case: str) -> list[Frames]:
    return list(np.load(golden / case / "tensors.npz")["lq_u8"])


def test_the_runner_gives_the_reference_s_picture(golden: Path, pack: Path) -> None:
    runner = PackRunner(pack, color_fix="none")
    check_whole(golden, np.stack(list(runner.restore(frames(golden, WHOLE)))))
    check_tiled(golden, np.stack(list(runner.restore(frames(golden, TILED)))))


def test_half_precision_gives_the_same_picture(
    golden: Path, reference_model: tuple[Path, Path], pack: Path, tmp_path: Path
) -> None:
    """Weights rounded and all: not only the arithmetic, which the export checks."""
    half = export(golden, reference_model, tmp_path, "fp16")
    case = frames(golden, WHOLE)
    pairs = zip(*(PackRunner(folder, color_fix="none").restore(case) for folder in (half, pack)), strict=True)
    assert all(psnr(picture, wanted) >= 50.0 for picture, wanted in pairs)


def test_the_core_gives_the_reference_s_picture(golden: Path, pack: Path, core: list[str]) -> None:
    options = ("--color-fix", "none")
    check_whole(golden, through_core(core, pack, frames(golden, WHOLE), *options))
    check_tiled(golden, through_core(core, pack, frames(golden, TILED), *options))


def test_colours_are_fixed_as_the_pack_says(golden: Path, pack: Path, core: list[str]) -> None:
    """The reference truncates to bytes before the fix and again after it, so ours are up to two levels brighter."""
    tensors = np.load(golden / WHOLE / "tensors.npz")
    expected = tensors["out_stage1_adain_u8_crop"]
    for restored in (
        np.stack(list(PackRunner(pack).restore(frames(golden, WHOLE)))),
        through_core(core, pack, frames(golden, WHOLE)),
    ):
        difference = restored[1][208:304, 208:304].astype(int) - expected
        assert difference.min() >= -1
        assert difference.max() <= 2


@pytest.mark.parametrize(("height", "width"), [(131, 129), (180, 180)])
def test_core_and_runner_agree_at_any_size(pack: Path, core: list[str], height: int, width: int) -> None:
    """Latents of 66×65 and of 90×90, in tiles of 64: no multiple of 8, which the UNet halves three times."""
    coarse = np.random.default_rng(2).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    clip = [
        np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)) for picture in coarse
    ]
    expected = np.stack(list(PackRunner(pack, tile_size=90 * 8).restore(clip)))
    got = through_core(core, pack, clip, "--tile-size", str(90 * 8))
    assert got.shape == (2, 4 * height, 4 * width, 3)
    difference = np.abs(got.astype(int) - expected)
    assert np.mean(difference > 1) <= 1e-3
    assert difference.max() <= 2


def test_no_frame_is_lost(golden: Path, pack: Path) -> None:
    """The reference writes one picture for these two frames, the second's; here the first pairs with itself."""
    first, second = frames(golden, WHOLE)
    runner = PackRunner(pack)
    together = list(runner.restore([first, second]))
    assert len(together) == 2
    (alone,) = runner.restore([first])
    assert np.array_equal(together[0], alone)
    (unpaired,) = runner.restore([second])
    assert not np.array_equal(together[1], unpaired)


def test_sizes_are_exactly_four_times_the_input_s(pack: Path) -> None:
    """The reference resizes its enlarged frame down to multiples of 8; here edges are repeated, and cropped after."""
    manifest = read_manifest(pack)
    for case in json.loads((HERE / "h_preprocess_sizes" / "case.json").read_text()):
        width, height = case["in_wh"]
        padded = pad_frame(np.zeros((height, width, 3), np.uint8), manifest)
        rows, columns = (side * 4 for side in padded.shape[:2])
        assert rows % 8 == columns % 8 == 0
        assert rows >= max(4 * height, 512)
        assert columns >= max(4 * width, 512)
        if 4 * height % 8 or 4 * width % 8:
            # What the reference gives is another size, or was stretched to be this one.
            assert case["resize_flag"] or case["final_wh"] != [4 * width, 4 * height]


@pytest.mark.parametrize("case", ["h_preprocess_20x24", "h_preprocess_21x27"])
def test_the_enlarged_frame_is_the_reference_s(case: str) -> None:
    tensors = np.load(HERE / case / "tensors.npz")
    enlarged = np.stack([upscale(frame) for frame in tensors["in_u8"]])
    assert np.array_equal(enlarged, tensors["x4_u8"])
    prepared = tensors["prep_u8"]
    if prepared.shape == enlarged.shape:
        assert np.abs(enlarged.astype(int) - prepared).max() <= 1
    else:
        # 84×108 becomes 80×104 there: a stretch, and nothing of it is the enlarged frame any more.
        assert np.abs(enlarged[:, :80, :104].astype(int) - prepared).mean() > 1
