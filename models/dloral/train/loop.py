"""The training loop: resumable, with a progress bar and TensorBoard."""

import math
import time
from pathlib import Path
from typing import Never

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dloral.data.batches import Batch, Batches
from dloral.data.sources import open_sources
from dloral.errors import UserError
from dloral.model.tiny import TinyModel
from dloral.perceptual import PerceptualDistance
from dloral.train.checkpoint import LATEST, Checkpoint, load_checkpoint, save_checkpoint
from dloral.train.config import Config, OptimizerConfig
from dloral.train.init import load_weights, start_from
from dloral.train.step import Losses, training_losses


class Trainer:
    """One training run in one folder; :meth:`run` starts it or goes on where its last checkpoint is."""

    def __init__(self, config: Config, data: list[Path], out: Path, seed: int, backbone: Path | None) -> None:
        self.config, self.out, self.seed = config, out, seed
        torch.manual_seed(seed)
        self.model = TinyModel(config.model).to(memory_format=torch.channels_last)
        self.ema = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), config.optimizer.learning_rate, weight_decay=config.optimizer.weight_decay
        )
        self.step = 0
        self.perceptual = PerceptualDistance(backbone) if config.loss.perceptual > 0.0 else None
        if self.perceptual is not None:
            self.perceptual = self.perceptual.to(memory_format=torch.channels_last)
        shape = config.batch
        sources = open_sources(data, out / "frames", shape.clip_frames, shape.clip_size)
        self.batches = Batches(sources, config.degradation, shape, seed, config.optimizer.steps)
        if (out / LATEST).exists():
            self._resume(load_checkpoint(out))

    def _resume(self, checkpoint: Checkpoint) -> None:
        if checkpoint.config != self.config.to_table() or checkpoint.seed != self.seed:
            raise UserError(
                f"{self.out} holds a run of another configuration or seed: give another --out, or take it away"
            )
        self.model.load_state_dict(checkpoint.model)
        self.ema = checkpoint.ema
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.step = checkpoint.step

    def start_from(self, source: Path) -> None:
        """Take the weights of another run or of a pack; nothing happens to a run that has begun already."""
        if self.step == 0:
            start_from(self.model, load_weights(source), source)
            self.ema = {name: value.clone() for name, value in self.model.state_dict().items()}

    def run(self, interval: int, workers: int, until: int | None = None) -> None:
        """Train to step ``until`` (default: all), with a checkpoint every ``interval`` steps and at the end."""
        total = min(self.config.optimizer.steps, until or self.config.optimizer.steps)
        loader = DataLoader(
            Subset(self.batches, range(self.step, total)), batch_size=None, num_workers=workers, prefetch_factor=4
        )
        with SummaryWriter(str(self.out)) as writer, tqdm(total=total, initial=self.step, unit="step") as bar:
            for batch in loader:
                losses = self._train_step(batch)
                self.step += 1
                bar.update()
                if self.step % 20 == 0:
                    _report(losses, self.step, writer, bar)
                if self.step % interval == 0 or self.step == total:
                    save_checkpoint(self.out, self._checkpoint())

    def _train_step(self, batch: Batch) -> Losses:
        optimizer, settings = self.optimizer, self.config.optimizer
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.step)
        # A stream of its own per step, beside the data's: pairings do not depend on where a run was resumed.
        rng = np.random.default_rng([self.seed, self.step, 1])
        losses = training_losses(self.model, Batch(*batch), self.config.loss, self.perceptual, rng)
        if not math.isfinite(losses.total.item()):
            raise UserError(
                f"the loss is {losses.total.item()} at step {self.step}; the last good checkpoint is kept in "
                f"{self.out}: lower the learning rate, or look at the data"
            )
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        optimizer.step()
        self._average()
        return losses

    @torch.no_grad()
    def _average(self) -> None:
        # Early averages would drag the random start along: the decay grows with the step.
        decay = min(self.config.optimizer.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.ema[name].lerp_(value, 1.0 - decay)

    def _checkpoint(self) -> Checkpoint:
        state: dict[str, Tensor] = self.model.state_dict()
        return Checkpoint(self.step, self.seed, self.config.to_table(), state, self.ema, self.optimizer.state_dict())


def learning_rate(settings: OptimizerConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to a hundredth."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    progress = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def _report(losses: Losses, step: int, writer: SummaryWriter, bar: "tqdm[Never]") -> None:
    values = {name: float(value) for name, value in losses._asdict().items()}
    for name, value in values.items():
        writer.add_scalar(f"loss/{name}", value, step, walltime=time.time())
    bar.set_postfix({name: f"{value:.4f}" for name, value in values.items()}, refresh=False)
