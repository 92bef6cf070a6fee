"""Training: a resumed run equals an uninterrupted one, and bad losses stop it."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

tomli_w = pytest.importorskip("tomli_w", reason="packs are written with tomli-w: pip install -e 'models[train]'")
torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")
pytest.importorskip("tensorboard", reason="training logs to TensorBoard: pip install -e 'models[train]'")
pytest.importorskip("av", reason="videos are read with PyAV: pip install -e 'models[train]'")

from caches import noise_cache  # noqa: E402
from torch import Tensor  # noqa: E402

from dloral.bases.run import base_of_run  # noqa: E402
from dloral.bases.store import load_base  # noqa: E402
from dloral.cli import main  # noqa: E402
from dloral.data.batches import BatchShape  # noqa: E402
from dloral.data.taught import TaughtBatch  # noqa: E402
from dloral.errors import UserError  # noqa: E402
from dloral.export.command import _commit  # noqa: E402
from dloral.train.base import BaseTask  # noqa: E402
from dloral.train.base_config import BaseConfig, base_from_table  # noqa: E402
from dloral.train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from dloral.train.config import OptimizerConfig, parse_config  # noqa: E402
from dloral.train.dual.flow_source import flow_weights  # noqa: E402
from dloral.train.loop import Trainer, learning_rate  # noqa: E402
from dloral.train.runtime import Precision, Runtime  # noqa: E402
from dloral.train.task import Places  # noqa: E402
from dloral.train.terms import AuxLossWeights  # noqa: E402
from dloral.train.windows import perceptual_crop  # noqa: E402

# Networks this small gain nothing from threads, and on a busy machine they wait for each other.
torch.set_num_threads(1)

Step = Callable[[TaughtBatch], dict[str, Tensor]]

SMALL = BaseConfig(
    perceptual=0.0,
    windows=2,
    text_share=0.2,
    loss=AuxLossWeights(teacher=1.0, pixel=0.5, temporal=0.1),
    batch=BatchShape(size=2, patch=16, windows_per_clip=2),
    optimizer=OptimizerConfig(steps=4, warmup=2),
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return noise_cache(tmp_path / "cache").folder


def trainer_of(config: BaseConfig, cache: Path, out: Path, seed: int = 3) -> Trainer:
    torch.manual_seed(seed)
    return Trainer(BaseTask(config, Places([cache], out, backbone=None)), out, seed, Runtime())


def train(config: BaseConfig, cache: Path, out: Path, interval: int = 2) -> None:
    trainer_of(config, cache, out).run(interval, workers=1)


def stop_after(steps: int, train_step: Step) -> Step:
    """A training step that is interrupted when it is called for the ``steps``-th time."""
    count = 0

    def step(batch: TaughtBatch) -> dict[str, Tensor]:
        nonlocal count
        count += 1
        if count == steps:
            raise KeyboardInterrupt
        return train_step(batch)

    return step


def test_a_resumed_run_equals_an_uninterrupted_one(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(SMALL, cache, tmp_path / "whole")
    whole = load_checkpoint(tmp_path / "whole")

    stopped = trainer_of(SMALL, cache, tmp_path / "parts")
    monkeypatch.setattr(stopped, "_train_step", stop_after(3, stopped._train_step))
    with pytest.raises(KeyboardInterrupt):
        stopped.run(interval=2, workers=1)
    assert load_checkpoint(tmp_path / "parts").step == 2
    train(SMALL, cache, tmp_path / "parts")
    parts = load_checkpoint(tmp_path / "parts")

    assert parts.step == whole.step == 4
    for name, value in whole.model.items():
        assert torch.equal(value, parts.model[name]), name
        assert torch.equal(whole.ema[name], parts.ema[name]), name


def test_training_lowers_the_loss(cache: Path, tmp_path: Path) -> None:
    config = replace(SMALL, optimizer=OptimizerConfig(steps=60, warmup=5, learning_rate=3e-3))
    trainer = trainer_of(config, cache, tmp_path / "run", seed=0)
    batch = trainer.batches[0]
    losses = []
    for _ in range(60):
        losses.append(trainer._train_step(batch)["total"].item())
        trainer.step += 1
    assert min(losses[-5:]) < 0.9 * losses[0]


def test_a_run_stops_where_it_is_told_to(cache: Path, tmp_path: Path) -> None:
    trainer = trainer_of(SMALL, cache, tmp_path / "run")
    for until in (0, 1, 1, 3):
        trainer.run(interval=2, workers=0, until=until)
        assert trainer.step == until


def test_an_interval_is_a_step_at_least(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--config", "tiny-base", "--data", "nowhere", "--out", "nowhere", "--interval", "0"])
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


def test_a_run_of_another_configuration_is_not_resumed(cache: Path, tmp_path: Path) -> None:
    train(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), cache, tmp_path / "run")
    with pytest.raises(UserError, match="another configuration"):
        trainer_of(SMALL, cache, tmp_path / "run")


def test_curves_that_cannot_be_written_stop_the_run_with_the_step(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", full)
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, steps=20))
    with pytest.raises(UserError, match=r"curves of step 20 could not be written .*No space left"):
        train(config, cache, tmp_path / "run", interval=10)
    assert load_checkpoint(tmp_path / "run").step == 10


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(cache: Path, tmp_path: Path) -> None:
    train(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), cache, tmp_path / "run")
    trainer = trainer_of(replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2)), cache, tmp_path / "run")
    with torch.no_grad():
        trainer.model.network.encoder.conv_in.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"the loss is nan and .* at step 2; the last good checkpoint is kept"):
        trainer._train_step(trainer.batches[0])
    assert all(torch.isfinite(value).all() for value in load_checkpoint(tmp_path / "run").model.values())


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _commit() == "unknown"


def test_learning_rate() -> None:
    settings = OptimizerConfig(steps=100, learning_rate=1.0, warmup=10)
    assert learning_rate(settings, 0) == pytest.approx(0.1)
    assert learning_rate(settings, 10) == pytest.approx(1.0)
    assert learning_rate(settings, 55) == pytest.approx(0.01 + 0.99 * 0.5)
    assert learning_rate(settings, 100) == pytest.approx(0.01)


def test_a_run_on_another_teacher_or_in_another_precision_is_not_resumed(cache: Path, tmp_path: Path) -> None:
    config = replace(SMALL, optimizer=replace(SMALL.optimizer, steps=2))
    train(config, cache, tmp_path / "run")
    places = Places([cache], tmp_path / "run", None)
    with pytest.raises(UserError, match=r"another precision, .* --init"):
        Trainer(BaseTask(config, places), tmp_path / "run", seed=3, runtime=Runtime("fp32"))
    moved = cache.rename(tmp_path / "elsewhere")
    train(config, moved, tmp_path / "run")  # the same cache at another place
    other = noise_cache(tmp_path / "other", base="another").folder
    with pytest.raises(UserError, match=r"another teacher, .* --init"):
        train(config, other, tmp_path / "run")
    with pytest.raises(UserError, match="one folder, the teacher's cache"):
        BaseTask(config, Places([moved, other], tmp_path / "more", None))


def test_a_base_and_the_flow_network_learn_and_are_kept(cache: Path, tmp_path: Path) -> None:
    trainer = trainer_of(SMALL, cache, tmp_path / "run")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run(interval=4, workers=0)
    changed = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    for part in ("network.encoder.", "network.body.", "network.decoder.", "flow."):
        assert any(name.startswith(part) for name in changed), part
    assert not any(name.startswith(("retrieval.", "fuse.")) for name in changed)
    base_of_run(tmp_path / "run", tmp_path / "base")
    averaged = load_checkpoint(tmp_path / "run").ema
    for name, value in load_base(tmp_path / "base").network.state_dict().items():
        assert torch.equal(value, averaged[f"network.{name}"])
    for name, value in flow_weights(tmp_path / "run").items():
        assert torch.equal(value, averaged[f"flow.{name}"])


def test_a_run_starts_from_another_of_the_same_networks(cache: Path, tmp_path: Path) -> None:
    train(SMALL, cache, tmp_path / "run")
    trainer = trainer_of(SMALL, cache, tmp_path / "more", seed=9)
    trainer.start_from(tmp_path / "run")
    averaged = load_checkpoint(tmp_path / "run").ema
    assert all(torch.equal(value, averaged[name]) for name, value in trainer.task.state().items())
    other = load_checkpoint(tmp_path / "run")
    del other.ema["network.encoder.conv_in.bias"]
    save_checkpoint(tmp_path / "other", other)
    with pytest.raises(UserError, match=r"does not fit this configuration.*network\.encoder\.conv_in\.bias"):
        trainer.start_from(tmp_path / "other")


def test_configurations() -> None:
    config = parse_config("tiny-base", base_from_table)
    assert base_from_table(config.to_table()) == config
    with pytest.raises(ValueError, match=r"\[loss\] has no lpips"):
        base_from_table({"loss": {"lpips": 1.0}})
    with pytest.raises(ValueError, match="unknown colour"):
        base_from_table({"colour": 1})
    with pytest.raises(UserError, match=r"no configuration .*give one of .*, tiny-base"):
        parse_config("unknown", base_from_table)


def test_missing_and_foreign_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint at"):
        load_checkpoint(tmp_path)
    (tmp_path / "latest.pt").write_bytes(b"not one")
    with pytest.raises(UserError, match="refused, because it is no plain pickle of tensors"):
        load_checkpoint(tmp_path)


def test_processes_train_as_one(cache: Path, tmp_path: Path) -> None:
    """Two processes see two batches a step, end with the same weights, and leave one checkpoint."""
    config = tmp_path / "small.toml"
    config.write_text(tomli_w.dumps(plain(SMALL.to_table())))
    script = "import sys; from dloral.cli import main; sys.exit(main(sys.argv[1:]))"
    options = ["train", "--config", str(config), "--data", str(cache), "--out", str(tmp_path / "run"), "--seed", "3"]
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
    alone = trainer_of(SMALL, cache, tmp_path / "alone")
    alone.runtime.processes = 2
    alone.batches.steps = 8
    for step in range(4):
        gradients = []
        for rank in (0, 1):
            alone.step, alone.runtime.rank = step, rank
            rng = np.random.default_rng([3, step * 2 + rank, 1])
            alone.optimizer.zero_grad()
            alone.task.losses(alone.batches[step * 2 + rank], step, rng)["total"].backward()
            gradients.append([parameter.grad.clone() for parameter in alone.task.trained()])
        for parameter, *pair in zip(alone.task.trained(), *gradients, strict=True):
            parameter.grad = torch.stack(pair).mean(dim=0)
        torch.nn.utils.clip_grad_norm_(alone.task.trained(), SMALL.optimizer.clip)
        for group in alone.optimizer.param_groups:
            group["lr"] = learning_rate(SMALL.optimizer, step)
        alone.optimizer.step()
    for name, value in alone.task.state().items():
        torch.testing.assert_close(both.model[name], value, rtol=1e-4, atol=1e-5, msg=name)


def plain(table: dict[str, object]) -> dict[str, object]:
    """With lists in the place of tuples, as TOML has them."""
    return {
        key: plain(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for key, value in table.items()
    }
