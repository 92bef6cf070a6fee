"""The packs of the repository: what they have to do whichever weights they have."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from dloral.manifest import GraphSizes
from dloral.runner import PackRunner

MODELS = Path(__file__).resolve().parents[1]
NAMES = sorted(manifest.parent.name for manifest in MODELS.glob("*/pack.toml"))
TINTS = {"small": 3.5}
"""Levels that plain colours may be off by, where it is not 2.5: the public restorer under `small` is off by 3.4."""
Pictures = list[np.ndarray]


@pytest.fixture
def panning() -> Pictures:
    """A texture that moves by fractions of a low-quality pixel, with noise of its own in every frame."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    texture = cv2.resize(coarse, (560, 400), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    frames = []
    for time in range(4):
        top, left = 3 * time, 5 * time
        view = cv2.GaussianBlur(texture[top : top + 256, left : left + 384], (0, 0), 1.6)
        low = cv2.resize(view, (96, 64), interpolation=cv2.INTER_AREA)
        frames.append(np.clip(low + rng.normal(0, 6, low.shape) + 0.5, 0, 255).astype(np.uint8))
    return frames


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_before_is_looked_at(name: str, panning: Pictures) -> None:
    """Weights may pair frames in name only: those of one release did, and nothing else told."""
    pack = PackRunner(MODELS / name, threads=1)
    alone = [picture for frame in panning for picture in pack.restore([frame])]
    pairs = list(pack.restore(panning))
    assert np.array_equal(alone[0], pairs[0])
    for one, other in zip(alone[1:], pairs[1:], strict=True):
        assert np.abs(one.astype(int) - other).mean() > 0.4


@pytest.mark.parametrize("name", NAMES)
def test_plain_shades_stay_plain(name: str) -> None:
    """No dots that repeat with the decoder's phases, and no tint: nothing hides either there."""
    pack = PackRunner(MODELS / name, threads=1)
    drawn = np.random.default_rng(0).integers(0, 256, (12, 3)).tolist()
    colours = [*drawn, [255, 110, 20], [200, 30, 30], [30, 60, 200]]
    for colour in colours:
        flat = np.full((32, 32, 3), colour, dtype=np.uint8)
        inside = next(iter(pack.restore([flat])))[32:96, 32:96].astype(np.float64)
        pattern = inside.reshape(8, 8, 8, 8, 3).mean(axis=(0, 2))
        assert np.ptp(pattern, axis=(0, 1)).max() < 1.5, colour
        assert np.abs(inside.mean(axis=(0, 1)) - colour).max() < TINTS.get(name, 2.5), colour


def test_tiles_of_the_built_in_pack_do_not_show() -> None:
    """Tiles as the pack's overlap makes them, on a picture large enough for several: at most a rounding apart."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)
    frames = [cv2.resize(np.roll(coarse, t, 1), (352, 320), interpolation=cv2.INTER_CUBIC) for t in range(2)]
    whole, tiled = PackRunner(MODELS / "tiny"), PackRunner(MODELS / "tiny")
    sizes = whole.manifest.restorer
    # Tiles a third of the shipped size, with the shipped overlap: more seams, the same reach.
    small = GraphSizes(tile=88, overlap=sizes.overlap, min=sizes.min, multiple=sizes.multiple)
    tiled.manifest = replace(tiled.manifest, encoder=small, restorer=small, decoder=small)
    tiled.restorer_sizes = small
    for a, b in zip(whole.restore(frames), tiled.restore(frames), strict=True):
        difference = np.abs(a.astype(int) - b.astype(int))
        assert difference.max() <= 2
        assert (difference > 1).mean() < 1e-3


def test_the_forms_of_the_built_in_pack_are_close(panning: Pictures) -> None:
    eight, plain = (list(PackRunner(MODELS / "tiny", int8=int8).restore(panning)) for int8 in (True, False))
    for a, b in zip(eight, plain, strict=True):
        assert not np.array_equal(a, b)
        assert 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)) > 50.0


@pytest.mark.parametrize("name", NAMES)
def test_with_sizes_that_are_known_no_arithmetic_on_sizes_is_left(name: str, tmp_path: Path) -> None:
    """It would run on the CPU between a GPU's kernels, and keep CUDA from recording them."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3  # that optimised graphs are for this machine
    for size in ("height", "width"):
        options.add_free_dimension_override_by_name(size, 64)
    onnxruntime.InferenceSession(MODELS / name / "restorer.onnx", options, providers=["CPUExecutionProvider"])
    left = {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node}
    assert not left & {"Shape", "Range", "Max", "Size", "ConstantOfShape"}, left
