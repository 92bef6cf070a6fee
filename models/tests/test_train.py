"""Training: a resumed run equals an uninterrupted one, bad losses stop it, and what it leaves can be exported."""

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

tomli_w = pytest.importorskip("tomli_w", reason="packs are written with tomli-w: pip install -e 'models[train]'")
torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")
pytest.importorskip("tensorboard", reason="training logs to TensorBoard: pip install -e 'models[train]'")
pytest.importorskip("av", reason="videos are read with PyAV: pip install -e 'models[train]'")

from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from dloral.cli import main  # noqa: E402
from dloral.data.batches import Batch, BatchShape  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export.command import _commit  # noqa: E402
from dloral.export.tiny import tiny_parts  # noqa: E402
from dloral.model.arms import ARMS  # noqa: E402
from dloral.model.tiny import TinyConfig, TinyModel  # noqa: E402
from dloral.model.tiny.codec import phases_to_picture  # noqa: E402
from dloral.runner import PackRunner  # noqa: E402
from dloral.train.base import TinyBase  # noqa: E402
from dloral.train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from dloral.train.config import Config, OptimizerConfig, from_table, load_config  # noqa: E402
from dloral.train.init import start_from  # noqa: E402
from dloral.train.loop import Trainer, learning_rate  # noqa: E402
from dloral.train.runtime import Precision, Runtime  # noqa: E402
from dloral.train.step import LossWeights  # noqa: E402
from dloral.train.task import Places  # noqa: E402
from dloral.train.windows import perceptual_crop  # noqa: E402

# Networks this small gain nothing from threads, and on a busy machine they wait for each other.
torch.set_num_threads(1)

Step = Callable[[Batch], dict[str, Tensor]]

SMALL = Config(
    model=TinyConfig(
        encoder_width=8,
        flow_width=8,
        unet_widths=(16, 16),
        unet_expansions=(16, 16),
        unet_depths=(1, 1, 1),
        decoder_width=16,
        decoder_expansion=16,
        decoder_up_width=16,
        decoder_up_expansion=16,
    ),
    batch=BatchShape(size=2, patch=16, windows_per_clip=2, clip_frames=3, clip_size=256),
    loss=LossWeights(perceptual=0.0),
    optimizer=OptimizerConfig(steps=4, warmup=2),
)


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "noise.png"), cv2.resize(picture, (300, 300), interpolation=cv2.INTER_CUBIC))
    return folder


def trainer_of(config: Config, stills: Path, out: Path, seed: int = 3) -> Trainer:
    torch.manual_seed(seed)
    return Trainer(TinyBase(config, Places([stills], out, backbone=None)), out, seed, Runtime())


def train(config: Config, stills: Path, out: Path, interval: int = 2) -> None:
    trainer_of(config, stills, out).run(interval, workers=1)


def stop_after(steps: int, train_step: Step) -> Step:
    """A training step that is interrupted when it is called for the ``steps``-th time."""
    count = 0

    def step(batch: Batch) -> dict[str, Tensor]:
        nonlocal count
        count += 1
        if count == steps:
            raise KeyboardInterrupt
        return train_step(batch)

    return step


def test_a_resumed_run_equals_an_uninterrupted_one(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(SMALL, stills, tmp_path / "whole")
    whole = load_checkpoint(tmp_path / "whole")

    stopped = trainer_of(SMALL, stills, tmp_path / "parts")
    monkeypatch.setattr(stopped, "_train_step", stop_after(3, stopped._train_step))
    with pytest.raises(KeyboardInterrupt):
        stopped.run(interval=2, workers=1)
    assert load_checkpoint(tmp_path / "parts").step == 2
    train(SMALL, stills, tmp_path / "parts")
    parts = load_checkpoint(tmp_path / "parts")

    assert parts.step == whole.step == 4
    for name, value in whole.model.items():
        assert torch.equal(value, parts.model[name]), name
        assert torch.equal(whole.ema[name], parts.ema[name]), name


def test_training_lowers_the_loss(stills: Path, tmp_path: Path) -> None:
    config = replace(SMALL, optimizer=OptimizerConfig(steps=60, warmup=5, learning_rate=3e-3))
    trainer = trainer_of(config, stills, tmp_path / "run", seed=0)
    batch = trainer.batches[0]
    losses = []
    for _ in range(60):
        losses.append(trainer._train_step(batch)["total"].item())
        trainer.step += 1
    assert min(losses[-5:]) < 0.9 * losses[0]


def test_a_run_stops_where_it_is_told_to(stills: Path, tmp_path: Path) -> None:
    trainer = trainer_of(SMALL, stills, tmp_path / "run")
    for until in (0, 1, 1, 3):
        trainer.run(interval=2, workers=0, until=until)
        assert trainer.step == until


def test_an_interval_is_a_step_at_least(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--data", "nowhere", "--out", "nowhere", "--interval", "0"])
    assert stopped.value.code == 2
    assert "--interval: 0: it has to be a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_perceptual_loss_has_the_precision_of_the_run(precision: Precision) -> None:
    runtime = Runtime(precision)
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 8, 3).to(runtime.device)

    def distance(ours: Tensor, theirs: Tensor) -> Tensor:
        return (network(ours) - network(theirs)).abs()

    output, clean = torch.rand(2, 1, 3, 24, 24).to(runtime.device)
    twice = torch.cat([output, output]), torch.cat([clean, clean])
    got = perceptual_crop(distance, *twice, np.random.default_rng(0), runtime)
    exact = distance(output, clean).mean()
    with torch.autocast(runtime.device.type, torch.bfloat16):
        rounded = distance(output, clean).float().mean()
    assert not torch.equal(exact, rounded)
    assert torch.equal(got, exact if precision == "fp32" else rounded)


def test_a_run_of_another_configuration_is_not_resumed(stills: Path, tmp_path: Path) -> None:
    train(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), stills, tmp_path / "run")
    with pytest.raises(UserError, match="another configuration"):
        trainer_of(SMALL, stills, tmp_path / "run")


def test_a_run_on_other_data_or_in_another_precision_is_not_resumed(stills: Path, tmp_path: Path) -> None:
    train(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), stills, tmp_path / "run")
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2))
    places = Places([stills], tmp_path / "run", None)
    with pytest.raises(UserError, match=r"another precision, .* --init"):
        Trainer(TinyBase(config, places), tmp_path / "run", seed=3, runtime=Runtime("fp32"))
    moved = tmp_path / "elsewhere"
    shutil.copytree(stills, moved)
    train(config, moved, tmp_path / "run")  # the same data at another place
    shutil.copy(next(moved.iterdir()), moved / "one_more.png")
    with pytest.raises(UserError, match=r"another data, .* --init"):
        train(config, moved, tmp_path / "run")


def test_curves_that_cannot_be_written_stop_the_run_with_the_step(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", full)
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, steps=20))
    with pytest.raises(UserError, match=r"curves of step 20 could not be written .*No space left"):
        train(config, stills, tmp_path / "run", interval=10)
    assert load_checkpoint(tmp_path / "run").step == 10


def test_weights_that_are_not_finite_are_not_exported(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(SMALL, stills, tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")
    checkpoint.ema["decoder.conv_out.weight"][0] = float("nan")
    save_checkpoint(tmp_path / "run", checkpoint)
    assert main(["export", "--checkpoint", str(tmp_path / "run"), "--out", str(tmp_path / "pack")]) == 1
    assert re.search(r"the decoder's \S*conv_out\.weight holds values that are not finite", capsys.readouterr().err)
    assert not (tmp_path / "pack").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(stills: Path, tmp_path: Path) -> None:
    train(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), stills, tmp_path / "run")
    trainer = trainer_of(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), stills, tmp_path / "run")
    with torch.no_grad():
        trainer.model.encoder.conv_in.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"the loss is nan and .* at step 2; the last good checkpoint is kept"):
        trainer._train_step(trainer.batches[0])
    assert all(torch.isfinite(value).all() for value in load_checkpoint(tmp_path / "run").model.values())


def test_what_training_leaves_can_be_exported_and_run(stills: Path, tmp_path: Path) -> None:
    train(SMALL, stills, tmp_path / "run")
    pack = tmp_path / "pack"
    assert (
        main(["export", "--checkpoint", str(tmp_path / "run"), "--out", str(pack), "--provenance", "data=noise"]) == 0
    )
    assert main(["inspect", str(pack)]) == 0
    frames = [np.random.default_rng(t).integers(0, 256, (21, 34, 3), dtype=np.uint8) for t in range(2)]
    assert [picture.shape for picture in PackRunner(pack).restore(frames)] == [(84, 136, 3)] * 2
    text = b"".join(file.read_bytes() for file in pack.iterdir())
    assert b".py" not in text.replace(b"make_packs.py", b""), "the exporter's notes name files of this machine"


def test_the_decoder_s_sums_stay_in_blocks_of_channels(stills: Path, tmp_path: Path) -> None:
    train(SMALL, stills, tmp_path / "run")
    assert main(["export", "--checkpoint", str(tmp_path / "run"), "--out", str(tmp_path / "pack")]) == 0
    nodes = onnx.load(tmp_path / "pack" / "decoder.onnx").graph.node
    upsampled = [node.output[0] for node in nodes if node.op_type == "ConvTranspose"]
    assert len(upsampled) == 1
    assert [node.op_type for node in nodes if upsampled[0] in node.input] == ["MaxPool"]


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _commit() == "unknown"


def test_no_half_pack_is_left(stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(SMALL, stills, tmp_path / "run")
    monkeypatch.setattr("dloral.export.pack._close", lambda *_: (_ for _ in ()).throw(UserError("differs")))
    assert main(["export", "--checkpoint", str(tmp_path / "run"), "--out", str(tmp_path / "pack")]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "stills"]


def test_learning_rate() -> None:
    settings = OptimizerConfig(steps=100, learning_rate=1.0, warmup=10)
    assert learning_rate(settings, 0) == pytest.approx(0.1)
    assert learning_rate(settings, 10) == pytest.approx(1.0)
    assert learning_rate(settings, 55) == pytest.approx(0.01 + 0.99 * 0.5)
    assert learning_rate(settings, 100) == pytest.approx(0.01)


def test_configurations() -> None:
    config = load_config("tiny")
    assert from_table(config.to_table()) == config
    with pytest.raises(ValueError, match=r"\[loss\] has no lpips"):
        from_table({"loss": {"lpips": 1.0}})
    with pytest.raises(UserError, match=r"no configuration .*give one of .*, tiny,"):
        load_config("unknown")


def test_missing_and_foreign_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint at"):
        load_checkpoint(tmp_path)
    (tmp_path / "latest.pt").write_bytes(b"not one")
    with pytest.raises(UserError, match="refused, because it is no plain pickle of tensors"):
        load_checkpoint(tmp_path)


def test_a_run_starts_from_a_pack_with_blocks_added(stills: Path, tmp_path: Path) -> None:
    train(SMALL, stills, tmp_path / "run")
    assert main(["export", "--checkpoint", str(tmp_path / "run"), "--out", str(tmp_path / "pack")]) == 0
    deeper = replace(SMALL, model=replace(SMALL.model, unet_depths=(1, 2, 1), decoder_out_depth=2))
    trainer = trainer_of(deeper, stills, tmp_path / "deeper", seed=0)
    trainer.start_from(tmp_path / "pack")

    trained = TinyModel(SMALL.model)
    trained.load_state_dict(load_checkpoint(tmp_path / "run").ema)
    frame = torch.rand(1, 3, 24, 28)
    with torch.no_grad():
        results = []
        for model in (trained, trainer.model):
            latent, guide = model.encoder(frame)
            results.append(model.decoder(model.restorer(latent, guide, latent, guide), frame))
    assert torch.allclose(results[0], results[1], atol=1e-5)


def test_the_16_phases_of_an_earlier_decoder_become_the_mean_of_each_four() -> None:
    state = TinyModel(SMALL.model).state_dict()
    weights = {name: value.clone() for name, value in state.items()}
    width = SMALL.model.decoder_up_width
    weights["decoder.conv_out.weight"] = torch.rand(48, width, 1, 1)
    weights["decoder.conv_out.bias"] = torch.rand(48)
    start_from(state, weights, Path("earlier"))

    x = torch.rand(1, width, 3, 4)
    earlier = functional.conv2d(x, weights["decoder.conv_out.weight"], weights["decoder.conv_out.bias"])
    residual = functional.conv2d(x, state["decoder.conv_out.weight"], state["decoder.conv_out.bias"])
    doubled = residual.reshape(1, 3, 2, 2, 3, 4).permute(0, 1, 4, 2, 5, 3).reshape(1, 3, 6, 8)
    torch.testing.assert_close(doubled, functional.avg_pool2d(phases_to_picture(earlier), 2))


def test_weights_that_do_not_fit_are_refused(stills: Path, tmp_path: Path) -> None:
    train(SMALL, stills, tmp_path / "run")
    wider = replace(SMALL, model=replace(SMALL.model, decoder_width=24))
    trainer = trainer_of(wider, stills, tmp_path / "wider", seed=0)
    with pytest.raises(UserError, match=r"does not fit this configuration.*decoder"):
        trainer.start_from(tmp_path / "run")


def test_a_pack_in_8_bits_is_no_start(stills: Path, tmp_path: Path) -> None:
    trainer = trainer_of(SMALL, stills, tmp_path / "run", seed=0)
    with pytest.raises(UserError, match="is not in fp32"):
        trainer.start_from(Path(__file__).resolve().parents[1] / "tiny")


def test_a_base_restores_single_frames_and_learns_flow_beside(stills: Path, tmp_path: Path) -> None:
    config = replace(SMALL, stage="base")
    trainer = trainer_of(config, stills, tmp_path / "run")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run(interval=4, workers=0)
    changed = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    for part in ("encoder.", "restorer.flow.", "restorer.unet.", "decoder."):
        assert any(name.startswith(part) for name in changed), part
    assert not any(name.startswith("restorer.retrieval.") for name in changed)
    # What it is exported as does not look at the frame before.
    parts = tiny_parts(load_checkpoint(tmp_path / "run"), ARMS["both"], "base", {}, {})
    latent, guide, other = torch.rand(1, 16, 8, 8), torch.rand(1, 3, 8, 8), torch.rand(1, 16, 8, 8)
    assert torch.equal(parts.restorer(latent, guide, other, guide), parts.restorer(latent, guide, latent, guide))


def test_processes_train_as_one(stills: Path, tmp_path: Path) -> None:
    """Two processes see two batches a step, end with the same weights, and leave one checkpoint."""
    config = tmp_path / "small.toml"
    config.write_text(tomli_w.dumps(plain(SMALL.to_table())))
    script = "import sys; from dloral.cli import main; sys.exit(main(sys.argv[1:]))"
    options = ["train", "--config", str(config), "--data", str(stills), "--out", str(tmp_path / "run"), "--seed", "3"]
    options += ["--workers", "0", "--threads", "1", "--interval", "4"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, *options],
            env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
        )
        for rank in ("0", "1")
    ]
    for process in processes:
        assert process.wait(timeout=240) == 0, process.communicate()[1].decode()[-2000:]
    both = load_checkpoint(tmp_path / "run")
    assert both.step == 4

    # The same by hand: the mean of the gradients of batches 0 and 1, of 2 and 3, …
    alone = trainer_of(SMALL, stills, tmp_path / "alone")
    alone.runtime.processes = 2
    alone.batches.steps = 8
    for step in range(4):
        gradients = []
        for rank in (0, 1):
            alone.step, alone.runtime.rank = step, rank
            rng = np.random.default_rng([3, step * 2 + rank, 1])
            alone.optimizer.zero_grad()
            alone.task.losses(alone.batches[step * 2 + rank], step, rng)["total"].backward()
            gradients.append([parameter.grad.clone() for parameter in alone.model.parameters()])
        for parameter, *pair in zip(alone.model.parameters(), *gradients, strict=True):
            parameter.grad = torch.stack(pair).mean(dim=0)
        torch.nn.utils.clip_grad_norm_(alone.model.parameters(), SMALL.optimizer.clip)
        for group in alone.optimizer.param_groups:
            group["lr"] = learning_rate(SMALL.optimizer, step)
        alone.optimizer.step()
    for name, value in alone.model.state_dict().items():
        torch.testing.assert_close(both.model[name], value, rtol=1e-4, atol=1e-5, msg=name)


def plain(table: dict[str, object]) -> dict[str, object]:
    """With lists in the place of tuples, as TOML has them."""
    return {
        key: plain(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for key, value in table.items()
    }
