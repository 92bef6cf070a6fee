"""Training a base of our own, a restorer of single frames, and the flow network beside it: taught by both teachers."""

from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from dloral.data.taught import TaughtBatch, TaughtBatches
from dloral.model.based import BasedModel
from dloral.model.bases import NETWORKS
from dloral.train.base_config import OWN, BaseConfig, base_from_table
from dloral.train.dual.based import based_losses
from dloral.train.dual.step import StepWeights
from dloral.train.perceptual import perceptual_loss
from dloral.train.runtime import Runtime
from dloral.train.schedule import Weights
from dloral.train.task import Places, backbone_setting
from dloral.train.taught import open_cache, taught_batches


class BaseTask:
    """All weights of a restorer that has no published ones, and of the flow network that its branches will need."""

    runtime: Runtime
    base = ""

    def __init__(self, config: BaseConfig, places: Places) -> None:
        """``places.data``: the teacher's cache."""
        self.config, self.places, self.optimizer = config, places, config.optimizer
        self.cache = open_cache(places)
        self.model = BasedModel(NETWORKS[OWN]())
        self.perceptual: nn.Module | None = None
        if config.perceptual > 0.0:
            self.perceptual = perceptual_loss(config.perceptual_network, places.backbone)

    def to_table(self) -> dict[str, Any]:
        return self.config.to_table()

    def normalised(self, table: dict[str, Any]) -> dict[str, Any]:
        return base_from_table(table).to_table()

    def setting(self) -> dict[str, str]:
        setting = {"teacher": self.cache.sha256()}
        if self.perceptual is not None:
            setting |= backbone_setting(self.config.perceptual_network, self.places.backbone)
        return setting

    def state(self) -> dict[str, Tensor]:
        state = self.model.state_dict()
        return {name: value for name, value in state.items() if name.startswith(("network.", "flow."))}

    def place(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.model = self.model.to(device=runtime.device).to(memory_format=torch.channels_last)
        if self.perceptual is not None:
            self.perceptual = self.perceptual.to(device=runtime.device).to(memory_format=torch.channels_last)

    def trained(self) -> list[nn.Parameter]:
        return [*self.model.network.parameters(), *self.model.flow.parameters()]

    def prepare(self, step: int) -> list[nn.Parameter]:
        return self.trained()

    def losses(self, batch: TaughtBatch, step: int, rng: Generator) -> dict[str, Tensor]:
        scheduled = Weights(l2=0.0, perceptual=self.config.perceptual, csd=0.0, consistency=0.0)
        weights = StepWeights(scheduled, self.config.loss, self.config.flow)
        terms = based_losses(self.model, batch, weights, self.perceptual, rng, self.runtime, pairs=False)
        error = flow_error(self.model, batch)
        return terms | {"total": terms["total"] + self.config.flow * error, "flow": error}

    def batches(self, seed: int, processes: int) -> TaughtBatches:
        return taught_batches(self.cache, self.config, seed, processes)


def flow_error(model: BasedModel, batch: TaughtBatch) -> Tensor:
    """Mean absolute difference of the last frame's flow from the truth's motion, in samples, where that is known.

    The flow network sees the degraded frames, and the truth's motion was found in the clean ones.
    """
    now, before = (model.guide(batch.lq[:, t].float() / 255.0) for t in (2, 1))
    factor = model.network.factor
    visible = F.avg_pool2d(batch.visible[:, None].float(), factor)
    known = F.avg_pool2d(batch.flow * batch.visible[:, None], factor) / visible.clamp(min=1e-3) / factor
    return ((model.motion(now, before) - known).abs() * visible).sum() / (2.0 * visible.sum().clamp(min=1.0))
