"""The tiny networks: geometry, bicubic base, warping against the reference, tiles, and their export."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[train]'")

from dloral.manifest import GraphSizes  # noqa: E402
from dloral.model.tiny import TinyConfig, TinyModel  # noqa: E402
from dloral.model.tiny.codec import TinyDecoder, phases_to_picture  # noqa: E402
from dloral.model.tiny.retrieval import LocalRetrieval  # noqa: E402
from dloral.model.warp import flow_warp, warp_by_rows  # noqa: E402
from dloral.runner import PackRunner  # noqa: E402

Picture = NDArray[np.float32]

GOLDEN = Path(__file__).parent / "golden"
TINY = Path(__file__).resolve().parents[1] / "tiny"


@pytest.mark.parametrize("case", ["a_flow_warp_0", "a_flow_warp_1"])
def test_flow_warp_is_the_reference_s(case: str) -> None:
    tensors = np.load(GOLDEN / case / "tensors.npz")
    x, flow = torch.from_numpy(tensors["x"]), torch.from_numpy(tensors["flow"]).permute(0, 3, 1, 2)
    for padding_mode in ("zeros", "border"):
        result = flow_warp(x, flow, padding_mode).numpy()
        np.testing.assert_allclose(result, tensors[f"out_{padding_mode}"], atol=1e-5)


@pytest.mark.parametrize("reach", [0.5, 5.0, 1e9])
def test_warping_by_rows_is_flow_warp(reach: float) -> None:
    """Inside the picture, across its edges, and for flows that no index can hold."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(1, 5, 9, 13, generator=generator)
    flow = reach * torch.randn(1, 2, 9, 13, generator=generator)
    torch.testing.assert_close(warp_by_rows(x, flow), flow_warp(x, flow), atol=2e-5, rtol=0.0)


def enlarged(picture: Picture, factor: int) -> Picture:
    """Pillow's bicubic enlargement of [H, W]."""
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


@pytest.fixture(name="decoder")
def _decoder() -> TinyDecoder:
    return TinyModel(TinyConfig()).decoder


def test_without_a_residual_the_picture_is_doubled_twice(decoder: TinyDecoder) -> None:
    """As Pillow doubles it."""
    picture = np.random.default_rng(0).random((12, 17), dtype=np.float32)
    frame = torch.from_numpy(np.stack([picture, 1.0 - picture, 0.5 * picture]))[None]
    result = phases_to_picture(decoder.picture(frame, torch.zeros(1, 12, 14, 19)))[0].numpy()
    expected = enlarged(enlarged(picture, 2), 2)
    # At the border Pillow leaves taps out and normalises; the graph repeats the edge.
    inner = np.s_[12:-12, 12:-12]
    for colour, wanted in zip(result, (expected, 1.0 - expected, 0.5 * expected), strict=True):
        np.testing.assert_allclose(colour[inner], wanted[inner], atol=1e-5)


def test_the_residual_is_that_of_the_doubled_picture(decoder: TinyDecoder) -> None:
    """Its phases lie where they belong, and are doubled once."""
    doubled = np.random.default_rng(1).random((28, 36), dtype=np.float32)
    phases = torch.from_numpy(doubled).reshape(1, 14, 2, 18, 2).permute(0, 2, 4, 1, 3).reshape(1, 4, 14, 18)
    residual = torch.cat([phases, -phases, torch.zeros_like(phases)], dim=1)
    result = phases_to_picture(decoder.picture(torch.zeros(1, 3, 12, 16), residual))[0].numpy()
    # Without the rim, which is one pixel of the frame, so four of the picture.
    expected = enlarged(doubled, 2)[4:-4, 4:-4]
    for colour, sign in zip(result, (1.0, -1.0, 0.0), strict=True):
        np.testing.assert_allclose(colour, sign * expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 36), (44, 28)])
def test_sizes(height: int, width: int) -> None:
    model = TinyModel(TinyConfig()).eval()
    frame = torch.rand(1, 3, height, width)
    with torch.no_grad():
        latent, guide = model.encoder(frame)
        restored = model.restorer(latent, guide, latent, guide)
        phases = model.decoder(restored, frame)
    assert latent.shape == restored.shape == (1, 16, height // 2, width // 2)
    assert guide.shape == (1, 3, height // 2, width // 2)
    assert phases_to_picture(phases).shape == (1, 3, 4 * height, 4 * width)


def test_retrieval_looks_no_further_than_its_window() -> None:
    torch.manual_seed(0)
    retrieval = LocalRetrieval(4, 8, 8, window=3)
    with torch.no_grad():
        retrieval.project.weight.normal_()
        retrieval.threshold.bias.fill_(-1.0)
        latent, warped = torch.rand(1, 4, 24, 24), torch.rand(1, 4, 24, 24)
        changed = warped.clone()
        changed[..., 12, 12] += 1.0
        difference = (retrieval(latent, changed) - retrieval(latent, warped)).abs().amax(dim=(0, 1))
    assert difference[10:16, 10:16].max() > 1e-3
    difference[10:16, 10:16] = 0.0
    assert difference.max() == 0.0


def test_tiles_of_the_shipped_pack_do_not_show() -> None:
    """Tiles as the pack's overlap makes them, on a picture large enough for several: at most a rounding apart."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)
    frames = [np.asarray(Image.fromarray(np.roll(coarse, t, 1)).resize((352, 320), 3)) for t in range(2)]
    whole = PackRunner(TINY)
    tiled = PackRunner(TINY)
    sizes = whole.manifest.restorer
    # Tiles a third of the shipped size, with the shipped overlap: more seams, the same reach.
    small = GraphSizes(tile=88, overlap=sizes.overlap, min=sizes.min, multiple=sizes.multiple)
    tiled.manifest = replace(tiled.manifest, encoder=small, restorer=small, decoder=small)
    tiled.restorer_sizes = small
    for a, b in zip(whole.restore(frames), tiled.restore(frames), strict=True):
        difference = np.abs(a.astype(int) - b.astype(int))
        assert difference.max() <= 2
        assert (difference > 1).mean() < 1e-3
