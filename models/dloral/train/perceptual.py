"""The perceptual losses that a configuration can name."""

import importlib
from pathlib import Path

import torch
from torch import Tensor, nn

from dloral.errors import UserError
from dloral.perceptual import PerceptualDistance

NETWORKS = ("mobilenet", "lpips")
"""``mobilenet``: ``dloral.perceptual``, chosen by measurement where LPIPS's weights cannot be had; ``lpips``: the
reference's LPIPS (VGG), by its own package, whose backbone's weights have to be on this machine already."""

VGG = "vgg16-397923af.pth"
"""File of torchvision's VGG-16, which LPIPS is built on."""


def perceptual_loss(network: str, backbone: Path | None) -> nn.Module:
    """A frozen module: distances [B] (or [B, 1, 1, 1]) of two batches of pictures [B, 3, H, W] in [0, 1]."""
    if network == "mobilenet":
        return PerceptualDistance(backbone)
    try:
        lpips = importlib.import_module("lpips")
    except ImportError as error:
        raise UserError("perceptual_network lpips needs the Python package lpips: pip install lpips") from error
    weights = Path(torch.hub.get_dir()) / "checkpoints" / VGG
    if not weights.is_file():
        raise UserError(f"perceptual_network lpips needs torchvision's VGG-16 at {weights}: put it there")
    return _Lpips(lpips.LPIPS(net="vgg", verbose=False))


class _Lpips(nn.Module):
    """LPIPS on pictures in [0, 1]; its own range is [-1, 1]."""

    def __init__(self, lpips: nn.Module) -> None:
        super().__init__()
        self.lpips = lpips.eval().requires_grad_(requires_grad=False)

    def forward(self, pictures: Tensor, references: Tensor) -> Tensor:
        return self.lpips(2.0 * pictures - 1.0, 2.0 * references - 1.0)
