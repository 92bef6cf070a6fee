"""Training the two branches: resumable, with a progress bar and TensorBoard."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dloral.data.batches import Batches
from dloral.data.motion import MotionBatch, MotionBatches
from dloral.data.sources import open_sources
from dloral.errors import UserError
from dloral.model.arms import Arm
from dloral.model.tiny import TinyConfig
from dloral.model.tiny.dual import CONSISTENCY, DETAIL, branched_model, select_arm, stage_parameters
from dloral.perceptual import PerceptualDistance
from dloral.train.checkpoint import LATEST, Checkpoint, load_checkpoint, save_checkpoint
from dloral.train.config import build_part, from_table
from dloral.train.dual.config import DualConfig
from dloral.train.dual.step import StepWeights, dual_losses
from dloral.train.loop import learning_rate


class DualTrainer:
    """One run of Dual LoRA Learning in one folder; :meth:`run` starts it or goes on where its last checkpoint is."""

    def __init__(
        self,
        config: DualConfig,
        base: Checkpoint | None,
        data: list[Path],
        out: Path,
        seed: int,
        backbone: Path | None,
    ) -> None:
        self.config, self.out, self.seed = config, out, seed
        torch.manual_seed(seed)
        resumed = load_checkpoint(out) if (out / LATEST).exists() else None
        self._check(resumed, base)
        if resumed is not None:
            self.sizes, self.base = resumed.config["model"], resumed.base
            self.model = branched_model(build_part(TinyConfig, self.sizes, "model"), config.lora)
            self.model.load_state_dict(resumed.model)
        else:
            assert base is not None, "a run that does not go on has a base"
            self.sizes, self.base = base.config["model"], fingerprint(base.ema)
            self.model = branched_model(from_table(base.config).model, config.lora, base.ema)
        self.model = self.model.to(memory_format=torch.channels_last)
        self.stages = {stage: stage_parameters(self.model, stage, config.lora) for stage in (CONSISTENCY, DETAIL)}
        trained = [parameter for parameters in self.stages.values() for parameter in parameters]
        settings = config.optimizer
        self.optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=settings.weight_decay)
        self.step = 0
        self.ema = {name: value.clone() for name, value in self.model.state_dict().items()}
        if resumed is not None:
            self.step, self.ema = resumed.step, resumed.ema
            self.optimizer.load_state_dict(resumed.optimizer)
        self.perceptual = PerceptualDistance(backbone) if config.schedule.perceptual > 0.0 else None
        if self.perceptual is not None:
            self.perceptual = self.perceptual.to(memory_format=torch.channels_last)
        self.batches = self._batches(data)

    def _check(self, resumed: Checkpoint | None, base: Checkpoint | None) -> None:
        if resumed is None:
            if base is None:
                raise UserError("the branches are trained on a base: give the folder of its run with --base")
            if base.base:
                raise UserError("--base holds branches already: give the run of the base that they were trained on")
            return
        config = {name: value for name, value in resumed.config.items() if name != "model"}
        if config != self.config.to_table() or resumed.seed != self.seed:
            raise UserError(
                f"{self.out} holds a run of another configuration or seed: give another --out, or take it away"
            )
        if base is not None and fingerprint(base.ema) != resumed.base:
            raise UserError(
                f"{self.out} holds branches of another base than --base: they fit only the weights they were trained "
                f"on; give that base, or another --out"
            )

    def _batches(self, data: list[Path]) -> MotionBatches:
        config, shape = self.config, self.config.batch
        sources = open_sources(data, self.out / "frames", shape.clip_frames, shape.clip_size)
        shares = {CONSISTENCY: config.stills.consistency, DETAIL: config.stills.detail}
        batches = {
            stage: Batches(
                sources, config.degradation, replace(shape, still_share=share), self.seed, config.optimizer.steps
            )
            for stage, share in shares.items()
        }
        return MotionBatches(batches, config.schedule.stage)

    def run(self, interval: int, workers: int, until: int | None = None) -> None:
        """Train to step ``until`` (default: all), with a checkpoint every ``interval`` steps and at the end."""
        total = min(self.config.optimizer.steps, until or self.config.optimizer.steps)
        loader = DataLoader(
            Subset(self.batches, range(self.step, total)),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )
        with SummaryWriter(str(self.out)) as writer, tqdm(total=total, initial=self.step, unit="step") as bar:
            for batch in loader:
                losses = self._train_step(MotionBatch(*batch))
                self.step += 1
                bar.update()
                if self.step % 20 == 0:
                    _report(losses, self.config.schedule.stage(self.step - 1), self.step, writer, bar)
                if self.step % interval == 0 or self.step == total:
                    save_checkpoint(self.out, self._checkpoint())

    def _train_step(self, batch: MotionBatch) -> dict[str, Tensor]:
        config = self.config
        stage = config.schedule.stage(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config.optimizer, self.step)
        for name, parameters in self.stages.items():
            for parameter in parameters:
                parameter.requires_grad_(name == stage)
        # A stream of its own per step, beside the data's: nothing depends on where a run was resumed.
        rng = np.random.default_rng([self.seed, self.step, 1])
        alone = bool(rng.random() < config.solo)
        arm = Arm(consistency=stage == CONSISTENCY or not alone, detail=stage == DETAIL or not alone)
        select_arm(self.model, arm)
        mix = config.schedule.mix(self.step)
        weights = StepWeights(
            config.schedule.weights(self.step), config.consistency.blend(config.detail, mix), config.flow
        )
        losses = dual_losses(self.model, batch, arm, weights, self.perceptual, rng)
        self._descend(losses["total"], self.stages[stage])
        return losses

    def _descend(self, loss: Tensor, parameters: list[nn.Parameter]) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters, self.config.optimizer.clip)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise UserError(
                f"the loss is {loss.item()}, its gradient {norm.item()}, at step {self.step}; the last good checkpoint "
                f"is kept in {self.out}: lower the learning rate, or look at the data"
            )
        self.optimizer.step()
        self._average(parameters)

    @torch.no_grad()
    def _average(self, parameters: list[nn.Parameter]) -> None:
        decay = min(self.config.optimizer.ema, (1 + self.step) / (10 + self.step))
        chosen = set(map(id, parameters))
        for name, value in self.model.named_parameters():
            if id(value) in chosen:
                self.ema[name].lerp_(value, 1.0 - decay)

    def _checkpoint(self) -> Checkpoint:
        config: dict[str, Any] = {**self.config.to_table(), "model": self.sizes}
        state = self.model.state_dict()
        return Checkpoint(self.step, self.seed, config, state, self.ema, self.optimizer.state_dict(), self.base)


def fingerprint(weights: dict[str, Tensor]) -> str:
    """SHA-256 of weights by name, which tells one base from another."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _report(losses: dict[str, Tensor], stage: str, step: int, writer: SummaryWriter, bar: "tqdm[Never]") -> None:
    values = {name: float(value) for name, value in losses.items()}
    for name, value in values.items():
        writer.add_scalar(f"loss/{name}", value, step, walltime=time.time())
    writer.add_scalar("stage", float(stage == DETAIL), step, walltime=time.time())
    bar.set_postfix({"stage": stage, **{name: f"{value:.4f}" for name, value in values.items()}}, refresh=False)
