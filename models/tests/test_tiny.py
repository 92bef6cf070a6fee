"""Our own small network: its cubic parts, its sizes, and its export in floats and in 8 bits."""

import shutil
import tomllib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[train]'")

from dloral.bases.store import load_base, save_base  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export.based import based_parts  # noqa: E402
from dloral.export.folder import digests  # noqa: E402
from dloral.export.move_bytes import move_bytes  # noqa: E402
from dloral.export.pack import write_pack  # noqa: E402
from dloral.export.quantise import PRODUCT, quantise  # noqa: E402
from dloral.model.based import BasedModel, add_branches  # noqa: E402
from dloral.model.bases import NETWORKS, Tiny  # noqa: E402
from dloral.model.branches import LoraConfig  # noqa: E402
from dloral.model.variants import VARIANTS  # noqa: E402
from dloral.runner import PackRunner  # noqa: E402
from dloral.train.checkpoint import Checkpoint  # noqa: E402
from dloral.train.dual.based import trained_state  # noqa: E402

Frames = list[np.ndarray]


@pytest.fixture(scope="module")
def frames(pictures: dict[str, np.ndarray]) -> Frames:
    """Pairs of low-quality frames [2, 64, 64, 3]: pictures that move by a pixel."""
    small = [np.asarray(Image.fromarray(picture).resize((72, 72), 3)) for picture in pictures.values()]
    return [np.ascontiguousarray(np.stack([picture[4:68, 4:68], picture[4:68, 5:69]])) for picture in small]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of the network with random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(5)
    network = NETWORKS["tiny"]()
    torch.nn.init.normal_(network.decoder.conv_out.weight, std=0.02)
    save_base(folder / "base", "tiny", network, "licence", {})
    base, lora = load_base(folder / "base"), LoraConfig(targets=("body", "decoder"))
    model = BasedModel(base.network)
    torch.nn.init.normal_(model.fuse.weight, std=0.1)
    state = trained_state(add_branches(model, lora))
    checkpoint = Checkpoint(1, 0, {"lora": asdict(lora)}, state, state, {}, base.sha256)
    write_pack(based_parts(folder / "base", checkpoint, VARIANTS["both"], "plain", {}, {}), folder / "plain")
    return folder / "plain"


@pytest.fixture(scope="module")
def quantised(plain: Path, frames: Frames) -> Path:
    out = plain.with_name("both")
    assert quantise(plain, out, frames) > 45.0
    return out


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """Pillow's bicubic enlargement of [H, W]."""
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def test_without_what_is_learned_the_picture_is_doubled_twice() -> None:
    """As Pillow doubles it."""
    picture = np.random.default_rng(0).random((12, 16), dtype=np.float32)
    network = Tiny(width=12, depths=(1, 1, 1))
    torch.nn.init.zeros_(network.decoder.conv_out.weight)
    with torch.no_grad():
        result = network(torch.from_numpy(np.stack([picture, 1.0 - picture, 0.5 * picture]))[None])[0].numpy()
    expected = enlarged(enlarged(picture, 2), 2)
    # At the border Pillow leaves taps out and normalises; the network repeats the edge.
    inner = np.s_[12:-12, 12:-12]
    for colour, wanted in zip(result, (expected, 1.0 - expected, 0.5 * expected), strict=True):
        np.testing.assert_allclose(colour[inner], wanted[inner], atol=1e-5)


def test_the_residual_is_that_of_the_doubled_picture() -> None:
    """Its phases lie where they belong, and are doubled once."""
    doubled = np.random.default_rng(1).random((28, 36), dtype=np.float32)
    phases = torch.from_numpy(doubled).reshape(1, 14, 2, 18, 2).permute(0, 2, 4, 1, 3).reshape(1, 4, 14, 18)
    residual = torch.cat([phases, -phases, torch.zeros_like(phases)], dim=1)
    planes = Tiny().decoder.planes(torch.zeros(1, 3, 12, 16), residual)
    # Without the rim, which is one pixel of the frame, so four of the picture.
    expected = enlarged(doubled, 2)[4:-4, 4:-4]
    for plane, sign in zip(planes, (1.0, -1.0, 0.0), strict=True):
        np.testing.assert_allclose(torch.nn.functional.pixel_shuffle(plane, 4)[0, 0], sign * expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 36), (44, 28)])
def test_sizes(height: int, width: int) -> None:
    model = BasedModel(Tiny(width=24, depths=(1, 1, 1))).eval()
    frame = torch.rand(1, 3, height, width)
    with torch.no_grad():
        latent, guide = model.encode(frame)
        flow = model.motion(guide, guide)
        picture = model.decode(model.restore(latent, latent, flow), frame)
    assert latent.shape == (1, 8, height // 2, width // 2)
    assert guide.shape == (1, 3, height // 2, width // 2)
    assert flow.shape == (1, 2, height // 2, width // 2)
    assert picture.shape == (1, 3, 4 * height, 4 * width)


def test_sizes_of_inputs_have_names_that_a_host_knows(plain: Path) -> None:
    names = {}
    for name in ("encoder", "restorer", "decoder"):
        for value in onnx.load(plain / f"{name}.onnx").graph.input:
            names[value.name] = [side.dim_param for side in value.type.tensor_type.shape.dim if side.dim_param]
    for name in ("latent", "guide", "latent_prev", "guide_prev", "restored"):
        assert names[name] == ["height", "width"]
    assert names["frame"] == ["frame_height", "frame_width"]


def test_only_products_of_the_restorer_s_blocks_are_bytes(plain: Path, quantised: Path) -> None:
    weights = onnx.load(plain / "restorer.onnx").graph.initializer
    blocks = [tensor for tensor in weights if PRODUCT.search(tensor.name)]
    eight = onnx.load(quantised / "restorer.int8.onnx").graph.initializer
    assert len(blocks) == 22
    assert [tensor.data_type for tensor in eight if len(tensor.dims) == 4].count(onnx.TensorProto.INT8) == 22


def test_both_forms_are_in_one_pack_and_close(quantised: Path, frames: Frames) -> None:
    for pair in frames:
        wanted, got = (
            list(PackRunner(quantised, int8=int8).restore(pair))[1].astype(np.float64) for int8 in (False, True)
        )
        assert not np.array_equal(wanted, got)
        assert 10 * np.log10(255**2 / np.mean((wanted - got) ** 2)) > 45.0
        assert abs((wanted - got).mean()) < 0.2


def test_the_manifest_tells_what_is_there(plain: Path, quantised: Path) -> None:
    before, both = (tomllib.loads((folder / "pack.toml").read_text()) for folder in (plain, quantised))
    assert (both["name"], both["precision"]) == ("both", "fp32")
    assert both["int8"] == {"restorer": "restorer.int8.onnx", "decoder": "decoder.int8.onnx"}
    assert {name: both["files"][name] for name in before["files"]} == before["files"]
    assert "quantised" in both["provenance"]


def test_quantising_again_gives_the_same_and_both_forms_are_enough(
    plain: Path, quantised: Path, frames: Frames, tmp_path: Path
) -> None:
    quantise(plain, tmp_path / "both", frames)
    assert (tmp_path / "both" / "pack.toml").read_text() == (quantised / "pack.toml").read_text()
    with pytest.raises(UserError, match="not a pack of the base tiny in fp32 alone"):
        quantise(quantised, tmp_path / "again", frames)
    assert not (tmp_path / "again").exists()


def test_a_loss_that_shows_is_refused(plain: Path, frames: Frames, tmp_path: Path) -> None:
    """Blocks whose contributions are large need more steps than eight bits have."""
    loud = tmp_path / "loud"
    shutil.copytree(plain, loud)
    graph = onnx.load(loud / "restorer.onnx")
    for tensor in graph.graph.initializer:
        if PRODUCT.search(tensor.name) and "project" in tensor.name:
            values = onnx.numpy_helper.to_array(tensor) * 400.0
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(values.dtype), tensor.name))
    onnx.save(graph, loud / "restorer.onnx")
    manifest = (loud / "pack.toml").read_text()
    listed, now = digests(plain)["restorer.onnx"], digests(loud)["restorer.onnx"]
    (loud / "pack.toml").write_text(manifest.replace(listed, now))
    with pytest.raises(UserError, match="loses too much"):
        quantise(loud, tmp_path / "out", frames)
    assert not (tmp_path / "out").exists()


def test_a_form_that_is_not_listed_is_refused(quantised: Path, tmp_path: Path) -> None:
    shutil.copytree(quantised, tmp_path / "pack")
    manifest = (tmp_path / "pack" / "pack.toml").read_text()
    (tmp_path / "pack" / "pack.toml").write_text(manifest.replace('restorer = "restorer.int8', 'restorer = "other'))
    with pytest.raises(UserError, match="which \\[files\\] does not list"):
        PackRunner(tmp_path / "pack")


def test_a_graph_that_does_not_end_in_bytes_is_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not end in a layout and a cast"):
        move_bytes(plain / "restorer.onnx", tmp_path / "moved.onnx")
    assert not (tmp_path / "moved.onnx").exists()
