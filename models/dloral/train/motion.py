"""A differentiable stand-in for tOF: does the output move as the clean video does?

tOF (TecoGAN) compares Farneback flows, which have no gradient. Farneback's step and that of Lucas and Kanade (IJCAI
1981) solve the same two equations in a window; the latter are differentiable. Both videos are solved on their own, so
flicker counts where there is little texture to outweigh it, which is where it is seen.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = (2, 4, 8)
"""Reductions at which motion is compared; together they cover about 16 pixels a frame. Those that leave less than a
window of the picture are left out."""
WINDOW = 9
STRIDE = 4
_REGULARISATION = 1e-5
"""Squared luma gradient below which there is nothing to see motion by: about a level per pixel."""


def motion_loss(outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
    """Mean length of the difference of the motions, in pixels, of successive luma pictures [B, H, W] in [0, 1]."""
    total = torch.zeros(())
    for level in (level for level in LEVELS if min(targets[0].shape[-2:]) // level >= WINDOW + 2):
        ours = _motion(*(F.avg_pool2d(picture, level) for picture in outputs))
        theirs = _motion(*(F.avg_pool2d(picture, level) for picture in targets))
        total = total + level * ((ours - theirs).square().sum(dim=0) + 1e-6).sqrt().mean()
    return total / len(LEVELS)


def _motion(first: Tensor, second: Tensor) -> Tensor:
    """Lucas–Kanade's motion [2, B, h, w] in samples, regularised to 0 where there is no texture."""
    middle = 0.5 * (first + second)
    x = 0.5 * (middle[:, 1:-1, 2:] - middle[:, 1:-1, :-2])
    y = 0.5 * (middle[:, 2:, 1:-1] - middle[:, :-2, 1:-1])
    t = (second - first)[:, 1:-1, 1:-1]
    products = torch.stack([x * x, x * y, y * y, x * t, y * t], dim=1)
    xx, xy, yy, xt, yt = F.avg_pool2d(products, WINDOW, stride=STRIDE).unbind(dim=1)
    xx, yy = xx + _REGULARISATION, yy + _REGULARISATION
    determinant = xx * yy - xy * xy
    return torch.stack([xy * yt - yy * xt, xy * xt - xx * yt]) / determinant
