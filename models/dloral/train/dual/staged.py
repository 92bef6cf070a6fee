"""What the tasks of all bases share: the stage of a step, the perceptual network, batches of video."""

from dataclasses import replace

from numpy.random import Generator
from torch import nn

from dloral.data.batches import Batches
from dloral.data.motion import MotionBatches
from dloral.data.sources import open_sources
from dloral.model.branches import CONSISTENCY, DETAIL
from dloral.model.variants import Variant
from dloral.train.dual.config import DualConfig
from dloral.train.dual.step import StepWeights
from dloral.train.perceptual import perceptual_loss
from dloral.train.task import Places, backbone_setting


class Staged:
    """A task whose branches are trained in turns, by the schedule of its configuration."""

    config: DualConfig
    places: Places
    stages: dict[str, list[nn.Parameter]]
    """By the name of the stage: what it trains."""

    def trained(self) -> list[nn.Parameter]:
        return [parameter for parameters in self.stages.values() for parameter in parameters]

    def prepare(self, step: int) -> list[nn.Parameter]:
        stage = self.config.schedule.stage(step)
        for name, parameters in self.stages.items():
            for parameter in parameters:
                parameter.requires_grad_(name == stage)
        return self.stages[stage]

    def draw_variant(self, step: int, rng: Generator) -> Variant:
        """Active branches: both, or with ``single_branch_probability`` only the one that is trained at ``step``."""
        stage = self.config.schedule.stage(step)
        single = bool(rng.random() < self.config.single_branch_probability)
        return Variant(consistency=stage == CONSISTENCY or not single, detail=stage == DETAIL or not single)

    def perceptual_setting(self) -> dict[str, str]:
        """What :meth:`Task.setting` says of the perceptual loss."""
        if self.config.schedule.perceptual > 0.0:
            return backbone_setting(self.config.perceptual_network, self.places.backbone)
        return {}

    def weights(self, step: int) -> StepWeights:
        """Of the losses at this step."""
        return StepWeights(self.config.schedule.weights(step), self.config.auxiliary(step), self.config.flow)


def perceptual_network(config: DualConfig, places: Places) -> nn.Module | None:
    """What the perceptual loss compares with; None where that loss has no weight."""
    if config.schedule.perceptual > 0.0:
        return perceptual_loss(config.perceptual_network, places.backbone)
    return None


def video_batches(config: DualConfig, places: Places, seed: int, processes: int) -> MotionBatches:
    """Batches of clips and stills, each stage with its own share of stills."""
    shape, count = config.batch, config.optimizer.steps * processes
    sources = open_sources(places.data, places.out / "frames", shape.clip_frames, shape.clip_size)
    batches = {
        stage: Batches(sources, config.degradation, replace(shape, still_share=share), seed, count)
        for stage, share in ((CONSISTENCY, config.stills.consistency), (DETAIL, config.stills.detail))
    }
    return MotionBatches(batches, config.schedule.stage, processes)
