"""Dual LoRA Learning of the tiny configuration, as a task of the training loop."""

from dataclasses import replace
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn

from dloral.data.batches import Batches
from dloral.data.motion import MotionBatch, MotionBatches
from dloral.data.sources import listing, open_sources
from dloral.errors import UserError
from dloral.model.arms import Arm
from dloral.model.branches import CONSISTENCY, DETAIL
from dloral.model.tiny import TinyConfig
from dloral.model.tiny.dual import branched_model, select_arm, stage_parameters
from dloral.train.checkpoint import LATEST, Checkpoint, load_checkpoint
from dloral.train.dual.base import PAIRS, Base, sees_pairs
from dloral.train.dual.config import DualConfig, dual_from_table
from dloral.train.dual.fingerprint import fingerprint
from dloral.train.dual.step import StepWeights, dual_losses
from dloral.train.perceptual import perceptual_loss
from dloral.train.runtime import Runtime
from dloral.train.tables import build_part
from dloral.train.task import Places


class TinyDual:
    """Both branches of the tiny networks on a frozen base."""

    runtime: Runtime

    def __init__(self, config: DualConfig, base: Base | None, places: Places) -> None:
        """``base`` may be left out where ``places.out`` holds a run already."""
        self.config, self.places, self.optimizer = config, places, config.optimizer
        if base is None:
            checkpoint = self._begun()
            self.sizes, self.pairs = checkpoint.config["model"], sees_pairs(checkpoint.config)
            self.base, weights = checkpoint.base, None
        else:
            self.sizes, self.pairs = base.sizes, base.pairs
            self.base, weights = fingerprint(base.weights), base.weights
        sizes = build_part(TinyConfig, self.sizes, "model")
        self.model = branched_model(sizes, config.lora, weights, pairs=self.pairs)
        self.stages = {stage: stage_parameters(self.model, stage, config.lora) for stage in (CONSISTENCY, DETAIL)}
        self.perceptual: nn.Module | None = None
        if config.schedule.perceptual > 0.0:
            self.perceptual = perceptual_loss(config.perceptual_network, places.backbone)

    def _begun(self) -> Checkpoint:
        if not (self.places.out / LATEST).exists():
            raise UserError("the branches are trained on a base: give the folder of its run with --base")
        checkpoint = load_checkpoint(self.places.out)
        if not checkpoint.base:
            raise UserError(f"{self.places.out} holds a run of a base: give another --out for the branches")
        return checkpoint

    def to_table(self) -> dict[str, Any]:
        return {**self.config.to_table(), "model": self.sizes, PAIRS: self.pairs}

    def normalised(self, table: dict[str, Any]) -> dict[str, Any]:
        own = {name: value for name, value in table.items() if name not in ("model", PAIRS)}
        return {**dual_from_table(own).to_table(), "model": table.get("model"), PAIRS: sees_pairs(table)}

    def setting(self) -> dict[str, str]:
        return {"data": listing(self.places.data)}

    def state(self) -> dict[str, Tensor]:
        return self.model.state_dict()

    def place(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.model = self.model.to(device=runtime.device).to(memory_format=torch.channels_last)
        if self.perceptual is not None:
            self.perceptual = self.perceptual.to(device=runtime.device).to(memory_format=torch.channels_last)

    def trained(self) -> list[nn.Parameter]:
        return [parameter for parameters in self.stages.values() for parameter in parameters]

    def prepare(self, step: int) -> list[nn.Parameter]:
        stage = self.config.schedule.stage(step)
        for name, parameters in self.stages.items():
            for parameter in parameters:
                parameter.requires_grad_(name == stage)
        return self.stages[stage]

    def losses(self, batch: MotionBatch, step: int, rng: Generator) -> dict[str, Tensor]:
        config, stage = self.config, self.config.schedule.stage(step)
        alone = bool(rng.random() < config.solo)
        arm = Arm(consistency=stage == CONSISTENCY or not alone, detail=stage == DETAIL or not alone)
        select_arm(self.model, arm)
        weights = StepWeights(config.schedule.weights(step), config.steady(step), config.flow)
        pairs = self.pairs or arm.consistency
        return dual_losses(self.model, batch, weights, self.perceptual, rng, self.runtime, pairs=pairs)

    def batches(self, seed: int, processes: int) -> MotionBatches:
        config, shape = self.config, self.config.batch
        sources = open_sources(self.places.data, self.places.out / "frames", shape.clip_frames, shape.clip_size)
        count = config.optimizer.steps * processes
        batches = {
            stage: Batches(sources, config.degradation, replace(shape, still_share=share), seed, count)
            for stage, share in ((CONSISTENCY, config.stills.consistency), (DETAIL, config.stills.detail))
        }
        return MotionBatches(batches, config.schedule.stage, processes)
