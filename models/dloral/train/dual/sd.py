"""Dual LoRA Learning on a Stable Diffusion base, as a task of the training loop."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor
from torch.nn.utils import parametrize

from dloral.data.degrade import SCALE
from dloral.data.motion import MotionBatch, MotionBatches
from dloral.data.sources import listing
from dloral.errors import UserError
from dloral.export.reference import Base, read_base
from dloral.model.branches import CONSISTENCY, DETAIL
from dloral.model.sd import LatentDecoder, LatentEncoder
from dloral.model.sd.dual import branch_state, branched_restorer, frozen_weights, sd_stage_parameters, select_sd_variant
from dloral.model.sd.prompt import embed_prompt, read_embedding
from dloral.model.variants import VARIANTS, Variant
from dloral.model.warp import flow_warp
from dloral.train.csd import Distillation, scaled_linear_alphas
from dloral.train.dual.config import DualConfig, dual_from_table
from dloral.train.dual.fingerprint import fingerprint
from dloral.train.dual.flow_weights import load_flow
from dloral.train.dual.staged import Staged, perceptual_network, video_batches
from dloral.train.dual.step import Outputs, window_terms
from dloral.train.losses import flow_loss
from dloral.train.runtime import Runtime
from dloral.train.task import Places
from dloral.train.windows import Encoded, frame_before, perceptual_crop, weighted

TIMESTEPS = 1000
BETAS = (0.00085, 0.012)
"""Stable Diffusion's noise schedule."""


@dataclass(frozen=True)
class Prompts:
    """Texts for the base's text encoder, or files of embeddings (float32 [1, 77, D]) in their place."""

    text: str = ""
    embedding: Path | None = None
    negative_embedding: Path | None = None
    """Of the empty text, which classifier score distillation compares with."""

    def read(self, base: Base) -> tuple[Tensor, Tensor | None]:
        """Both embeddings; the negative one is None where the base has no text encoder and no file is given."""
        negative = None
        if self.negative_embedding is not None:
            negative = read_embedding(self.negative_embedding, base.prompt_width)
        elif (base.folder / "text_encoder").is_dir():
            negative = embed_prompt(base.folder, "", base.prompt_width)
        if self.embedding is not None:
            return read_embedding(self.embedding, base.prompt_width), negative
        return embed_prompt(base.folder, self.text, base.prompt_width), negative


class SdDual(Staged):
    """Both branches on a frozen UNet and autoencoder. Checkpoints hold the branches, and the base's fingerprint."""

    runtime: Runtime

    def __init__(
        self, config: DualConfig, folder: Path, prompts: Prompts, places: Places, flow: Path | None = None
    ) -> None:
        """``folder``: the base's; ``flow``: weights of SpyNet."""
        self.config, self.places, self.optimizer = config, places, config.optimizer
        base = read_base(folder)
        prompt, self.negative = prompts.read(base)
        if config.schedule.csd > 0.0:
            _check_prompts(prompt, self.negative)
        self.encoder, self.decoder = LatentEncoder(base.vae), LatentDecoder(base.vae)
        self.model = branched_restorer(base, config.lora, prompt)
        if flow is not None:
            load_flow(self.model.cfr.flow, flow)
        if config.checkpointing:
            self.model.unet.unet.enable_gradient_checkpointing()
        self.stages = {stage: sd_stage_parameters(self.model, stage, config.lora) for stage in (CONSISTENCY, DETAIL)}
        self.base = fingerprint(frozen_weights(self.model, base.vae))
        self.perceptual = perceptual_network(config, places)
        self.distillation = Distillation(self._predict, scaled_linear_alphas(*BETAS, TIMESTEPS))

    def to_table(self) -> dict[str, Any]:
        return self.config.to_table()

    def normalised(self, table: dict[str, Any]) -> dict[str, Any]:
        return dual_from_table(table).to_table()

    def setting(self) -> dict[str, str]:
        prompts = {"prompt": self.model.unet.prompt}
        if self.negative is not None:
            prompts["negative"] = self.negative
        return {"data": listing(self.places.data), "prompt": fingerprint(prompts)} | self.perceptual_setting()

    def state(self) -> dict[str, Tensor]:
        return branch_state(self.model)

    def place(self, runtime: Runtime) -> None:
        self.runtime = runtime
        for module in (self.model, self.encoder, self.decoder, self.perceptual):
            if module is not None:
                module.to(device=runtime.device)

    def losses(self, batch: MotionBatch, step: int, rng: Generator) -> dict[str, Tensor]:
        variant = self.draw_variant(step, rng)
        select_sd_variant(self.model, variant)
        weights = self.weights(step)
        clean = batch.clean.float() / 255.0
        encoded = self._encode(batch.lq)
        before = frame_before(encoded[0], encoded[1], rng)
        # Merged weights are made once for both passes, unless the passes themselves are made twice.
        with nullcontext() if self.config.checkpointing else parametrize.cached():
            first, _ = self._restore(encoded[1], before, variant)
            second, flow = self._restore(encoded[2], encoded[1], variant)
        latents = torch.cat([first, second])
        with self.runtime.autocast():
            pictures = self.decoder(latents)
        shown = (0.5 * pictures.float() + 0.5).chunk(2)
        outputs = Outputs(shown[0], shown[1], flow)
        terms = window_terms(outputs, clean, batch, weights)
        if weights.flow > 0.0 and flow is not None and flow.requires_grad:
            guides = [0.5 * self.encoder.guide(2.0 * clean[:, t] - 1.0) + 0.5 for t in (1, 2)]
            terms["flow"] = (weights.flow, flow_loss(flow, guides[1], guides[0]))
        if self.perceptual is not None and weights.scheduled.perceptual > 0.0:
            both, truth = torch.cat([outputs.first, outputs.second]), torch.cat([clean[:, 1], clean[:, 2]])
            distance = perceptual_crop(self.perceptual, both, truth, rng, self.runtime)
            terms["perceptual"] = (weights.scheduled.perceptual, distance)
        if weights.scheduled.csd > 0.0 and self.config.schedule.stage(step) == DETAIL:
            terms["csd"] = (weights.scheduled.csd, self._distil(latents, variant, rng))
        return weighted(terms)

    def batches(self, seed: int, processes: int) -> MotionBatches:
        return video_batches(self.config, self.places, seed, processes)

    @torch.no_grad()
    def _encode(self, lq: Tensor) -> list[Encoded]:
        """Latent and guide of each frame of windows u8 [B, 3, 3, p, p], from its bicubic enlargement."""
        frames = []
        for t in range(lq.shape[1]):
            # Antialiasing makes torch's bicubic Pillow's (a = −0.5); the host's enlargement is u8.
            size = [SCALE * side for side in lq.shape[-2:]]
            large = F.interpolate(lq[:, t].float(), size=size, mode="bicubic", antialias=True)
            with self.runtime.autocast():
                latent, guide = self.encoder(large.round().clamp(0.0, 255.0) / 127.5 - 1.0)
            frames.append((latent.float(), guide.float()))
        return frames

    def _restore(self, current: Encoded, previous: Encoded, variant: Variant) -> tuple[Tensor, Tensor | None]:
        """The restored latent f32, and the flow, which is not looked for without the consistency branch."""
        flow, warped, fused = None, current[0], current[0]
        if variant.consistency:
            flow = self.model.cfr.flow(current[1], previous[1])
            warped = flow_warp(previous[0], flow)
            fused = self.model.cfr.retrieval(current[0], warped)
        with self.runtime.autocast():
            noise = self.model.unet(torch.cat([warped, fused], dim=1))
        return fused - noise.float(), flow

    def _distil(self, latents: Tensor, variant: Variant, rng: Generator) -> Tensor:
        assert self.negative is not None, "checked when the task was made"
        count, device = len(latents), latents.device
        draws = torch.Generator().manual_seed(int(rng.integers(2**62)))
        timesteps = self.distillation.draw(count, draws).to(device)
        noise = torch.randn(latents.shape, generator=draws).to(device)
        prompt = self.model.unet.prompt.expand(count, -1, -1)
        negative = self.negative.to(device).expand(count, -1, -1)
        with self._base_only(variant):
            return self.distillation.loss(latents, prompt, negative, noise, timesteps)

    def _predict(self, noisy: Tensor, timesteps: Tensor, prompts: Tensor) -> Tensor:
        """The base's own answer: without branches its first four channels count for nothing."""
        with self.runtime.autocast():
            pair = torch.cat([noisy, noisy], dim=1)
            return self.model.unet.unet(pair, timesteps, encoder_hidden_states=prompts).sample.float()

    @contextmanager
    def _base_only(self, variant: Variant) -> Iterator[None]:
        select_sd_variant(self.model, VARIANTS["none"])
        try:
            yield
        finally:
            # Checkpointed blocks run once more in the backward pass, and then as they did in the forward one.
            select_sd_variant(self.model, variant)


def _check_prompts(prompt: Tensor, negative: Tensor | None) -> None:
    if negative is None:
        raise UserError(
            "classifier score distillation needs the embedding of the empty prompt: give --negative-embedding, or "
            "a base folder with its text encoder, or set csd = 0 in [schedule]"
        )
    if torch.equal(prompt, negative):
        raise UserError(
            "classifier score distillation learns what the prompt adds to the empty one, and here both are the same: "
            "say with --prompt (or --prompt-embedding) what pictures should look like, or set csd = 0 in [schedule]"
        )
