"""Classifier score distillation (Yu et al., ICLR 2024) against a frozen base: the reference's loss for detail.

The base is asked, at a random noise level, what it would make of the latents with the prompt and without it; what the
prompt adds is the direction that the latents are pushed in (``CSDLoss`` in the reference's ``src/DLoRAL_model.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Noisy latents [B, C, h, w], timesteps [B] and prompt embeddings [B, n, D] to the noise ε [B, C, h, w]."""


@dataclass(frozen=True)
class Distillation:
    """``alphas`` f32 [timesteps]: the base's noise schedule, cumulative products of 1 − β."""

    predict: Predict
    alphas: Tensor
    guidance: float = 7.5
    """Classifier-free guidance of the prediction that counts as real."""
    timesteps: tuple[float, float] = (0.02, 0.5)
    """Range that noise levels are drawn from, as shares of the schedule."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Timesteps [count], int64."""
        low, high = (int(len(self.alphas) * share) for share in self.timesteps)
        return torch.randint(low, high, (count,), generator=generator)

    def loss(self, latents: Tensor, prompt: Tensor, negative: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean square of the push; its gradient with respect to ``latents`` [B, C, h, w] is the push, scaled.

        ``prompt`` and ``negative`` [B, n, D]: embeddings with and without the prompt; ``noise`` like ``latents``.
        """
        with torch.no_grad():
            alpha = self.alphas.to(latents)[timesteps].view(-1, 1, 1, 1)
            noisy = alpha.sqrt() * latents + (1.0 - alpha).sqrt() * noise
            prompts = torch.cat([negative, prompt])
            predicted = self.predict(torch.cat([noisy, noisy]), torch.cat([timesteps, timesteps]), prompts)
            plain, text = predicted.chunk(2)
            guided = plain + self.guidance * (text - plain)
            real, fake = (_denoised(noisy, epsilon, alpha) for epsilon in (guided, plain))
            # Where the latents are far from what the base makes of them, the direction says less.
            distance = (latents - real).abs().mean(dim=(1, 2, 3), keepdim=True)
            target = latents - (fake - real) / distance
        return F.mse_loss(latents, target)


def _denoised(noisy: Tensor, epsilon: Tensor, alpha: Tensor) -> Tensor:
    return (noisy - (1.0 - alpha).sqrt() * epsilon) / alpha.sqrt()


def scaled_linear_alphas(start: float, end: float, count: int) -> Tensor:
    """Stable Diffusion's noise schedule: β from ``start`` to ``end``, in a straight line of their square roots."""
    betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64).square()
    return (1.0 - betas).cumprod(dim=0).float()
