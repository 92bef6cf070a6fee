"""Dual LoRA Learning of the tiny configuration, as a task of the training loop."""

from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor

from dloral.data.motion import MotionBatch, MotionBatches
from dloral.data.sources import listing
from dloral.errors import UserError
from dloral.model.branches import CONSISTENCY, DETAIL
from dloral.model.tiny import TinyConfig
from dloral.model.tiny.dual import branched_model, select_arm, stage_parameters
from dloral.train.checkpoint import LATEST, Checkpoint, load_checkpoint
from dloral.train.dual.base import PAIRS, Base, sees_pairs
from dloral.train.dual.config import DualConfig, dual_from_table
from dloral.train.dual.fingerprint import fingerprint
from dloral.train.dual.staged import Staged, perceptual_network, video_batches
from dloral.train.dual.step import dual_losses
from dloral.train.runtime import Runtime
from dloral.train.tables import build_part
from dloral.train.task import Places


class TinyDual(Staged):
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
        self.perceptual = perceptual_network(config, places)

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

    def losses(self, batch: MotionBatch, step: int, rng: Generator) -> dict[str, Tensor]:
        arm = self.draw_arm(step, rng)
        select_arm(self.model, arm)
        pairs = self.pairs or arm.consistency
        return dual_losses(self.model, batch, self.weights(step), self.perceptual, rng, self.runtime, pairs=pairs)

    def batches(self, seed: int, processes: int) -> MotionBatches:
        return video_batches(self.config, self.places, seed, processes)
