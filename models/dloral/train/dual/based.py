"""Dual LoRA Learning on a restorer, as a task of the training loop: taught by the teacher and the truth."""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dloral.bases.store import Base
from dloral.data.taught import TaughtBatch, TaughtBatches
from dloral.errors import UserError
from dloral.model.based import BasedModel, add_branches, select_variant, stage_parameters
from dloral.model.branches import CONSISTENCY, DETAIL
from dloral.perceptual import PerceptualDistance
from dloral.train.dual.config import DualConfig, dual_from_table
from dloral.train.dual.staged import Staged, perceptual_network
from dloral.train.dual.step import Outputs, StepWeights, window_terms
from dloral.train.losses import detail_loss, luma
from dloral.train.runtime import Runtime
from dloral.train.task import Places
from dloral.train.taught import open_cache, taught_batches
from dloral.train.windows import Encoded, distribution_crop, frame_before, perceptual_crop, weighted


class BasedDual(Staged):
    """Both branches of a restorer, which stays as it is."""

    runtime: Runtime

    def __init__(self, config: DualConfig, base: Base, flow: dict[str, Tensor] | None, places: Places) -> None:
        """``flow``: weights of the flow network to start from, by their names in it; ``places.data``: the cache."""
        if config.architecture != base.name:
            raise UserError(f"the configuration is for the base {config.architecture}, and --base is {base.name}")
        self.config, self.places, self.optimizer, self.base = config, places, config.optimizer, base.sha256
        self.cache = open_cache(places)
        self.model = BasedModel(base.network)
        if flow is not None:
            self.model.flow.load_state_dict(flow)
        add_branches(self.model, config.lora)
        self.stages = {stage: stage_parameters(self.model, stage) for stage in (CONSISTENCY, DETAIL)}
        self.perceptual = perceptual_network(config, places)

    def to_table(self) -> dict[str, Any]:
        return self.config.to_table()

    def normalised(self, table: dict[str, Any]) -> dict[str, Any]:
        return dual_from_table(table).to_table()

    def setting(self) -> dict[str, str]:
        return {"teacher": self.cache.sha256()} | self.perceptual_setting()

    def state(self) -> dict[str, Tensor]:
        return trained_state(self.model)

    def place(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.model = self.model.to(device=runtime.device).to(memory_format=torch.channels_last)
        if self.perceptual is not None:
            self.perceptual = self.perceptual.to(device=runtime.device).to(memory_format=torch.channels_last)

    def losses(self, batch: TaughtBatch, step: int, rng: Generator) -> dict[str, Tensor]:
        variant = self.draw_variant(step, rng)
        select_variant(self.model, variant)
        weights, pairs = self.weights(step), variant.consistency
        return based_losses(self.model, batch, weights, self.perceptual, rng, self.runtime, pairs=pairs)

    def batches(self, seed: int, processes: int) -> TaughtBatches:
        return taught_batches(self.cache, self.config, seed, processes)


def trained_state(model: BasedModel) -> dict[str, Tensor]:
    """All but the base's own weights, which are in its folder."""
    own = ("flow.", "retrieval.", "fuse.")
    state = model.state_dict()
    return {name: value for name, value in state.items() if name.startswith(own) or ".changes." in name}


def based_losses(
    model: BasedModel,
    batch: TaughtBatch,
    weights: StepWeights,
    perceptual: nn.Module | None,
    rng: Generator,
    runtime: Runtime,
    *,
    pairs: bool,
) -> dict[str, Tensor]:
    """The terms that have a weight, unweighted, and ``total``; ``rng`` decides pairings and crops.

    Shape, edges and texture are the teacher's: the truth's cannot all be known, and averages of what they may be are
    soft. Colours, geometry and motion are the truth's.
    """
    lq, clean, taught = (pictures.float() / 255.0 for pictures in (batch.lq, batch.clean, batch.taught))
    outputs = _restore(model, lq, rng, runtime, pairs=pairs)
    auxiliary = weights.auxiliary
    terms = window_terms(outputs, clean, batch, weights._replace(auxiliary=replace(auxiliary, detail=0.0)))
    pair, teacher = torch.cat([outputs.first, outputs.second]), torch.cat([taught[:, 1], taught[:, 2]])
    if auxiliary.teacher > 0.0:
        terms["teacher"] = (auxiliary.teacher, F.l1_loss(pair, teacher))
    if auxiliary.detail > 0.0:
        terms["detail"] = (auxiliary.detail, detail_loss(luma(pair), luma(teacher)))
    if perceptual is not None and weights.scheduled.perceptual > 0.0:
        distance = perceptual_crop(perceptual, pair, teacher, rng, runtime)
        terms["perceptual"] = (weights.scheduled.perceptual, distance)
    if isinstance(perceptual, PerceptualDistance) and auxiliary.distribution > 0.0:
        terms["distribution"] = (auxiliary.distribution, distribution_crop(perceptual, pair, teacher, rng, runtime))
    return weighted(terms)


def _restore(model: BasedModel, lq: Tensor, rng: Generator, runtime: Runtime, *, pairs: bool) -> Outputs:
    with runtime.autocast():
        encoded: list[Encoded] = [_floats(model.encode(lq[:, t])) for t in range(3)]
    before = frame_before(encoded[0], encoded[1], rng)
    # Merged weights are made once for both passes.
    with parametrize.cached():
        first, _ = _forward(model, lq[:, 1], encoded[1], before if pairs else None, runtime)
        second, flow = _forward(model, lq[:, 2], encoded[2], encoded[1] if pairs else None, runtime)
    return Outputs(first, second, flow)


def _floats(encoded: Encoded) -> Encoded:
    latent, guide = encoded
    return latent.float(), guide.float()


def _forward(
    model: BasedModel, picture: Tensor, current: Encoded, previous: Encoded | None, runtime: Runtime
) -> tuple[Tensor, Tensor | None]:
    latent, guide = current
    # Flow needs every bit.
    flow = None if previous is None else model.motion(guide, previous[1])
    with runtime.autocast():
        if previous is None or flow is None:
            restored = model.restore_single(latent)
        else:
            restored = model.restore(latent, previous[0], flow)
        output = model.decode(restored, picture)
    return output.float(), flow
