"""Packs without weights: small, filled again to what opens and runs, and refused where they are none."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("tomli_w", reason="packs are written with tomli-w: pip install -e 'models[train]'")

from dloral.cli import main
from dloral.errors import UserError
from dloral.runner import PackRunner
from dloral.skeleton.fill import fill_skeleton
from dloral.skeleton.make import RECIPE, make_skeleton

PACK = Path(__file__).resolve().parents[1] / "small"


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("skeletons") / "small"
    assert make_skeleton(PACK, out) > 2_000_000
    return out


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_skeleton_is_small_and_fills_to_a_pack_that_runs(skeleton: Path, tmp_path: Path) -> None:
    assert size(skeleton) < 0.2 * size(PACK)
    fill_skeleton(skeleton, tmp_path / "filled")
    assert size(tmp_path / "filled") > 0.9 * size(PACK)
    frames = np.random.default_rng(0).integers(0, 256, (2, 18, 22, 3), np.uint8)
    assert [picture.shape for picture in PackRunner(tmp_path / "filled").restore(frames)] == [(72, 88, 3)] * 2


def test_weights_have_the_mean_and_deviation_that_they_had(skeleton: Path, tmp_path: Path) -> None:
    fill_skeleton(skeleton, tmp_path / "filled")
    theirs, ours = (
        {tensor.name: numpy_helper.to_array(tensor, str(folder)) for tensor in graph.initializer}
        for folder, graph in (
            (folder, onnx.load(folder / "restorer.onnx").graph) for folder in (PACK, tmp_path / "filled")
        )
    )
    large = max(theirs, key=lambda name: theirs[name].size)
    values, random = theirs[large].astype(np.float64), ours[large].astype(np.float64)
    assert values.shape == random.shape
    assert not np.array_equal(values, random)
    assert abs(random.std() / values.std() - 1.0) < 0.05
    assert abs(random.mean() - values.mean()) < 0.05 * values.std()


def test_the_seed_decides(skeleton: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fill_skeleton(skeleton, tmp_path / name, seed)
    manifests = [(tmp_path / name / "pack.toml").read_text() for name in ("a", "b", "c")]
    assert manifests[0] == manifests[1]
    assert manifests[0] != manifests[2]


def test_what_is_no_skeleton_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="python -m dloral skeleton"):
        fill_skeleton(PACK, tmp_path / "out")
    (tmp_path / RECIPE).write_text("{")
    with pytest.raises(UserError, match="not as python -m dloral skeleton writes it"):
        fill_skeleton(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line(tmp_path: Path) -> None:
    assert main(["skeleton", str(PACK), "--out", str(tmp_path / "bare")]) == 0
    assert json.loads((tmp_path / "bare" / RECIPE).read_text())["restorer.onnx"]["tensors"]
    assert main(["skeleton", str(tmp_path / "bare"), "--fill", "--out", str(tmp_path / "pack")]) == 0
    assert main(["inspect", str(tmp_path / "pack")]) == 0
