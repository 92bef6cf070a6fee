"""The training loop of every configuration: resumable, with a progress bar and TensorBoard."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from dloral.errors import UserError
from dloral.train.checkpoint import LATEST, Checkpoint, load_checkpoint, save_checkpoint
from dloral.train.config import OptimizerConfig
from dloral.train.curves import Curves
from dloral.train.init import start_from
from dloral.train.runtime import Runtime
from dloral.train.task import Task


class Trainer:
    """One training run in one folder; :meth:`run` starts it or goes on where its last checkpoint is."""

    def __init__(self, task: Task, out: Path, seed: int, runtime: Runtime) -> None:
        self.task, self.out, self.seed, self.runtime = task, out, seed, runtime
        task.place(runtime)
        self.model = task.model
        settings = task.optimizer
        optimizer = torch.optim.AdamW(task.trained(), settings.learning_rate, weight_decay=settings.weight_decay)
        self.optimizer = runtime.prepare(optimizer)
        self.step = 0
        self.setting = {"precision": runtime.precision, "number of processes": str(runtime.processes), **task.setting()}
        self.ema = {name: value.clone() for name, value in task.state().items()}
        if (out / LATEST).exists():
            self._resume(load_checkpoint(out))
        with runtime.main_first():
            self.batches = task.batches(seed, runtime.processes)

    def _resume(self, checkpoint: Checkpoint) -> None:
        if checkpoint.base != self.task.base:
            raise UserError(
                f"{self.out} holds branches of another base than --base: they fit only the weights they were trained "
                f"on; give that base, or another --out"
            )
        if not self._configured_alike(checkpoint) or checkpoint.seed != self.seed:
            raise UserError(
                f"{self.out} holds a run of another configuration or seed: give another --out, or take it away"
            )
        task_state = self.task.state()
        for name, value in self.setting.items():
            if (checkpoint.setting or {}).get(name, value) != value:
                raise UserError(
                    f"{self.out} holds a run with another {name}, and would not go on as it began: give the same "
                    f"again, or another --out and this run's weights with --init"
                )
        if checkpoint.model.keys() != task_state.keys():
            raise UserError(f"{self.out} holds a run of other networks: give another --out, or take it away")
        self.model.load_state_dict(checkpoint.model, strict=False)
        self.ema = {name: value.to(self.runtime.device) for name, value in checkpoint.ema.items()}
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.step = checkpoint.step

    def _configured_alike(self, checkpoint: Checkpoint) -> bool:
        try:
            return self.task.normalised(checkpoint.config) == self.task.to_table()
        except (TypeError, ValueError):
            return False

    def start_from(self, source: Path) -> None:
        """Take the weights of another run; nothing happens to a run that has begun already."""
        if self.step == 0:
            start_from(self.task.state(), source)
            self.ema = {name: value.clone() for name, value in self.task.state().items()}

    def run(self, interval: int, workers: int, until: int | None = None) -> None:
        """Train to step ``until`` (default: all), with a checkpoint every ``interval`` steps and at the end."""
        total = min(self.task.optimizer.steps, self.task.optimizer.steps if until is None else until)
        runtime = self.runtime
        mine = range(self.step * runtime.processes + runtime.rank, total * runtime.processes, runtime.processes)
        loader = DataLoader(
            Subset(self.batches, mine),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=runtime.device.type == "cuda",
        )
        curves = Curves(self.out, self.step) if runtime.main else None
        with tqdm(total=total, initial=self.step, unit="step", disable=not runtime.main) as bar:
            for batch in loader:
                losses = self._train_step(batch)
                self.step += 1
                bar.update()
                if curves is not None and self.step % 20 == 0:
                    values = {name: float(value.detach()) for name, value in losses.items()}
                    curves.add(values, self.step)
                    bar.set_postfix({name: f"{value:.4f}" for name, value in values.items()}, refresh=False)
                if self.step % interval == 0 or self.step == total:
                    self._save()
        if curves is not None:
            curves.close()

    def _train_step(self, batch: Any) -> dict[str, Tensor]:
        settings, runtime = self.task.optimizer, self.runtime
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.step)
        parameters = self.task.prepare(self.step)
        # A stream of its own per step, beside the data's: nothing depends on where a run was resumed.
        rng = np.random.default_rng([self.seed, self.step * runtime.processes + runtime.rank, 1])
        losses = self.task.losses(runtime.place(batch), self.step, rng)
        self.optimizer.zero_grad(set_to_none=True)
        norm = runtime.backward(losses["total"], parameters, settings.clip)
        # fp16's scaler looks for a scale that the gradients fit; what is not finite for it says nothing yet.
        if not torch.isfinite(losses["total"]) or (runtime.precision != "fp16" and not torch.isfinite(norm)):
            raise UserError(
                f"the loss is {losses['total'].item():.4g} and its gradient {norm.item():.4g} at step {self.step}; the "
                f"last good checkpoint is kept in {self.out}: lower the learning rate, or look at the data"
            )
        self.optimizer.step()
        if not runtime.skipped():
            self._average(parameters)
        return losses

    @torch.no_grad()
    def _average(self, parameters: list[nn.Parameter]) -> None:
        # Early averages would drag the start along: the decay grows with the step.
        decay = min(self.task.optimizer.ema, (1 + self.step) / (10 + self.step))
        changed = set(map(id, parameters))
        for name, value in self.model.named_parameters():
            if id(value) in changed:
                self.ema[name].lerp_(value, 1.0 - decay)

    def _save(self) -> None:
        self.runtime.wait()
        if self.runtime.main:
            state = self.task.state()
            config, optimizer = self.task.to_table(), self.optimizer.state_dict()
            base, setting = self.task.base, self.setting
            save_checkpoint(
                self.out, Checkpoint(self.step, self.seed, config, state, self.ema, optimizer, base, setting)
            )


def learning_rate(settings: OptimizerConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to a hundredth."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    progress = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))
