"""Dual LoRA Learning on a Stable Diffusion base of reduced width: variants, stages, resuming, score distillation."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

tomli_w = pytest.importorskip("tomli_w", reason="configurations are written here: pip install -e 'models[train]'")
torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")
pytest.importorskip("diffusers", reason="Stable Diffusion's classes are diffusers': pip install -e 'models[sd]'")
pytest.importorskip("tensorboard", reason="training logs to TensorBoard: pip install -e 'models[train]'")
pytest.importorskip("av", reason="videos are read with PyAV: pip install -e 'models[train]'")

from random_sd import UNETS, write_base  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from dloral.cli import main  # noqa: E402
from dloral.data.batches import BatchShape  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export.reference import read_base  # noqa: E402
from dloral.export.sd import SdOptions, sd_parts  # noqa: E402
from dloral.export.sd_trained import trained_restorer  # noqa: E402
from dloral.model.branches import LoraConfig  # noqa: E402
from dloral.model.variants import VARIANTS  # noqa: E402
from dloral.train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from dloral.train.config import OptimizerConfig, parse_config  # noqa: E402
from dloral.train.dual.config import AuxLossWeights, DualConfig, dual_from_table  # noqa: E402
from dloral.train.dual.sd import Prompts, SdDual  # noqa: E402
from dloral.train.loop import Trainer  # noqa: E402
from dloral.train.runtime import Runtime  # noqa: E402
from dloral.train.schedule import Schedule  # noqa: E402
from dloral.train.task import Places  # noqa: E402

torch.set_num_threads(1)

# Step 0 is of the first consistency stage, 1 of the first detail stage, 2 of the second consistency stage, 3 is detail.
SMALL = DualConfig(
    architecture="sd",
    single_branch_probability=0.5,
    checkpointing=True,
    flow=0.1,
    lora=LoraConfig(rank_consistency=2, rank_detail=2, train_flow=True),
    schedule=Schedule(first_consistency=0, first_detail=1, second_consistency=1, ramp=1, perceptual=0.0, csd=1.0),
    consistency=AuxLossWeights(pixel=1.0),
    batch=BatchShape(size=1, patch=16, windows_per_clip=1, clip_frames=3, clip_size=256),
    optimizer=OptimizerConfig(steps=4, warmup=1, learning_rate=0.01),
)
WIDTH = UNETS["small"]["cross_attention_dim"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, two prompt embeddings, and a still to train on."""
    folder = tmp_path_factory.mktemp("sd")
    torch.manual_seed(0)
    write_base(folder / "base", "small")
    rng = np.random.default_rng(0)
    for name in ("prompt", "negative"):
        np.save(folder / f"{name}.npy", rng.normal(0, 1, (1, 77, WIDTH)).astype(np.float32))
    (folder / "stills").mkdir()
    picture = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "stills" / "noise.png"), cv2.resize(picture, (300, 300), interpolation=cv2.INTER_CUBIC))
    return folder


def trainer(folder: Path, out: Path, config: DualConfig = SMALL, base: str = "base") -> Trainer:
    torch.manual_seed(0)
    prompts = Prompts(embedding=folder / "prompt.npy", negative_embedding=folder / "negative.npy")
    return Trainer(SdDual(config, folder / base, prompts, Places([folder / "stills"], out, None)), out, 0, Runtime())


def test_stages_train_what_is_theirs_and_runs_resume(folder: Path, tmp_path: Path) -> None:
    whole = trainer(folder, tmp_path / "whole")
    terms: list[set[str]] = []
    step = whole._train_step
    changed: list[set[str]] = []

    def watched(batch: object) -> dict[str, torch.Tensor]:
        before = {name: value.clone() for name, value in whole.model.state_dict().items()}
        losses = step(batch)
        changed.append({n for n, value in whole.model.state_dict().items() if not torch.equal(value, before[n])})
        terms.append(set(losses))
        return losses

    whole._train_step = watched  # type: ignore[method-assign]
    whole.run(interval=4, workers=0)
    for at in (0, 2):
        assert changed[at]
        assert all(".changes.consistency." in name or name.startswith("cfr.") for name in changed[at])
        assert "csd" not in terms[at]
    for at in (1, 3):
        assert changed[at]
        assert all(".changes.detail." in name for name in changed[at])
        assert "csd" in terms[at]
    assert any(name.startswith("cfr.flow.levels.") for name in changed[0])
    assert not any("time_emb" in name for name in set().union(*changed))

    trainer(folder, tmp_path / "parts").run(interval=2, workers=0, until=2)
    trainer(folder, tmp_path / "parts").run(interval=2, workers=0)
    expected, parts = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "parts")
    assert parts.model.keys() == expected.model.keys()
    assert not any(name.endswith(".original") for name in parts.model), "checkpoints hold no copy of the base"
    for name, value in expected.model.items():
        assert torch.equal(value, parts.model[name]), name
        assert torch.equal(expected.ema[name], parts.ema[name]), name


def test_arms_start_as_the_base_and_differ_when_trained(folder: Path, tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    base, prompt = read_base(folder / "base"), torch.from_numpy(np.load(folder / "prompt.npy"))
    trainer(folder, tmp_path / "run").run(interval=4, workers=0)
    checkpoint = load_checkpoint(tmp_path / "run")
    latent, before, guide = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.rand(1, 3, 8, 8)
    unet = UNet2DConditionModel.from_pretrained(folder / "base" / "unet").eval()
    start = trainer(folder, tmp_path / "fresh")
    fresh = checkpoint._replace(ema=start.ema)
    results = {}
    with torch.no_grad():
        expected = latent - unet(latent, torch.tensor([1]), encoder_hidden_states=prompt).sample
        for variant in VARIANTS:
            restorer = trained_restorer(fresh, base, prompt, VARIANTS[variant], blocks=1)
            torch.testing.assert_close(restorer(latent, guide, before, guide), expected, rtol=1e-4, atol=1e-4)
            restorer = trained_restorer(checkpoint, base, prompt, VARIANTS[variant], blocks=1)
            results[variant] = restorer(latent, guide, before, guide)
    torch.testing.assert_close(results["none"], expected, rtol=1e-4, atol=1e-4)
    for variant in ("consistency", "detail", "both"):
        assert not torch.allclose(results[variant], expected, atol=1e-3), variant


def test_an_export_of_a_run_tells_and_weighs_its_branches(folder: Path, tmp_path: Path) -> None:
    trainer(folder, tmp_path / "run").run(interval=4, workers=0)
    options = SdOptions(folder / "base", tmp_path / "run", "fp32", prompt_embedding=folder / "prompt.npy")
    both, weaker, consistency = (
        sd_parts(changed, "run", {}, {})
        for changed in (options, replace(options, detail_strength=0.0), replace(options, branches="consistency"))
    )
    assert both.provenance.items() >= {"steps": "4", "seed": "0", "branches": "both", "detail_strength": "1"}.items()
    assert weaker.provenance["detail_strength"] == "0"
    assert consistency.provenance["branches"] == "consistency"
    pair = torch.randn(1, 4, 8, 8), torch.rand(1, 3, 8, 8), torch.randn(1, 4, 8, 8), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        results = [parts.restorer(*pair) for parts in (both, weaker, consistency)]
    torch.testing.assert_close(results[1], results[2])
    assert not torch.allclose(results[0], results[1], atol=1e-3)


def test_flow_starts_from_published_weights(folder: Path, tmp_path: Path) -> None:
    from dloral.model.sd.flow import SpyNet

    torch.manual_seed(2)
    published = SpyNet()
    names = {
        name: f"basic_module.{name.split('.')[1]}.basic_module.{int(name.split('.')[2]) // 2}.conv.{name.split('.')[3]}"
        for name, _ in published.named_parameters()
    }
    table = {names[name]: value.detach() for name, value in published.named_parameters()}
    torch.save(table, tmp_path / "spynet.pth")
    prompts = Prompts(embedding=folder / "prompt.npy", negative_embedding=folder / "negative.npy")
    places = Places([folder / "stills"], tmp_path, None)
    flow = SdDual(SMALL, folder / "base", prompts, places, tmp_path / "spynet.pth").model.cfr.flow
    pictures = torch.rand(2, 1, 3, 16, 24)
    with torch.no_grad():
        assert torch.equal(flow(*pictures), published(*pictures))
        # Without them nothing moves, rather than anything at random.
        assert SdDual(SMALL, folder / "base", prompts, places).model.cfr.flow(*pictures).abs().max() == 0.0
    del table["basic_module.0.basic_module.0.conv.bias"]
    torch.save(table, tmp_path / "spynet.pth")
    with pytest.raises(UserError, match=r"SpyNet's levels\.0\.0\.bias is \[32\], and none was found"):
        SdDual(SMALL, folder / "base", prompts, places, tmp_path / "spynet.pth")


def test_the_command_trains_and_says_what_is_missing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "small.toml"
    table = {key: value for key, value in SMALL.to_table().items() if key not in ("degradation", "batch", "lora")}
    table |= {"batch": {"size": 1, "patch": 16, "clip_frames": 3, "clip_size": 256, "windows_per_clip": 1}}
    config.write_text(tomli_w.dumps(table))
    options = ["train", "--config", str(config), "--data", str(folder / "stills"), "--out", str(tmp_path / "run")]
    options += ["--workers", "0", "--until", "1", "--prompt-embedding", str(folder / "prompt.npy")]
    assert main(options) == 1
    assert "give its folder, in diffusers' layout, with --base" in capsys.readouterr().err
    options += ["--base", str(folder / "base"), "--negative-embedding", str(folder / "negative.npy")]
    assert main(options) == 0
    assert load_checkpoint(tmp_path / "run").step == 1
    trained = load_checkpoint(tmp_path / "run").ema
    again = [option.replace(str(tmp_path / "run"), str(tmp_path / "again")) for option in options]
    # Another seed, so that its own start would be far from what the first run has learnt.
    again += ["--seed", "1"]
    foreign = load_checkpoint(tmp_path / "run")._replace(base="another")
    save_checkpoint(tmp_path / "foreign", foreign)
    assert main([*again, "--init", str(tmp_path / "foreign")]) == 1
    assert "holds no branches of the base" in capsys.readouterr().err
    assert main([*again, "--init", str(tmp_path / "run")]) == 0
    kept = tmp_path / "kept.safetensors"
    assert main(["weights", "--checkpoint", str(tmp_path / "run"), "--out", str(kept)]) == 0
    export = ["export", "--base", str(folder / "base"), "--checkpoint", str(kept), "--out", str(tmp_path / "pack")]
    export += ["--prompt-embedding", str(folder / "prompt.npy"), "--dtype", "fp32", "--tile", "64", "--check", "none"]
    assert main(export) == 0
    assert (tmp_path / "pack" / "pack.toml").is_file()
    moved = load_checkpoint(tmp_path / "again").ema
    assert all((trained[name] - moved[name]).abs().max() < 0.05 for name in trained)


def test_another_base_is_refused(folder: Path, tmp_path: Path) -> None:
    trainer(folder, tmp_path / "run", replace(SMALL, optimizer=replace(SMALL.optimizer, steps=1))).run(1, 0)
    if not (folder / "other").exists():
        torch.manual_seed(5)
        write_base(folder / "other", "small")
    with pytest.raises(UserError, match="branches of another base"):
        trainer(folder, tmp_path / "run", replace(SMALL, optimizer=replace(SMALL.optimizer, steps=1)), "other")
    prompt = torch.from_numpy(np.load(folder / "prompt.npy"))
    with pytest.raises(UserError, match="trained on another base than"):
        trained_restorer(load_checkpoint(tmp_path / "run"), read_base(folder / "other"), prompt, VARIANTS["both"], 1)


def test_another_autoencoder_or_prompt_is_refused(folder: Path, tmp_path: Path) -> None:
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, steps=1))
    trainer(folder, tmp_path / "run", config).run(1, 0)
    shutil.copytree(folder / "base", tmp_path / "mixed")
    weights = tmp_path / "mixed" / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if name.endswith("conv_out.weight"))
    save_file(tensors | {name: tensors[name] * 1.01}, weights)
    with pytest.raises(UserError, match="branches of another base"):
        trainer(folder, tmp_path / "run", config, str(tmp_path / "mixed"))
    prompt = torch.from_numpy(np.load(folder / "prompt.npy"))
    with pytest.raises(UserError, match="trained on another base than"):
        trained_restorer(load_checkpoint(tmp_path / "run"), read_base(tmp_path / "mixed"), prompt, VARIANTS["both"], 1)
    swapped = Prompts(embedding=folder / "negative.npy", negative_embedding=folder / "prompt.npy")
    task = SdDual(config, folder / "base", swapped, Places([folder / "stills"], tmp_path / "run", None))
    with pytest.raises(UserError, match=r"another prompt, .* --init"):
        Trainer(task, tmp_path / "run", 0, Runtime())


def test_score_distillation_needs_the_empty_prompt(folder: Path, tmp_path: Path) -> None:
    prompts = Prompts(embedding=folder / "prompt.npy")
    with pytest.raises(UserError, match="give --negative-embedding"):
        SdDual(SMALL, folder / "base", prompts, Places([folder / "stills"], tmp_path, None))


def test_score_distillation_needs_another_prompt_than_the_empty_one(folder: Path, tmp_path: Path) -> None:
    prompts = Prompts(embedding=folder / "negative.npy", negative_embedding=folder / "negative.npy")
    places = Places([folder / "stills"], tmp_path, None)
    with pytest.raises(UserError, match=r"both are the same: say with --prompt \(or --prompt-embedding\)"):
        SdDual(SMALL, folder / "base", prompts, places)
    SdDual(replace(SMALL, schedule=replace(SMALL.schedule, csd=0.0)), folder / "base", prompts, places)


def test_the_configuration_of_stable_diffusion() -> None:
    config = parse_config("sd21", dual_from_table)
    assert (config.architecture, config.schedule.csd, config.lora.rank_detail) == ("sd", 1.0, 4)
    assert dual_from_table(config.to_table()) == config
