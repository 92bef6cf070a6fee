"""Training the tiny networks themselves, as a task of the training loop."""

from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn

from dloral.data.batches import Batch, Batches
from dloral.data.sources import listing, open_sources
from dloral.model.tiny import TinyModel
from dloral.perceptual import PerceptualDistance
from dloral.train.config import Config, from_table
from dloral.train.runtime import Runtime
from dloral.train.step import training_losses
from dloral.train.task import Places


class TinyBase:
    """All weights of the tiny networks: the whole at once, or the base that sees single frames."""

    runtime: Runtime
    base = ""

    def __init__(self, config: Config, places: Places) -> None:
        self.config, self.places, self.optimizer = config, places, config.optimizer
        self.model = TinyModel(config.model)
        self.perceptual = PerceptualDistance(places.backbone) if config.loss.perceptual > 0.0 else None

    def to_table(self) -> dict[str, Any]:
        return self.config.to_table()

    def normalised(self, table: dict[str, Any]) -> dict[str, Any]:
        return from_table(table).to_table()

    def setting(self) -> dict[str, str]:
        return {"data": listing(self.places.data)}

    def state(self) -> dict[str, Tensor]:
        return self.model.state_dict()

    def place(self, runtime: Runtime) -> None:
        self.runtime = runtime
        # Typed by hand: torch's stubs know no call with a memory format and a device that may be anything.
        self.model = self.model.to(device=runtime.device).to(memory_format=torch.channels_last)
        if self.perceptual is not None:
            self.perceptual = self.perceptual.to(device=runtime.device).to(memory_format=torch.channels_last)

    def trained(self) -> list[nn.Parameter]:
        return list(self.model.parameters())

    def prepare(self, step: int) -> list[nn.Parameter]:
        return self.trained()

    def losses(self, batch: Batch, step: int, rng: Generator) -> dict[str, Tensor]:
        config = self.config
        single = config.stage == "base"
        return training_losses(self.model, batch, config.loss, self.perceptual, rng, self.runtime, single=single)

    def batches(self, seed: int, processes: int) -> Batches:
        config, places = self.config, self.places
        sources = open_sources(places.data, places.out / "frames", config.batch.clip_frames, config.batch.clip_size)
        return Batches(sources, config.degradation, config.batch, seed, config.optimizer.steps * processes)
