"""Reading the reference's checkpoint: the merge against its own, and an error for everything that can be wrong."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[sd]'")
pytest.importorskip("diffusers", reason="the Stable Diffusion model needs diffusers: pip install -e 'models[sd]'")

from random_sd import checkpoint_table, write_base  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from dloral.errors import UserError  # noqa: E402
from dloral.export.reference import merged_unet, read_base, read_checkpoint, retrieval  # noqa: E402
from dloral.export.reference.merge import likeness  # noqa: E402

Table = dict[str, Any]
ADAPTED = "down_blocks.0.resnets.0.conv1"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base")
    write_base(folder, "small")
    return folder


@pytest.fixture
def table(base: Path) -> Table:
    torch.manual_seed(1)
    return checkpoint_table(base)


def merge(base: Path, table: Table, path: Path, detail_strength: float = 1.0) -> Any:
    torch.save(table, path)
    checkpoint, read = read_checkpoint(path), read_base(base)
    retrieval(read, checkpoint, 1)
    return merged_unet(read, checkpoint, detail_strength)


@pytest.mark.parametrize(("which", "detail_strength"), [("both", 1.0), ("cons_only", 0.0)])
def test_merge_is_the_reference_s(
    golden: Path, reference_model: tuple[Path, Path], which: str, detail_strength: float
) -> None:
    base, path = reference_model
    weights = merged_unet(read_base(base), read_checkpoint(path), detail_strength).state_dict()
    samples = load_file(golden / "f_model" / "merged_samples.safetensors")
    names = [name for name in samples if name.startswith(f"{which}/")]
    assert len(names) >= 8
    for name in names:
        torch.testing.assert_close(weights[name.partition("/")[2]], samples[name], rtol=0, atol=1e-5)


def test_every_key_of_the_reference_is_used(golden: Path, reference_model: tuple[Path, Path]) -> None:
    """No adapter is left over, and none counted twice: the merged UNet has the plain UNet's names."""
    base, path = reference_model
    checkpoint = read_checkpoint(path)
    assert set(checkpoint.unet) == set(json.loads((golden / "f_model" / "unet_key_order.json").read_text()))
    assert not [name for name in merged_unet(read_base(base), checkpoint).state_dict() if "lora" in name]


def test_detail_strength_scales_the_detail_branch_alone(base: Path, table: Table, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    half = merge(base, table, path, 0.5).state_dict()
    none, full = (merge(base, table, path, strength).state_dict() for strength in (0.0, 1.0))
    for name in full:
        torch.testing.assert_close(half[name], (none[name] + full[name]) / 2, rtol=1e-5, atol=1e-6)
    key = f"{ADAPTED}.weight"
    down, up = (table["state_dict_unet"][f"{ADAPTED}.lora_{x}.default_encoder_consistency.weight"] for x in "AB")
    update = 2 * torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down)
    torch.testing.assert_close(none[key], table["state_dict_unet"][f"{ADAPTED}.base_layer.weight"] + update)
    assert (full[key] - none[key]).abs().max() > 1e-4


def missing(table: Table) -> None:
    del table["state_dict_unet"][f"{ADAPTED}.lora_B.default_encoder_quality.weight"]


def missing_table(table: Table) -> None:
    del table["lora_rank_unet_quality"]


def extra(table: Table) -> None:
    table["state_dict_unet"]["down_blocks.7.conv.weight"] = torch.zeros(1)


def extra_table(table: Table) -> None:
    table["optimizer"] = {}


def wrong_shape(table: Table) -> None:
    table["state_dict_unet"]["conv_in.base_layer.weight"] = torch.zeros(8, 4, 3, 3)


def wrong_rank(table: Table) -> None:
    table["lora_rank_unet_consistency"] = 8


def unknown_module(table: Table) -> None:
    table["unet_lora_others_modules_quality"].append("mid_block.nothing")


def not_finite(table: Table) -> None:
    table["state_dict_unet"]["conv_norm_out.weight"][0] = float("nan")


def no_flow(table: Table) -> None:
    del table["state_dict_bpp"]["spynet.basic_module.5.basic_module.4.conv.bias"]


def flow_shape(table: Table) -> None:
    table["state_dict_bpp"]["spynet.basic_module.0.basic_module.0.conv.weight"] = torch.zeros(32, 6, 7, 7)


def foreign_retrieval(table: Table) -> None:
    table["state_dict_bpp"]["cross_attn_module.gate.weight"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, [f"{ADAPTED}.lora_B.default_encoder_quality.weight", "[8, 4, 1, 1] is expected"]),
        (missing_table, ["'lora_rank_unet_quality' is missing", "a number"]),
        (extra, ["down_blocks.7.conv.weight", "unknown"]),
        (extra_table, ["unexpected key 'optimizer'"]),
        (wrong_shape, ["conv_in.base_layer.weight", "[8, 4, 3, 3]", "[8, 8, 3, 3] is expected"]),
        (wrong_rank, ["lora_A.default_", "consistency.weight", "[8, 8, 3, 3] is expected"]),
        (unknown_module, ["unet_lora_others_modules_quality", "mid_block.nothing"]),
        (not_finite, ["conv_norm_out.weight", "not finite"]),
        (no_flow, ["flow.levels.5.8.bias", "[2] is expected"]),
        (flow_shape, ["spynet.basic_module.0.basic_module.0.conv.weight", "[32, 8, 7, 7] is expected"]),
        (foreign_retrieval, ["cross_attn_module.gate.weight"]),
    ],
)
def test_a_spoiled_checkpoint_names_the_key(
    base: Path, table: Table, tmp_path: Path, spoil: Callable[[Table], None], words: list[str]
) -> None:
    spoil(table)
    with pytest.raises(UserError) as error:
        merge(base, table, tmp_path / "model.pkl")
    assert all(word in str(error.value) for word in words), str(error.value)


class Malice:
    """A pickle that runs code when it is read."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.touched,)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_that_wants_code_is_refused(tmp_path: Path, save: Callable[[Any, Path], Any]) -> None:
    touched, path = tmp_path / "touched", tmp_path / "model.pkl"
    save({"state_dict_unet": Malice(touched)}, path)
    with pytest.raises(UserError, match="refused, because it is no plain pickle of tensors"):
        read_checkpoint(path)
    assert not touched.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not a pickle"])
def test_a_damaged_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.pkl"):
        read_checkpoint(path)


def test_another_base_of_the_same_shape_is_found(base: Path, table: Table, tmp_path: Path) -> None:
    torch.manual_seed(5)
    write_base(tmp_path / "other", "small")
    with pytest.raises(UserError, match="is not the base of"):
        merge(tmp_path / "other", table, tmp_path / "model.pkl")


def test_a_base_of_another_width_is_found(base: Path, table: Table, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(base, other)
    config = other / "unet" / "config.json"
    config.write_text(config.read_text().replace('"cross_attention_dim": 16', '"cross_attention_dim": 24'))
    with pytest.raises(UserError, match=r"attn2.to_k.*\[8, 24\] is expected"):
        merge(other, table, tmp_path / "model.pkl")


def test_a_base_in_half_precision_is_the_same_base(base: Path, table: Table, tmp_path: Path) -> None:
    write_base(tmp_path, "small")
    name = "unet/diffusion_pytorch_model.safetensors"
    save_file({key: value.half() for key, value in load_file(base / name).items()}, tmp_path / name)
    merge(tmp_path, table, tmp_path / "model.pkl")


def test_a_base_without_unet_weights_is_said_to_be_unchecked(base: Path, table: Table, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(base, other)
    (other / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.warns(UserWarning, match="stays unchecked"):
        merge(other, table, tmp_path / "model.pkl")


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("unet/config.json", "config.json is missing"),
        ("vae/config.json", "config.json is missing"),
        ("vae/diffusion_pytorch_model.safetensors", "weights of the autoencoder"),
    ],
)
def test_an_incomplete_base_is_an_error(tmp_path: Path, gone: str, words: str) -> None:
    write_base(tmp_path, "small")
    (tmp_path / gone).unlink()
    with pytest.raises(UserError, match=words):
        read_base(tmp_path)


def test_a_base_is_known_by_weights_of_the_real_size() -> None:
    """Stable Diffusion 2.1's largest convolution: a sum over thirty million products, which f32 gets wrong."""
    weight = 0.004 * torch.randn(1280, 2560, 3, 3, generator=torch.Generator().manual_seed(0))
    assert likeness(weight, weight) == pytest.approx(1.0, abs=1e-6)
    assert likeness(weight.half().float(), weight) > 0.999
    assert abs(likeness(weight.flip(0), weight)) < 0.01
