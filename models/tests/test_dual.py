"""Dual LoRA Learning on the tiny networks: arms start as the base, stages train what is theirs, runs resume exactly."""

import itertools
import sys
import tomllib
import types
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")
pytest.importorskip("tensorboard", reason="training logs to TensorBoard: pip install -e 'models[train]'")
pytest.importorskip("av", reason="videos are read with PyAV: pip install -e 'models[train]'")

from dloral.cli import main  # noqa: E402
from dloral.data.batches import BatchShape  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export.tiny import trained_model  # noqa: E402
from dloral.model.arms import ARMS  # noqa: E402
from dloral.model.branches import LoraConfig  # noqa: E402
from dloral.model.tiny import TinyConfig, TinyModel  # noqa: E402
from dloral.model.tiny.codec import phases_to_picture  # noqa: E402
from dloral.model.tiny.dual import SingleFrameRestorer, branched_model, merged_restorer  # noqa: E402
from dloral.runner import PackRunner  # noqa: E402
from dloral.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint  # noqa: E402
from dloral.train.config import CONFIGS, Config, OptimizerConfig, load_config, parse_config  # noqa: E402
from dloral.train.dual.base import load_base  # noqa: E402
from dloral.train.dual.config import DualConfig, SteadyWeights, dual_from_table  # noqa: E402
from dloral.train.dual.step import consistency_loss  # noqa: E402
from dloral.train.dual.tiny import TinyDual  # noqa: E402
from dloral.train.loop import Trainer  # noqa: E402
from dloral.train.perceptual import VGG, perceptual_loss  # noqa: E402
from dloral.train.runtime import Runtime  # noqa: E402
from dloral.train.schedule import Schedule  # noqa: E402
from dloral.train.task import Places  # noqa: E402

# Networks this small gain nothing from threads, and on a busy machine they wait for each other.
torch.set_num_threads(1)

SIZES = TinyConfig(
    encoder_width=8,
    flow_width=8,
    unet_widths=(16, 16),
    unet_expansions=(16, 16),
    unet_depths=(1, 1, 1),
    decoder_width=16,
    decoder_expansion=16,
    decoder_up_width=16,
    decoder_up_expansion=16,
)
SHIPPED = Path(__file__).resolve().parents[1]
"""Where the packs of the repository are."""
LORA = LoraConfig(targets=("unet", "decoder"), rank_consistency=2, rank_detail=3)
# Steps 0 and 1 are of the first consistency stage, 2 and 3 of the first detail stage, 4 and 5 of the second
# consistency stage, 6 is detail.
SMALL = DualConfig(
    lora=LORA,
    solo=0.5,
    schedule=Schedule(first_consistency=1, first_detail=3, second_consistency=2, ramp=1, perceptual=0.0, csd=0.0),
    consistency=SteadyWeights(pixel=1.0, temporal=1.0, motion=0.1),
    detail=SteadyWeights(pixel=1.0, grid=1.0, block=0.1, detail=0.1),
    batch=BatchShape(size=2, patch=24, windows_per_clip=2, clip_frames=3, clip_size=256),
    optimizer=OptimizerConfig(steps=7, warmup=2),
)


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "noise.png"), cv2.resize(picture, (300, 300), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The checkpoint of a base of single frames, untrained: what is shown here holds for any weights."""
    return save_base(tmp_path / "base", Config(stage="base", model=SIZES))


def save_base(folder: Path, config: Config) -> Path:
    torch.manual_seed(1)
    state = TinyModel(config.model).state_dict()
    save_checkpoint(folder, Checkpoint(0, 0, config.to_table(), state, state, {}))
    return folder


def trainer(base: Path | None, stills: Path, out: Path, config: DualConfig = SMALL) -> Trainer:
    torch.manual_seed(3)
    task = TinyDual(config, load_base(base) if base else None, Places([stills], out, backbone=None))
    return Trainer(task, out, 3, Runtime())


def branched(base: Path) -> TinyModel:
    return branched_model(SIZES, LORA, load_checkpoint(base).ema)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_starts_as_the_base(base: Path, arm: str) -> None:
    torch.manual_seed(0)
    plain = TinyModel(SIZES)
    plain.load_state_dict(load_checkpoint(base).ema)
    model = branched(base)
    restorer = merged_restorer(model, ARMS[arm])
    frame, before = torch.rand(2, 1, 3, 16, 24)
    with torch.no_grad():
        (latent, guide), (latent_prev, guide_prev) = model.encoder(frame), model.encoder(before)
        expected = SingleFrameRestorer(plain.restorer)(latent, guide, latent_prev, guide_prev)
        restored = restorer(latent, guide, latent_prev, guide_prev)
        torch.testing.assert_close(restored, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.decoder(restored, frame), plain.decoder(expected, frame), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_of_a_whole_base_looks_at_the_frame_before_as_it_does(arm: str) -> None:
    torch.manual_seed(2)
    plain = TinyModel(SIZES)
    weights = {name: value.clone() for name, value in plain.state_dict().items()}
    model = branched_model(SIZES, LORA, weights, pairs=True)
    restorer = merged_restorer(model, ARMS[arm], pairs=True)
    frame, before = torch.rand(2, 1, 3, 16, 24)
    with torch.no_grad():
        inputs = (*model.encoder(frame), *model.encoder(before))
        expected = plain.restorer(*inputs)
        torch.testing.assert_close(restorer(*inputs), expected, rtol=1e-5, atol=1e-5)
        alone = plain.restorer(*inputs[:2], *inputs[:2])
    assert not torch.allclose(alone, expected, atol=1e-3), "the base does not look at the frame before"


def test_branches_of_a_whole_base_keep_its_sight_to_the_pack(stills: Path, tmp_path: Path) -> None:
    whole = save_base(tmp_path / "whole", Config(model=SIZES))
    # The first run is resumed without its base, which has to know the same.
    for given in (whole, None):
        trainer(given, stills, tmp_path / "run").run(interval=1, workers=0, until=1 if given else 2)
    command = ["export", "--checkpoint", str(tmp_path / "run"), "--branches", "none", "--out", str(tmp_path / "pack")]
    assert main(command) == 0
    frames = [np.random.default_rng(t).integers(0, 256, (16, 24, 3), dtype=np.uint8) for t in range(2)]
    alone = next(iter(PackRunner(tmp_path / "pack").restore(frames[1:])))
    assert not np.array_equal(alone, list(PackRunner(tmp_path / "pack").restore(frames))[1])


def test_a_base_is_a_run_or_a_pack(base: Path, tmp_path: Path) -> None:
    assert not load_base(base).pairs
    assert load_base(save_base(tmp_path / "whole", Config(model=SIZES))).pairs
    pack = load_base(SHIPPED / "tiny-fp32")
    assert pack.pairs
    model = TinyModel(TinyConfig())
    model.load_state_dict(pack.weights)
    frames = [np.random.default_rng(t).integers(0, 256, (16, 24, 3), dtype=np.uint8) for t in range(2)]
    pictures = list(PackRunner(SHIPPED / "tiny-fp32").restore(frames))
    first, second = (torch.from_numpy(frame).permute(2, 0, 1)[None] / 255.0 for frame in frames)
    with torch.no_grad():
        restored = model.restorer(*model.encoder(second), *model.encoder(first))
        picture = phases_to_picture(model.decoder(restored, second)).clamp(0, 1) * 255.0
    difference = np.abs(picture[0].permute(1, 2, 0).numpy() - pictures[1])
    assert difference.max() <= 1.0
    with pytest.raises(UserError, match="not in fp32"):
        load_base(SHIPPED / "tiny")


def test_stages_train_what_is_theirs(base: Path, stills: Path, tmp_path: Path) -> None:
    run = trainer(base, stills, tmp_path / "run")
    changed: dict[int, set[str]] = {}
    for step in range(7):
        before = {name: value.clone() for name, value in run.model.state_dict().items()}
        run._train_step(run.batches[step])
        run.step += 1
        state = run.model.state_dict()
        changed[step] = {name for name, value in state.items() if not torch.equal(value, before[name])}
    for step in (0, 1, 4, 5):
        assert changed[step], "a consistency step changes nothing"
        assert all(".changes.consistency." in name or ".retrieval." in name for name in changed[step]), step
    for step in (2, 3, 6):
        assert changed[step], "a detail step changes nothing"
        assert all(".changes.detail." in name for name in changed[step]), step
    assert any(name.startswith("restorer.retrieval.") for name in changed[1])
    assert any("conv_in" in name and name.endswith("value") for name in changed[1])
    assert any(name.startswith("decoder.") for name in changed[3])


def test_the_flow_network_is_trained_when_asked(base: Path, stills: Path, tmp_path: Path) -> None:
    config = replace(SMALL, lora=replace(LORA, train_flow=True), flow=1.0, solo=0.0)
    run = trainer(base, stills, tmp_path / "run", config)
    before = {name: value.clone() for name, value in run.model.restorer.flow.state_dict().items()}
    assert "flow" in run._train_step(run.batches[0])
    assert any(not torch.equal(value, before[name]) for name, value in run.model.restorer.flow.state_dict().items())


def test_a_resumed_run_equals_an_uninterrupted_one(base: Path, stills: Path, tmp_path: Path) -> None:
    trainer(base, stills, tmp_path / "whole").run(interval=2, workers=0)
    # Stopped inside the first detail stage, and gone on without being told the base again.
    trainer(base, stills, tmp_path / "parts").run(interval=2, workers=0, until=3)
    trainer(None, stills, tmp_path / "parts").run(interval=2, workers=1)
    whole, parts = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "parts")
    assert parts.step == whole.step == 7
    for name, value in whole.model.items():
        assert torch.equal(value, parts.model[name]), name
        assert torch.equal(whole.ema[name], parts.ema[name]), name


@pytest.fixture
def trained(base: Path, stills: Path, tmp_path: Path) -> Path:
    """A run whose branches have moved far from the base."""
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, learning_rate=0.05))
    trainer(base, stills, tmp_path / "run", config).run(interval=7, workers=0)
    return tmp_path / "run"


def test_arms_differ_and_none_is_the_base(base: Path, trained: Path) -> None:
    torch.manual_seed(0)
    frame, before = torch.rand(2, 1, 3, 16, 24)
    pictures = {}
    for arm in ARMS:
        model = trained_model(load_checkpoint(trained))
        restorer = merged_restorer(model, ARMS[arm])
        with torch.no_grad():
            pictures[arm] = model.decoder(restorer(*model.encoder(frame), *model.encoder(before)), frame)
            alone = model.decoder(restorer(*model.encoder(frame), *model.encoder(frame)), frame)
        # Without the consistency branch the frame before makes no difference.
        assert torch.equal(alone, pictures[arm]) != ARMS[arm].consistency, arm
    for arm, other in itertools.combinations(ARMS, 2):
        assert not torch.allclose(pictures[arm], pictures[other], atol=1e-3), f"{arm} and {other} give the same"
    plain = TinyModel(SIZES)
    plain.load_state_dict(load_checkpoint(base).ema)
    with torch.no_grad():
        latent, guide = plain.encoder(frame)
        restored = SingleFrameRestorer(plain.restorer)(latent, guide, latent, guide)
        torch.testing.assert_close(pictures["none"], plain.decoder(restored, frame))


def test_an_arm_without_a_frame_before_is_a_pack_like_any_other(trained: Path, tmp_path: Path) -> None:
    pack = tmp_path / "none"
    assert main(["export", "--checkpoint", str(trained), "--branches", "none", "--out", str(pack)]) == 0
    frames = [np.random.default_rng(t).integers(0, 256, (21, 34, 3), dtype=np.uint8) for t in range(2)]
    alone = next(iter(PackRunner(pack).restore(frames[1:])))
    assert np.array_equal(alone, list(PackRunner(pack).restore(frames))[1])
    assert tomllib.loads((pack / "pack.toml").read_text())["provenance"]["branches"] == "none"


def test_the_detail_branch_is_merged_at_the_strength_asked_for(trained: Path, tmp_path: Path) -> None:
    frames = [np.random.default_rng(t).integers(0, 256, (16, 24, 3), dtype=np.uint8) for t in range(2)]
    pictures = []
    for branches, strength in (("consistency", "1"), ("both", "0"), ("both", "0.5")):
        pack = tmp_path / f"{branches}{strength}"
        command = ["export", "--checkpoint", str(trained), "--branches", branches, "--detail-strength", strength]
        assert main([*command, "--out", str(pack)]) == 0
        pictures.append(list(PackRunner(pack).restore(frames)))
        assert tomllib.loads((pack / "pack.toml").read_text())["provenance"]["detail_strength"] == strength
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_a_base_has_no_arms(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--checkpoint", str(base), "--branches", "detail", "--out", str(tmp_path / "pack")]) == 1
    assert "has no branches, so no arm 'detail'" in capsys.readouterr().err
    command = ["export", "--checkpoint", str(base), "--detail-strength", "2", "--out", str(tmp_path / "pack")]
    assert main(command) == 1
    assert "has no branches, so no detail to weigh" in capsys.readouterr().err


def test_another_base_is_refused(base: Path, stills: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give the folder of its run with --base"):
        trainer(None, stills, tmp_path / "run")
    trainer(base, stills, tmp_path / "run").run(interval=1, workers=0, until=1)
    other = load_checkpoint(base)
    other.ema["restorer.unet.conv_out.weight"][0, 0] += 1.0
    save_checkpoint(tmp_path / "other", other)
    with pytest.raises(UserError, match="branches of another base"):
        trainer(tmp_path / "other", stills, tmp_path / "run")
    with pytest.raises(UserError, match="without branches"):
        trainer(tmp_path / "run", stills, tmp_path / "more")
    with pytest.raises(UserError, match="another configuration"):
        trainer(base, stills, tmp_path / "run", replace(SMALL, solo=0.0))


def test_a_loss_or_gradient_that_is_not_finite_stops_the_run(base: Path, stills: Path, tmp_path: Path) -> None:
    trainer(base, stills, tmp_path / "run").run(interval=1, workers=0, until=2)
    run = trainer(base, stills, tmp_path / "run")
    with torch.no_grad():
        run.model.encoder.conv_in.weight.fill_(float("nan"))
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
        config = parse_config(path.stem, dual_from_table) if dual else load_config(path.stem)
        stages[path.stem] = config.stage
    assert stages["tiny-base"] == "base"
    assert stages["tiny-dual"] == stages["small"] == stages["sd21"] == "dual"


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


def test_configurations() -> None:
    assert dual_from_table(SMALL.to_table()) == SMALL
    with pytest.raises(ValueError, match="no score to distil"):
        dual_from_table({})
    with pytest.raises(ValueError, match="perceptual_network 'vgg' is none of mobilenet, lpips"):
        dual_from_table({"perceptual_network": "vgg"})
    with pytest.raises(ValueError, match=r"\[lora\] has no rank"):
        dual_from_table({"lora": {"rank": 4}})
    with pytest.raises(ValueError, match="targets: vae is none of"):
        dual_from_table({"lora": {"targets": ["vae"]}})


def test_a_run_from_before_a_setting_came_goes_on(base: Path, stills: Path, tmp_path: Path) -> None:
    trainer(base, stills, tmp_path / "run").run(interval=1, workers=0, until=1)
    older = load_checkpoint(tmp_path / "run")
    del older.config["perceptual_network"]
    del older.config["detail"]["temporal"]
    save_checkpoint(tmp_path / "run", older)
    assert trainer(base, stills, tmp_path / "run").step == 1
    older.config["setting"] = 1
    save_checkpoint(tmp_path / "run", older)
    with pytest.raises(UserError, match="another configuration"):
        trainer(base, stills, tmp_path / "run")


def test_a_full_disk_keeps_the_checkpoint_before(base: Path, stills: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full to write to")
    run = trainer(base, stills, tmp_path / "run")
    run.run(interval=1, workers=0, until=1)
    # What is written to this device meets a full disk.
    (tmp_path / "run" / "latest.pt.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"checkpoint of step 2 could not be written.*the one before it is kept"):
        run.run(interval=1, workers=0)
    assert load_checkpoint(tmp_path / "run").step == 1
    # With room again, the same command goes on.
    trainer(base, stills, tmp_path / "run").run(interval=1, workers=0, until=2)
    assert load_checkpoint(tmp_path / "run").step == 2


def test_a_gradient_that_is_not_finite_reaches_no_checkpoint(
    base: Path, stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(base, stills, tmp_path / "run")
    run.run(interval=1, workers=0, until=1)
    losses = run.task.losses
    run.task.model.restorer.retrieval.query.bias.register_hook(lambda gradient: gradient * float("inf"))
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
