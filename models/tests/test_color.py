"""The colour fixes against DLoRAL's own results, where they are at hand, and against what they promise."""

from pathlib import Path

import numpy as np
import pytest

from dloral import color
from dloral.shared import shared_folder


@pytest.mark.parametrize("case", ["g_color_fix_64x48", "g_color_fix_97x75"])
@pytest.mark.parametrize("fix", ["adain", "wavelet"])
def test_equals_the_reference(case: str, fix: str) -> None:
    path: Path = shared_folder() / "golden" / case / "tensors.npz"
    if not path.is_file():
        pytest.skip(f"the reference's results are not at {path} (DLORAL_SHARED names the folder of shared material)")
    tensors = np.load(path)
    result = getattr(color, fix)(tensors["target_u8"], tensors["source_u8"])
    # The reference's floats before it truncates them to u8; we round.
    expected = tensors[f"{fix}_float"][0].transpose(1, 2, 0).clip(0, 1) * 255
    assert np.abs(result - expected).max() <= 0.5 + 1e-2


def test_adain_moves_mean_and_deviation() -> None:
    generator = np.random.default_rng(0)
    picture = generator.normal(100, 20, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    reference = generator.normal((90, 120, 150), (10, 20, 30), (64, 64, 3)).clip(0, 255).astype(np.uint8)
    result = color.adain(picture, reference)
    np.testing.assert_allclose(result.mean(axis=(0, 1)), reference.mean(axis=(0, 1)), atol=0.2)
    np.testing.assert_allclose(result.std(axis=(0, 1)), reference.std(axis=(0, 1)), rtol=0.02)


def test_wavelet_takes_a_tint_and_keeps_detail() -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(60, 180, (40, 56, 3), dtype=np.uint8)
    tinted = picture + np.array([10, 0, 20], np.uint8)
    np.testing.assert_array_equal(color.wavelet(picture, tinted), tinted)
    np.testing.assert_array_equal(color.wavelet(picture, picture), picture)
