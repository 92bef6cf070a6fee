"""An adversary of the tiny networks: it learns to tell restored pairs of frames from clean ones, and they to pass.

It does for a tiny base what classifier score distillation does for Stable Diffusion, and what a base of one noise level
cannot: judge whether a picture looks real, wherever exactly its detail lies. It is a relativistic average one with
least squares (Jolicoeur-Martineau, ICLR 2019): what counts is how much more real one side looks than the other. As
TecoGAN's (Chu et al., SIGGRAPH 2020) it sees successive frames together, so that flicker gives a picture away too.
"""

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.func import functional_call

CROP = 128
"""Side in pixels of the crop that is judged; its place is random to the pixel, so that no grid is printed."""
OWN_WEIGHT = 0.02
"""Weight of the adversary's loss: its gradient is clipped together with the networks', and is to leave them room."""
PREFIX = "adversary."
"""Names of its weights in a run's state begin so; they are no part of what restores."""

_WIDTH = 32


class Adversary(nn.Module):
    """Pairs of successive pictures [B, 6, H, W] in [0, 1] to scores [B, 1, H/8, W/8]: a larger one looks more real.

    Each score is of 38×38 pixels: texture, not what the picture is of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, _WIDTH, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(_WIDTH, 2 * _WIDTH, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * _WIDTH, 3 * _WIDTH, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(3 * _WIDTH, 1, 3, padding=1),
        )

    def forward(self, pairs: Tensor) -> Tensor:
        scores: Tensor = self.layers(2.0 * pairs - 1.0)
        return scores


def adversarial_losses(
    adversary: Adversary, outputs: tuple[Tensor, Tensor], cleans: tuple[Tensor, Tensor], rng: Generator
) -> tuple[Tensor, Tensor]:
    """Two losses: that of the networks against the adversary as it is, and its own against their outputs as they are.

    Pictures are [B, 3, H, W] in [0, 1], a pair being two successive frames; ``rng`` decides the crop. The losses are
    scalars, and each has a gradient for its own side only, so that one step trains both from the sum.
    """
    y, x = (int(rng.integers(max(side - CROP, 0) + 1)) for side in outputs[0].shape[-2:])
    crop = (..., slice(y, y + CROP), slice(x, x + CROP))
    restored, real = (torch.cat([picture[crop] for picture in pair], dim=1) for pair in (outputs, cleans))
    fixed = {name: value.detach() for name, value in adversary.named_parameters()}
    own_restored, own_real = adversary(torch.cat([restored.detach(), real])).chunk(2)
    adversarial = _relative(functional_call(adversary, fixed, (restored,)), own_real.detach())
    return adversarial, _relative(own_real, own_restored)


def _relative(better: Tensor, worse: Tensor) -> Tensor:
    """A scalar: 0 where ``better`` scores one more than ``worse`` does on average, and ``worse`` one less than that."""
    above = better - worse.mean() - 1.0
    below = worse - better.mean() + 1.0
    return 0.5 * (above.square().mean() + below.square().mean())


def without_adversary(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a run's state, by name, that are of what restores."""
    return {name: value for name, value in weights.items() if not name.startswith(PREFIX)}
