"""Dual LoRA Learning on a restorer: stages train what is theirs, runs resume exactly, and variants differ."""

import itertools
import sys
import tomllib
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")
pytest.importorskip("tensorboard", reason="training logs to TensorBoard: pip install -e 'models[train]'")
pytest.importorskip("av", reason="videos are read with PyAV: pip install -e 'models[train]'")

from caches import noise_cache  # noqa: E402

from dloral.bases.store import load_base, save_base  # noqa: E402
from dloral.cli import main  # noqa: E402
from dloral.data.batches import BatchShape  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export.based import based_parts  # noqa: E402
from dloral.model.based import BasedModel  # noqa: E402
from dloral.model.bases import NETWORKS, Tiny  # noqa: E402
from dloral.model.branches import LoraConfig  # noqa: E402
from dloral.model.variants import VARIANTS  # noqa: E402
from dloral.runner import PackRunner  # noqa: E402
from dloral.train.base_config import base_from_table  # noqa: E402
from dloral.train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from dloral.train.config import CONFIGS, OptimizerConfig, parse_config  # noqa: E402
from dloral.train.dual.based import BasedDual  # noqa: E402
from dloral.train.dual.config import DualConfig, dual_from_table  # noqa: E402
from dloral.train.dual.step import consistency_loss  # noqa: E402
from dloral.train.loop import Trainer  # noqa: E402
from dloral.train.perceptual import VGG, perceptual_loss  # noqa: E402
from dloral.train.runtime import Runtime  # noqa: E402
from dloral.train.schedule import Schedule  # noqa: E402
from dloral.train.task import Places  # noqa: E402
from dloral.train.terms import AuxLossWeights  # noqa: E402

# Networks this small gain nothing from threads, and on a busy machine they wait for each other.
torch.set_num_threads(1)

LORA = LoraConfig(targets=("body", "decoder"), rank_consistency=2, rank_detail=3)
# Steps 0 and 1 are of the first consistency stage, 2 and 3 of the first detail stage, 4 and 5 of the second
# consistency stage, 6 is detail.
SMALL = DualConfig(
    architecture="tiny",
    lora=LORA,
    single_branch_probability=0.5,
    schedule=Schedule(first_consistency=1, first_detail=3, second_consistency=2, ramp=1, perceptual=0.0, csd=0.0),
    consistency=AuxLossWeights(teacher=1.0, pixel=1.0, temporal=1.0, motion=0.1),
    detail=AuxLossWeights(teacher=1.0, grid=1.0, block=0.1, detail=0.1),
    windows=2,
    batch=BatchShape(size=2, patch=24, windows_per_clip=2),
    optimizer=OptimizerConfig(steps=7, warmup=2),
)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", lambda: Tiny(width=12, depths=(1, 1, 1)))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return noise_cache(tmp_path / "cache").folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An untrained base: what is shown here holds for any weights."""
    return make_base(tmp_path / "base", 1)


def make_base(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    network = NETWORKS["tiny"]()
    torch.nn.init.normal_(network.decoder.conv_out.weight, std=0.1)
    save_base(folder, "tiny", network, "licence", {})
    return folder


def trainer(base: Path, cache: Path, out: Path, config: DualConfig = SMALL) -> Trainer:
    torch.manual_seed(3)
    task = BasedDual(config, load_base(base), None, Places([cache], out, backbone=None))
    return Trainer(task, out, 3, Runtime())


def exported(base: Path, run: Path, out: Path, *options: str) -> Path:
    assert main(["export", "--base", str(base), "--checkpoint", str(run), "--out", str(out), *options]) == 0
    return out


def noise(count: int = 2) -> list[np.ndarray]:
    return [np.random.default_rng(t).integers(0, 256, (22, 34, 3), dtype=np.uint8) for t in range(count)]


def test_stages_train_what_is_theirs(base: Path, cache: Path, tmp_path: Path) -> None:
    run = trainer(base, cache, tmp_path / "run")
    changed: dict[int, set[str]] = {}
    for step in range(7):
        before = {name: value.clone() for name, value in run.model.state_dict().items()}
        run._train_step(run.batches[step])
        run.step += 1
        state = run.model.state_dict()
        changed[step] = {name for name, value in state.items() if not torch.equal(value, before[name])}
    for step in (0, 1, 4, 5):
        assert changed[step], "a consistency step changes nothing"
        theirs = (".changes.consistency.", "retrieval.", "fuse.")
        assert all(any(part in name for part in theirs) for name in changed[step]), step
    for step in (2, 3, 6):
        assert changed[step], "a detail step changes nothing"
        assert all(".changes.detail." in name for name in changed[step]), step
    assert any(name.startswith("retrieval.") for name in changed[1])
    assert any(name.startswith("network.decoder.") for name in changed[3])


def test_a_resumed_run_equals_an_uninterrupted_one(base: Path, cache: Path, tmp_path: Path) -> None:
    trainer(base, cache, tmp_path / "whole").run(interval=2, workers=0)
    # Stopped inside the first detail stage.
    trainer(base, cache, tmp_path / "parts").run(interval=2, workers=0, until=3)
    trainer(base, cache, tmp_path / "parts").run(interval=2, workers=1)
    whole, parts = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "parts")
    assert parts.step == whole.step == 7
    for name, value in whole.model.items():
        assert torch.equal(value, parts.model[name]), name
        assert torch.equal(whole.ema[name], parts.ema[name]), name


@pytest.fixture
def trained(base: Path, cache: Path, tmp_path: Path) -> Path:
    """A run whose branches have moved far from the base."""
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, learning_rate=0.05))
    trainer(base, cache, tmp_path / "run", config).run(interval=7, workers=0)
    return tmp_path / "run"


def test_arms_differ_and_none_is_the_base(base: Path, trained: Path) -> None:
    torch.manual_seed(0)
    frame, before = (255.0 * torch.rand(2, 1, 16, 24, 3)).byte()
    pictures = {}
    for variant in VARIANTS:
        parts = based_parts(base, load_checkpoint(trained), VARIANTS[variant], "variant", {}, {})
        with torch.no_grad():
            now = parts.encoder(frame)
            pictures[variant] = parts.decoder(parts.restorer(*now, *parts.encoder(before)), frame)
            alone = parts.decoder(parts.restorer(*now, *now), frame)
        # Without the consistency branch the frame before makes no difference.
        assert torch.equal(alone, pictures[variant]) != VARIANTS[variant].consistency, variant
    for variant, other in itertools.combinations(VARIANTS, 2):
        assert not torch.equal(pictures[variant], pictures[other]), f"{variant} and {other} give the same"
    model = BasedModel(load_base(base).network)
    expected = model.network(frame.float().permute(0, 3, 1, 2) / 255.0).permute(0, 2, 3, 1) * 255.0
    assert (pictures["none"] - expected.clamp(0.0, 255.0)).abs().max() < 0.51


def test_an_arm_without_a_frame_before_is_a_pack_like_any_other(base: Path, trained: Path, tmp_path: Path) -> None:
    pack = exported(base, trained, tmp_path / "none", "--branches", "none", "--provenance", "data=noise")
    frames = noise()
    alone = next(iter(PackRunner(pack).restore(frames[1:])))
    assert alone.shape == (88, 136, 3)
    assert np.array_equal(alone, list(PackRunner(pack).restore(frames))[1])
    provenance = tomllib.loads((pack / "pack.toml").read_text())["provenance"]
    assert (provenance["branches"], provenance["data"]) == ("none", "noise")
    text = b"".join(file.read_bytes() for file in pack.iterdir())
    assert b".py" not in text, "the exporter's notes name files of this machine"


def test_the_detail_branch_is_merged_at_the_strength_asked_for(base: Path, trained: Path, tmp_path: Path) -> None:
    pictures = []
    for branches, strength in (("consistency", "1"), ("both", "0"), ("both", "0.5")):
        options = ("--branches", branches, "--detail-strength", strength, "--check", "small")
        pack = exported(base, trained, tmp_path / f"{branches}{strength}", *options)
        pictures.append(list(PackRunner(pack).restore(noise())))
        assert tomllib.loads((pack / "pack.toml").read_text())["provenance"]["detail_strength"] == strength
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_weights_that_are_not_finite_are_not_exported(
    base: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = load_checkpoint(trained)
    checkpoint.ema["retrieval.query.weight"][0] = float("nan")
    save_checkpoint(trained, checkpoint)
    command = ["export", "--base", str(base), "--checkpoint", str(trained), "--out", str(tmp_path / "pack")]
    assert main(command) == 1
    assert "retrieval.query.weight holds values that are not finite" in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()


def test_no_half_pack_is_left(base: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dloral.export.pack._close", lambda *_: (_ for _ in ()).throw(UserError("differs")))
    command = ["export", "--base", str(base), "--checkpoint", str(trained), "--out", str(tmp_path / "pack")]
    assert main(command) == 1
    assert not any(path.name.startswith((".pack", "pack")) for path in tmp_path.iterdir())
    # Without a comparison there is nothing that differs.
    assert main([*command, "--check", "none"]) == 0


def test_another_base_or_configuration_is_refused(base: Path, cache: Path, tmp_path: Path) -> None:
    trainer(base, cache, tmp_path / "run").run(interval=1, workers=0, until=1)
    other = make_base(tmp_path / "other", 2)
    with pytest.raises(UserError, match="branches of another base"):
        trainer(other, cache, tmp_path / "run")
    with pytest.raises(UserError, match="another configuration"):
        trainer(base, cache, tmp_path / "run", replace(SMALL, single_branch_probability=0.0))
    with pytest.raises(UserError, match="for the base compact"):
        trainer(base, cache, tmp_path / "more", replace(SMALL, architecture="compact"))


def test_a_loss_or_gradient_that_is_not_finite_stops_the_run(base: Path, cache: Path, tmp_path: Path) -> None:
    trainer(base, cache, tmp_path / "run").run(interval=1, workers=0, until=2)
    run = trainer(base, cache, tmp_path / "run")
    with torch.no_grad():
        run.model.network.encoder.conv_in.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"the loss is nan.* at step 2; the last good checkpoint is kept"):
        run.run(interval=1, workers=0)
    good = load_checkpoint(tmp_path / "run")
    assert good.step == 2
    assert all(torch.isfinite(value).all() for value in good.model.values())


def test_the_consistency_loss_follows_motion_and_carries_a_gradient() -> None:
    torch.manual_seed(0)
    before = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), size=(32, 32), mode="bicubic")
    now = torch.roll(before, 2, dims=-1)  # what is at x was at x - 2
    flow = torch.zeros(1, 2, 32, 32)
    flow[:, 0] = -2.0
    visible = torch.ones(1, 32, 32, dtype=torch.bool)
    visible[..., :2] = False  # rolled in from the other side
    assert consistency_loss(before, now, flow, visible) < 1e-10
    assert consistency_loss(before, now, torch.zeros_like(flow), visible) > 1e-3
    pictures = [picture.clone().requires_grad_() for picture in (before, now + 0.1)]
    consistency_loss(pictures[0], pictures[1], flow, visible).backward()
    for picture in pictures:
        assert picture.grad is not None
        assert picture.grad.abs().max() > 1e-6
    assert pictures[1].grad[..., :2].abs().max() == 0.0, "what is hidden counts"


def test_shipped_configurations_are_read() -> None:
    stages = {}
    for path in CONFIGS.glob("*.toml"):
        dual = tomllib.loads(path.read_text()).get("stage") == "dual"
        stages[path.stem] = parse_config(path.stem, dual_from_table if dual else base_from_table).stage
    assert stages["tiny-base"] == "base"
    assert {stages[name] for name in ("tiny", "small", "large", "sd21")} == {"dual"}


def test_lpips_is_given_its_own_range_and_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class FakeLpips(torch.nn.Module):
        def __init__(self, **options: object) -> None:
            super().__init__()
            assert options["net"] == "vgg"

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a - b).amax(dim=(1, 2, 3)) + 10.0 * b.amin(dim=(1, 2, 3))

    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(UserError, match="pip install lpips"):
        perceptual_loss("lpips", None)
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=FakeLpips))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match="needs torchvision's VGG-16 at"):
        perceptual_loss("lpips", None)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / VGG).touch()
    loss = perceptual_loss("lpips", None)
    assert loss(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)).item() == 2.0 - 10.0


NO_SCORE = {"csd": 0.0, "perceptual": 0.0}


def test_configurations() -> None:
    assert dual_from_table(SMALL.to_table()) == SMALL
    former = SMALL.to_table()
    former["solo"] = former.pop("single_branch_probability")
    assert dual_from_table(former) == SMALL
    with pytest.raises(ValueError, match="no score to distil"):
        dual_from_table({"architecture": "tiny"})
    with pytest.raises(ValueError, match="perceptual_network 'vgg' is none of mobilenet, lpips"):
        dual_from_table({"perceptual_network": "vgg"})
    with pytest.raises(ValueError, match="distribution compares features of the perceptual network"):
        dual_from_table({"architecture": "tiny", "windows": 1, "schedule": NO_SCORE, "detail": {"distribution": 1.0}})
    for weight in ("distribution", "teacher"):
        with pytest.raises(ValueError, match="teacher and distribution compare with a teacher"):
            dual_from_table({"detail": {weight: 1.0}})
    with pytest.raises(ValueError, match="windows and text_share"):
        dual_from_table({"text_share": 0.5})
    for setting in (
        {"flow": 1.0},
        {"lora": {"train_flow": True}},
        {"checkpointing": True},
        {"stills": {"detail": 1.0}},
    ):
        with pytest.raises(ValueError, match="leave"):
            dual_from_table({"architecture": "tiny", "windows": 1, "schedule": NO_SCORE} | setting)
    with pytest.raises(ValueError, match=r"\[lora\] has no rank"):
        dual_from_table({"lora": {"rank": 4}})
    with pytest.raises(ValueError, match="targets: vae is none of"):
        dual_from_table({"lora": {"targets": ["vae"]}})


def test_a_run_from_before_a_setting_came_goes_on(base: Path, cache: Path, tmp_path: Path) -> None:
    trainer(base, cache, tmp_path / "run").run(interval=1, workers=0, until=1)
    older = load_checkpoint(tmp_path / "run")
    del older.config["perceptual_network"]
    del older.config["detail"]["temporal"]
    save_checkpoint(tmp_path / "run", older)
    assert trainer(base, cache, tmp_path / "run").step == 1
    older.config["setting"] = 1
    save_checkpoint(tmp_path / "run", older)
    with pytest.raises(UserError, match="another configuration"):
        trainer(base, cache, tmp_path / "run")


def test_a_full_disk_keeps_the_checkpoint_before(base: Path, cache: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full to write to")
    run = trainer(base, cache, tmp_path / "run")
    run.run(interval=1, workers=0, until=1)
    # What is written to this device meets a full disk.
    (tmp_path / "run" / "latest.pt.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"checkpoint of step 2 could not be written.*the one before it is kept"):
        run.run(interval=1, workers=0)
    assert load_checkpoint(tmp_path / "run").step == 1
    # With room again, the same command goes on.
    trainer(base, cache, tmp_path / "run").run(interval=1, workers=0, until=2)
    assert load_checkpoint(tmp_path / "run").step == 2


def test_a_gradient_that_is_not_finite_reaches_no_checkpoint(
    base: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(base, cache, tmp_path / "run")
    run.run(interval=1, workers=0, until=1)
    losses = run.task.losses
    run.task.model.retrieval.query.bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(UserError, match=r"its gradient (inf|nan) at step 1"):
        run.run(interval=1, workers=0)
    assert losses
    good = load_checkpoint(tmp_path / "run")
    assert good.step == 1
    assert all(torch.isfinite(value).all() for value in good.model.values())


def test_half_precision_needs_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="--precision fp16 needs a GPU"):
        Runtime("fp16")
