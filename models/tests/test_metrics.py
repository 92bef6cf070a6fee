"""The measures against independent implementations and against values that can be worked out by hand."""

import cv2
import numpy as np
import pytest

from dloral import metrics


def degraded(picture: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.2)
    return np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def cases(pictures: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Natural pairs, one of them of odd size."""
    crops = [pictures["astronaut"], pictures["cat"][:200, :151], pictures["coffee"][3:180, 5:250]]
    return [(degraded(np.ascontiguousarray(p)), np.ascontiguousarray(p)) for p in crops]


def test_psnr_and_ssim_equal_scikit_image(cases: list[tuple[np.ndarray, np.ndarray]]) -> None:
    reference = pytest.importorskip("skimage.metrics")
    for picture, truth in cases:
        expected = reference.peak_signal_noise_ratio(truth, picture, data_range=255)
        assert metrics.psnr(picture, truth) == pytest.approx(expected, abs=1e-4)
        gray = [p.astype(np.float64) @ [0.299, 0.587, 0.114] for p in (picture, truth)]
        expected = reference.structural_similarity(
            *gray, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
        assert metrics.ssim(picture, truth) == pytest.approx(expected, abs=1e-4)


def test_gmsd_and_haarpsi_equal_piq(cases: list[tuple[np.ndarray, np.ndarray]]) -> None:
    torch, piq = pytest.importorskip("torch"), pytest.importorskip("piq")
    for picture, truth in cases:
        x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].double() / 255 for p in (picture, truth))
        assert metrics.gmsd(picture, truth) == pytest.approx(piq.gmsd(x, y).item(), abs=1e-5)
        assert metrics.haarpsi(picture, truth) == pytest.approx(piq.haarpsi(x, y).item(), abs=1e-4)


def test_equal_pictures(pictures: dict[str, np.ndarray]) -> None:
    picture = pictures["cat"]
    assert metrics.psnr(picture, picture) == 100.0
    assert metrics.ssim(picture, picture) == pytest.approx(1, abs=1e-6)
    assert metrics.gmsd(picture, picture) == pytest.approx(0, abs=1e-6)
    assert metrics.haarpsi(picture, picture) == pytest.approx(1, abs=1e-5)
    assert metrics.sharpness(picture, picture) == 1.0


def test_psnr_of_a_constant_difference() -> None:
    truth = np.full((16, 16, 3), 100, np.uint8)
    assert metrics.psnr(truth + np.uint8(5), truth) == pytest.approx(20 * np.log10(255 / 5), abs=1e-6)


def test_psnr_is_at_most_100() -> None:
    """One level in one byte of 4 million would be 114 dB."""
    truth = np.full((1200, 1200, 3), 100, np.uint8)
    almost = truth.copy()
    almost[0, 0, 0] += 1
    assert metrics.psnr(almost, truth) == 100.0


def test_sharpness_of_ramps() -> None:
    steps = np.broadcast_to(np.arange(0, 64, dtype=np.uint8)[None, :, None], (32, 64, 3))
    assert metrics.sharpness(np.ascontiguousarray(steps // 2 * 2), steps) == pytest.approx(1.0, abs=0.05)
    assert metrics.sharpness(np.ascontiguousarray(3 * steps), steps) == pytest.approx(3.0, rel=1e-5)


def test_black_and_flat_frames_have_no_measure_that_fails() -> None:
    black = np.zeros((32, 32, 3), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 2, black.shape, np.uint8)
    assert metrics.haarpsi(black, black) == 1.0
    assert 0.0 < metrics.haarpsi(noisy, black) < 1.0
    assert np.isnan(metrics.sharpness(noisy, black))


def test_different_sizes_are_refused() -> None:
    for measure in (metrics.psnr, metrics.ssim, metrics.gmsd, metrics.haarpsi, metrics.sharpness):
        with pytest.raises(ValueError, match="pictures must both be"):
            measure(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 40, 3), np.uint8))


def panned(picture: np.ndarray, pixels: int) -> np.ndarray:
    return np.ascontiguousarray(picture[:192, pixels : pixels + 192])


def test_warp_error_follows_the_motion(pictures: dict[str, np.ndarray]) -> None:
    truth, after = panned(pictures["cat"], 0), panned(pictures["cat"], 3)
    motion = metrics.reference_motion(truth, after)
    assert motion.visible[48:-48, 48:-48].mean() > 0.9
    steady = metrics.warp_error(truth, after, motion)
    unmoved = float(np.mean(np.square((after.astype(float) - truth) / 255))) * 1000
    assert steady < 0.1 * unmoved
    flat = np.full_like(truth, 100)
    assert metrics.warp_error(flat, flat + np.uint8(10), motion) == pytest.approx(1000 * (10 / 255) ** 2, rel=1e-4)


def test_what_leaves_the_picture_is_not_visible(pictures: dict[str, np.ndarray]) -> None:
    motion = metrics.reference_motion(panned(pictures["cat"], 6), panned(pictures["cat"], 0))
    assert not motion.visible[:, -4:].any()


def test_tof_in_pixels(pictures: dict[str, np.ndarray]) -> None:
    smooth = cv2.GaussianBlur(pictures["grass"], (0, 0), 1.5)
    truth = metrics.farneback(panned(smooth, 0), panned(smooth, 1))
    result = metrics.farneback(panned(smooth, 0), panned(smooth, 3))
    assert metrics.flow_distance(truth, truth) == 0.0
    assert metrics.flow_distance(result, truth) == pytest.approx(2.0, abs=0.2)


def test_tof_counts_the_centre() -> None:
    truth = np.zeros((96, 80, 2), np.float32)
    flow = np.full((96, 80, 2), 1000, np.float32)
    flow[16:80, 8:72] = (3, 4)  # 96 - 16 -> 64 rows from 16, 80 - 16 -> 64 columns from 8
    assert metrics.flow_distance(flow, truth) == pytest.approx(5.0, rel=1e-6)
    with pytest.raises(ValueError, match="at least 48"):
        metrics.flow_distance(flow[:40], truth[:40])


def residual(seed: int = 0) -> np.ndarray:
    """Noise with the falling spectrum of natural pictures."""
    noise = np.random.default_rng(seed).normal(0, 8, (384, 512)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 1.0) * 2


def test_no_grid_no_peak() -> None:
    assert all(peak < 2.0 for peak in metrics.grid_peaks(residual()).values())


@pytest.mark.parametrize("period", [2, 4, 8])
def test_grid_is_found_at_its_period(period: int) -> None:
    without = residual()
    columns = np.cos(2 * np.pi * np.arange(without.shape[1]) / period).astype(np.float32)
    peaks = metrics.grid_peaks(without + 0.7 * columns)
    assert peaks[period] > 6
    assert all(peaks[other] < 2.0 for other in metrics.PERIODS if other != period)


def test_checkerboard_and_modulated_grid_are_found() -> None:
    without = residual()
    y, x = np.indices(without.shape)
    assert metrics.grid_peaks(without + 0.3 * (-1.0) ** (x + y))[2] > 8
    foliage = np.clip(residual(1), 0, None) * 0.2
    assert metrics.grid_peaks(without + foliage * np.cos(2 * np.pi * y / 8))[8] > 3


def test_detail_that_comes_and_goes_with_the_period_is_found() -> None:
    texture = residual()
    x = np.indices(texture.shape)[1]
    modulated = texture * (1 + 0.15 * np.cos(2 * np.pi * x / 8)).astype(np.float32)
    assert metrics.grid_peaks(modulated)[8] < 2  # its sign changes with the texture
    assert metrics.grid_peaks(metrics.detail(modulated))[8] > 6
    assert all(peak < 3 for peak in metrics.grid_peaks(metrics.detail(texture)).values())
    blocks = texture[::8, ::8].repeat(8, axis=0).repeat(8, axis=1)
    assert metrics.grid_peaks(metrics.detail(blocks))[8] > 15


def test_detail_of_a_slope() -> None:
    y, x = np.indices((8, 9)).astype(np.float32)
    np.testing.assert_allclose(metrics.detail(3 * x + 4 * y), np.full((7, 8), 5), rtol=1e-6)


def test_peak_is_the_ratio_of_powers() -> None:
    noise = np.random.default_rng(2).normal(0, 1, (1024, 1024)).astype(np.float32)
    amplitude = 0.1
    peaks = metrics.grid_peaks(noise + amplitude * (-1.0) ** np.arange(1024, dtype=np.float32))
    # White noise has Σw² = (3/8·128)² per bin, the alternating columns have (amplitude·Σw)² = (amplitude·64²)².
    expected = 10 * np.log10(1 + (amplitude * 64**2) ** 2 / 48**2)
    assert peaks[2] == pytest.approx(expected, abs=0.5)


def test_nothing_added_is_not_a_number() -> None:
    assert all(np.isnan(peak) for peak in metrics.grid_peaks(np.zeros((128, 128), np.float32)).values())
    assert all(np.isnan(peak) for peak in metrics.GridSpectrum().peaks().values())


def test_spectra_add_up() -> None:
    together, first, second = metrics.GridSpectrum(), metrics.GridSpectrum(), metrics.GridSpectrum()
    for seed, part in ((0, first), (1, second)):
        together.add(residual(seed))
        part.add(residual(seed))
    first.merge(second)
    assert first.blocks == together.blocks
    np.testing.assert_allclose(first.power, together.power, rtol=1e-12)
