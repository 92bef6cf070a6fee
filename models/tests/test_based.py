"""Dual LoRA Learning on public restorers: narrow ones with random weights, trained a step, exported and run."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from caches import noise_cache
from numpy.random import default_rng

from dloral.bases.store import load_base, save_base
from dloral.cli import main
from dloral.data.batches import BatchShape
from dloral.data.degrade import Degradation
from dloral.data.taught import TaughtBatch, TaughtBatches
from dloral.data.text import written
from dloral.errors import UserError
from dloral.export.based import based_parts
from dloral.export.pack import write_pack
from dloral.model.based import BasedModel, add_branches, merged, select_variant
from dloral.model.bases import NETWORKS, Compact, Restorer, Rrdb, Tiny
from dloral.model.branches import LoraConfig
from dloral.model.variants import VARIANTS
from dloral.perceptual import PerceptualDistance
from dloral.runner import PackRunner
from dloral.train.checkpoint import Checkpoint, load_checkpoint
from dloral.train.dual.based import based_losses, trained_state
from dloral.train.dual.step import StepWeights
from dloral.train.runtime import Runtime
from dloral.train.schedule import Weights
from dloral.train.terms import AuxLossWeights
from dloral.train.weights_file import write_weights

NARROW = {
    "compact": lambda: Compact(width=8, depth=2),
    "rrdb": lambda: Rrdb(width=8, depth=1, growth=4),
    "tiny": lambda: Tiny(width=12, depths=(1, 1, 1)),
}
LORA = LoraConfig(targets=("body", "decoder"), rank_consistency=2, rank_detail=2)

CONFIG = """
architecture = "{name}"
stage = "dual"
single_branch_probability = 0.5
windows = 2
text_share = 0.5
[lora]
targets = ["body", "decoder"]
rank_consistency = 2
rank_detail = 2
[schedule]
scale = 0.0002
perceptual = 0.0
csd = 0.0
[consistency]
teacher = 1.0
pixel = 0.5
[detail]
teacher = 1.0
[batch]
size = 2
patch = 16
windows_per_clip = 1
[optimizer]
steps = 3
learning_rate = 0.01
warmup = 1
"""


def model(name: str, seed: int = 0) -> BasedModel:
    torch.manual_seed(seed)
    return BasedModel(NARROW[name]())


@pytest.fixture(params=sorted(NARROW))
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for key, make in NARROW.items():
        monkeypatch.setitem(NETWORKS, key, make)
    return str(request.param)


def test_it_starts_as_its_base_and_every_arm_does(name: str) -> None:
    based = add_branches(model(name), LORA)
    picture, before = torch.rand(2, 1, 3, 12, 20)
    expected = based.network(picture)
    (latent, guide), (latent_before, guide_before) = based.encode(picture), based.encode(before)
    flow = based.motion(guide, guide_before)
    for variant in VARIANTS.values():
        select_variant(based, variant)
        paired = based.decode(based.restore(latent, latent_before, flow), picture)
        torch.testing.assert_close(paired, expected)
        torch.testing.assert_close(based.decode(based.restore_single(latent), picture), expected)


def test_branches_merge_into_plain_weights(name: str) -> None:
    based = add_branches(model(name), LORA)
    for parameter in based.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    picture = torch.rand(1, 3, 8, 8)
    select_variant(based, VARIANTS["both"], 0.5)
    expected = based.network(picture)
    assert torch.allclose(merged(based, VARIANTS["both"], 0.5).network(picture), expected, atol=1e-5)
    assert not any(".changes." in key for key in based.state_dict())


def test_a_run_trains_exports_and_restores(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restorer: Restorer = NARROW[name]()
    save_base(tmp_path / "base", name, restorer, "licence", {})
    noise_cache(tmp_path / "cache")
    (tmp_path / "config.toml").write_text(CONFIG.format(name=name))
    call = ["train", "--config", str(tmp_path / "config.toml"), "--base", str(tmp_path / "base")]
    call += ["--data", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--precision", "fp32", "--workers", "0"]
    assert main(call) == 1
    assert "--flow tiny" in capsys.readouterr().err
    assert main([*call, "--flow", "tiny"]) == 0
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.step == 3
    # Three steps are one of each of the first three stages: both branches have changed, and no base is in there.
    fresh = trained_state(add_branches(BasedModel(load_base(tmp_path / "base").network), LORA))
    assert checkpoint.model.keys() == fresh.keys()
    changed = {key.split(".")[-2] for key, value in checkpoint.model.items() if ".b" in key and value.abs().sum() > 0}
    assert {"consistency", "detail"} <= changed
    out = tmp_path / "pack"
    export = ["export", "--checkpoint", str(tmp_path / "run"), "--base", str(tmp_path / "base"), "--out", str(out)]
    assert main(export) == 0
    fixed = str(tmp_path / "fixed")
    assert main([*export[:-1], fixed, "--color-fix", "wavelet", "--check", "none"]) == 0
    assert [PackRunner(path).color_fix for path in (out, Path(fixed))] == ["none", "wavelet"]
    assert name == "tiny" or "Xintao Wang" in (out / "LICENSE").read_text()
    frames = default_rng(1).integers(0, 256, (3, 20, 26, 3), np.uint8)
    pictures = list(PackRunner(out).restore(frames))
    assert [picture.shape for picture in pictures] == [(80, 104, 3)] * 3
    kept = tmp_path / "kept.safetensors"
    assert main(["weights", "--checkpoint", str(tmp_path / "run"), "--out", str(kept)]) == 0
    assert main(["export", "--checkpoint", str(kept), *export[3:-1], str(tmp_path / "again")]) == 0
    assert main([*call, "--out", str(tmp_path / "more"), "--init", str(kept), "--until", "1"]) == 0
    again = np.stack(list(PackRunner(tmp_path / "again").restore(frames))).astype(int)
    assert np.abs(again - np.stack(pictures)).max() <= 1
    save_base(tmp_path / "other", name, NARROW[name](), "licence", {})
    assert main([*export[:4], str(tmp_path / "other"), *export[5:]]) == 1
    assert "another base" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage", [lambda data: data[:100], lambda data: data[:-100], lambda data: b"", lambda data: b"{}"]
)
def test_weights_that_are_damaged_are_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "kept.safetensors"
    write_weights(path, Checkpoint(1, 0, {}, {}, {"a": torch.ones(300)}, {}, "base"))
    assert load_checkpoint(path).ema["a"].sum() == 300
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="is not as python -m dloral weights writes it"):
        load_checkpoint(path)


def test_the_mean_of_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / f"{name}.safetensors") for name in ("first", "second", "other")]
    for file, values, base in zip(files, ([0.0, 8.0], [4.0, 0.0], [1.0]), ("base", "base", "base"), strict=True):
        write_weights(Path(file), Checkpoint(1, 0, {}, {}, {"a": torch.tensor(values)}, {}, base))
    out = str(tmp_path / "mean.safetensors")
    call = ["weights", "--out", out, "--checkpoint", *files[:2]]
    assert main(call) == 0
    assert load_checkpoint(Path(out)).ema["a"].tolist() == [2, 4]
    assert main([*call, "--shares", "0.25", "0.75"]) == 0
    assert load_checkpoint(Path(out)).ema["a"].tolist() == [3, 2]
    assert main([*call, "--shares", "0.5"]) == 1
    assert "one for each of the 2 checkpoints" in capsys.readouterr().err
    assert main(["weights", "--out", out, "--checkpoint", *files]) == 1
    assert "different shapes" in capsys.readouterr().err


@pytest.mark.parametrize("value", [1e6, float("nan"), float("inf")])
def test_weights_that_16_bits_cannot_hold_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(UserError, match="too large"):
        write_weights(tmp_path / "kept.safetensors", Checkpoint(1, 0, {}, {}, {"a": torch.full((2,), value)}, {}))
    assert not any(tmp_path.iterdir())


def test_tiles_differ_from_the_whole_by_a_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the published depth: a body of 33 convolutions, tiles with the overlap of the packs."""
    monkeypatch.setitem(NETWORKS, "compact", lambda: Compact(width=8, depth=32))
    torch.manual_seed(1)
    save_base(tmp_path / "base", "compact", NETWORKS["compact"](), "licence", {})
    base = load_base(tmp_path / "base")
    state = trained_state(add_branches(BasedModel(base.network), LORA))
    checkpoint = Checkpoint(1, 0, {"lora": asdict(LORA)}, state, state, {}, base.sha256)
    write_pack(based_parts(tmp_path / "base", checkpoint, VARIANTS["both"], "p", {}, {}), tmp_path / "pack")
    frames = default_rng(2).integers(0, 256, (2, 80, 96, 3), np.uint8)
    whole, tiled = (
        np.stack(list(PackRunner(tmp_path / "pack", tile_size=4 * tile, tile_overlap=128).restore(frames))).astype(int)
        for tile in (256, 72)
    )
    assert np.abs(whole - tiled).max() <= 1


def as_taught(based: BasedModel) -> TaughtBatch:
    """A batch whose teacher is the model itself, and whose truth is black."""
    lq = torch.randint(0, 256, (1, 3, 3, 16, 16), dtype=torch.uint8)
    taught = torch.stack([based.network(lq[:, t].float() / 255.0) for t in range(3)], dim=1).clamp(0.0, 1.0)
    taught = (taught * 255.0).round().byte()
    clean, still = torch.zeros_like(taught), torch.zeros(1, 2, 64, 64)
    return TaughtBatch(lq, clean, taught, still, torch.ones(1, 64, 64, dtype=torch.bool))


def test_sharpness_is_the_teachers_and_colour_the_truths() -> None:
    based = add_branches(model("compact"), LORA)
    select_variant(based, VARIANTS["none"])
    batch = as_taught(based)
    weights = StepWeights(Weights(0.0, 0.0, 0.0, 0.0), AuxLossWeights(teacher=1.0, pixel=1.0, detail=1.0), 0.0)

    def losses(batch: TaughtBatch) -> dict[str, torch.Tensor]:
        return based_losses(based, batch, weights, None, default_rng(0), Runtime("fp32"), pairs=False)

    terms, swapped = losses(batch), losses(batch._replace(clean=batch.taught, taught=batch.clean))
    # The narrow network's pictures leave [0, 1] here and there, which bytes do not.
    assert terms["teacher"] < 0.1 * terms["pixel"]
    assert swapped["pixel"] < 0.1 * swapped["teacher"]
    assert terms["detail"] < 0.1 * swapped["detail"]


def test_features_and_their_distribution_are_the_teachers(backbone: Path) -> None:
    based = add_branches(model("compact"), LORA)
    select_variant(based, VARIANTS["none"])
    batch = as_taught(based)
    weights = StepWeights(Weights(0.0, 1.0, 0.0, 0.0), AuxLossWeights(distribution=1.0), 0.0)
    perceptual = PerceptualDistance(backbone)

    def losses(batch: TaughtBatch) -> dict[str, torch.Tensor]:
        return based_losses(based, batch, weights, perceptual, default_rng(0), Runtime("fp32"), pairs=False)

    terms, swapped = losses(batch), losses(batch._replace(clean=batch.taught, taught=batch.clean))
    for name in ("perceptual", "distribution"):
        assert terms[name] < 0.2 * swapped[name], name
    assert torch.equal(terms["total"], terms["perceptual"] + terms["distribution"])


def test_a_run_goes_on_with_the_same_perceptual_network_alone(
    name: str, tmp_path: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_base(tmp_path / "base", name, NARROW[name](), "licence", {})
    noise_cache(tmp_path / "cache")
    (tmp_path / "config.toml").write_text(CONFIG.format(name=name).replace("perceptual = 0.0", "perceptual = 0.1"))
    call = ["train", "--config", str(tmp_path / "config.toml"), "--base", str(tmp_path / "base"), "--flow", "tiny"]
    call += ["--data", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--precision", "fp32", "--workers", "0"]
    assert main([*call, "--backbone", str(backbone), "--until", "1"]) == 0
    other = onnx.load(backbone)
    other.producer_name = "another"
    onnx.save(other, tmp_path / "other.onnx")
    assert main([*call, "--backbone", str(tmp_path / "other.onnx")]) == 1
    assert "another perceptual network" in capsys.readouterr().err
    assert main([*call, "--backbone", str(backbone), "--until", "2"]) == 0


def test_options_that_would_not_be_looked_at_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_base(tmp_path / "base", name, NARROW[name](), "licence", {})
    (tmp_path / "config.toml").write_text(CONFIG.format(name=name))
    call = ["train", "--config", str(tmp_path / "config.toml"), "--base", str(tmp_path / "base"), "--flow", "tiny"]
    call += ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main([*call, "--prompt", "sharp"]) == 1
    assert "--prompt is for a Stable Diffusion base" in capsys.readouterr().err
    call = ["export", "--base", str(tmp_path / "base"), "--checkpoint", "none", "--out", str(tmp_path / "pack")]
    assert main([*call, "--prompt-embedding", "none"]) == 1
    assert "--prompt-embedding is for a Stable Diffusion base" in capsys.readouterr().err


def test_weights_of_another_network_are_no_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "compact", NARROW["compact"])
    save_base(tmp_path / "base", "compact", NARROW["compact"](), "licence", {})
    base = load_base(tmp_path / "base").sha256
    state = trained_state(add_branches(model("compact"), LORA))
    lacking = {name: value for name, value in state.items() if not name.startswith("flow.")}
    checkpoint = Checkpoint(1, 0, {"lora": asdict(LORA)}, lacking, lacking, {}, base)
    with pytest.raises(UserError, match="flow"):
        based_parts(tmp_path / "base", checkpoint, VARIANTS["both"], "p", {}, {})


def test_a_cache_that_does_not_suffice_is_refused(tmp_path: Path) -> None:
    made = noise_cache(tmp_path)

    def batches(windows: int = 2, patch: int = 16) -> TaughtBatches:
        shape = BatchShape(size=1, patch=patch, windows_per_clip=1)
        return TaughtBatches(made, Degradation(), shape, windows=windows, text_share=0.5, seed=1, steps=4)

    first, again = batches()[3], batches()[3]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first.lq.shape == (1, 3, 3, 16, 16)
    assert first.taught.shape == (1, 3, 3, 64, 64)
    with pytest.raises(UserError, match="lacks 3 of 5 windows"):
        batches(windows=5)
    with pytest.raises(UserError, match="wants 3 of 128"):
        batches(patch=32)


def test_text_is_written_over_pictures_and_moves_evenly() -> None:
    clip = np.full((3, 96, 96, 3), 90, np.uint8)
    changed, moved = 0, 0
    for seed in range(20):
        text = written(clip, default_rng(seed))
        assert text.shape == clip.shape
        assert np.array_equal(text, written(clip, default_rng(seed)))
        changed += int(np.ptp(text) > 20)
        moved += int(not np.array_equal(text[0], text[1]))
    assert changed >= 18
    assert 5 <= moved < 20
