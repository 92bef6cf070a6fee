"""The 8-bit form of a tiny pack: close to its own f32, the same everywhere else, refused for other packs."""

import shutil
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

pytest.importorskip("torch", reason="calibration needs training's degradation: pip install -e 'models[train]'")

from dloral.cli import main
from dloral.errors import UserError
from dloral.export.folder import digests
from dloral.export.quantise import PRODUCT, quantise
from dloral.runner import PackRunner

MODELS = Path(__file__).resolve().parents[1]
FULL = MODELS / "tiny-fp32"
Frames = list[np.ndarray]


@pytest.fixture(scope="module")
def frames(pictures: dict[str, np.ndarray]) -> Frames:
    """Pairs of low-quality frames [2, 64, 64, 3]: pictures that move by a pixel."""
    small = [np.asarray(Image.fromarray(picture).resize((72, 72), 3)) for picture in pictures.values()]
    return [np.ascontiguousarray(np.stack([picture[4:68, 4:68], picture[4:68, 5:69]])) for picture in small]


@pytest.fixture(scope="module")
def quantised(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "eight"
    assert quantise(FULL, out, frames) > 45.0
    return out


def test_only_products_of_the_restorer_s_blocks_are_bytes(quantised: Path) -> None:
    plain, eight = (onnx.load(folder / "restorer.onnx").graph for folder in (FULL, quantised))
    blocks = [node for node in plain.node if node.op_type == "Conv" and PRODUCT.search(node.input[1])]
    types = [tensor.data_type for tensor in eight.initializer if len(tensor.dims) == 4]
    assert blocks
    assert types.count(onnx.TensorProto.INT8) == len(blocks)
    weights = [value for value in plain.initializer if len(value.dims) == 4]
    # Constants that depend on no input were computed beforehand, so there may be more, and never fewer.
    assert types.count(onnx.TensorProto.FLOAT) >= len(weights) - len(blocks)


def test_pictures_are_close_to_those_in_f32(quantised: Path, frames: Frames) -> None:
    for pair in frames:
        wanted, got = (list(PackRunner(folder).restore(pair))[1].astype(np.float64) for folder in (FULL, quantised))
        assert 10 * np.log10(255**2 / np.mean((wanted - got) ** 2)) > 45.0
        assert abs((wanted - got).mean()) < 0.1


def test_the_manifest_tells_what_it_is(quantised: Path) -> None:
    full, eight = (tomllib.loads((folder / "pack.toml").read_text()) for folder in (FULL, quantised))
    assert (eight["name"], eight["precision"]) == ("eight", "int8")
    for name in ("encoder.onnx", "decoder.onnx"):
        assert eight["files"][name] == full["files"][name]
    assert eight["files"]["restorer.onnx"] != full["files"]["restorer.onnx"]
    assert "quantised" in eight["provenance"]


def test_quantising_again_gives_the_same(quantised: Path, frames: Frames, tmp_path: Path) -> None:
    quantise(FULL, tmp_path / "eight", frames)
    assert (tmp_path / "eight" / "pack.toml").read_text() == (quantised / "pack.toml").read_text()


def test_a_pack_in_8_bits_is_not_quantised_again(quantised: Path, frames: Frames, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a tiny pack in fp32"):
        quantise(quantised, tmp_path / "again", frames)
    assert not (tmp_path / "again").exists()


def test_a_loss_that_shows_is_refused(frames: Frames, tmp_path: Path) -> None:
    """Blocks whose contributions are forty times as large need more steps than eight bits have."""
    loud = tmp_path / "loud"
    shutil.copytree(FULL, loud)
    graph = onnx.load(loud / "restorer.onnx")
    for tensor in graph.graph.initializer:
        if tensor.name.endswith("project.weight"):
            values = onnx.numpy_helper.to_array(tensor) * 40.0
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), tensor.name))
    onnx.save(graph, loud / "restorer.onnx")
    listed = digests(FULL)["restorer.onnx"]
    manifest = (loud / "pack.toml").read_text()
    (loud / "pack.toml").write_text(manifest.replace(listed, digests(loud)["restorer.onnx"]))
    with pytest.raises(UserError, match="loses too much"):
        quantise(loud, tmp_path / "out", frames)
    assert not (tmp_path / "out").exists()


def test_the_command_line(tmp_path: Path, pictures: dict[str, np.ndarray]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, picture in pictures.items():
        Image.fromarray(np.tile(picture, (3, 3, 1))).save(data / f"{name}.png")
    command = ["quantise", "--pack", str(FULL), "--data", str(data), "--windows", "4", "--out", str(tmp_path / "pack")]
    assert main(command) == 0
    assert tomllib.loads((tmp_path / "pack" / "pack.toml").read_text())["precision"] == "int8"
