"""A public restorer with its branches merged, as parts for export.

Bytes are cast first and last, so that TensorRT takes the graphs: it knows bytes only as a graph's input with a cast
behind it, or as its output.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from dloral.bases.licence import ATTRIBUTION, TEXT
from dloral.bases.store import load_base
from dloral.errors import UserError
from dloral.export.pack import PackParts
from dloral.manifest import GraphSizes
from dloral.model.arms import Arm
from dloral.model.based import BasedModel, add_branches, merged
from dloral.model.branches import LoraConfig
from dloral.model.warp import warp_by_rows
from dloral.train.checkpoint import Checkpoint
from dloral.train.tables import build_part

# All is local: a body of 33 convolutions sees 33 samples to each side, of which half carry next to nothing. What tiles
# with this overlap differ by from the whole is measured in models/tests/test_based.py.
SIZES = GraphSizes(tile=256, overlap=32, min=8, multiple=2, shape="free")


class BasedEncoder(nn.Module):
    """``frame`` u8 [1, H, W, 3] to ``latent`` f32 [1, C, H, W] and ``guide`` f32 [1, 3, H, W], the picture itself."""

    def __init__(self, model: BasedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        picture = frame.float().permute(0, 3, 1, 2) * (1.0 / 255.0)
        return self.model.encode(picture), picture


class BasedRestorer(nn.Module):
    """The four inputs to ``restored`` [1, C, H, W]; without ``pairs`` the frame before is not looked at."""

    def __init__(self, model: BasedModel, *, pairs: bool) -> None:
        super().__init__()
        self.model, self.pairs = model, pairs

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> Tensor:
        if not self.pairs:
            return self.model.restore_single(latent)
        return self.model.restore(latent, latent_prev, self.model.motion(guide, guide_prev))


class BasedDecoder(nn.Module):
    """``restored`` f32 [1, C, H, W] and ``frame`` u8 [1, H, W, 3] to ``picture`` u8 [1, 4H, 4W, 3]."""

    def __init__(self, model: BasedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, restored: Tensor, frame: Tensor) -> Tensor:
        picture = frame.float().permute(0, 3, 1, 2) * (1.0 / 255.0)
        output = self.model.decode(restored, picture) * 255.0
        # The half rounds to nearest: a cast cuts off.
        return (output.permute(0, 2, 3, 1).clamp(0.0, 255.0) + 0.5).byte()


def based_parts(
    base: Path,
    checkpoint: Checkpoint,
    arm: Arm,
    name: str,
    provenance: dict[str, str],
    quality: dict[str, float],
    detail_strength: float = 1.0,
) -> PackParts:
    """Parts of the averaged branches of ``checkpoint`` on the base in the folder ``base``, those of ``arm`` merged.

    Raises :class:`UserError` where the branches are of another base.
    """
    restorer = load_base(base)
    if checkpoint.base != restorer.sha256:
        raise UserError(f"the branches were trained on another base than {base}: give that one")
    model = add_branches(BasedModel(restorer.network), build_part(LoraConfig, checkpoint.config["lora"], "lora"))
    model.load_state_dict(checkpoint.ema, strict=False)
    model = merged(model.to(memory_format=torch.contiguous_format), arm, detail_strength).eval()
    model.warp = warp_by_rows
    return PackParts(
        name=name,
        encoder=BasedEncoder(model),
        restorer=BasedRestorer(model, pairs=arm.consistency),
        decoder=BasedDecoder(model),
        latent_channels=restorer.network.width,
        latent_factor=4,
        encoder_input="frame",
        conditioned=True,
        encoder_sizes=SIZES,
        restorer_sizes=SIZES,
        decoder_sizes=SIZES,
        color_fix="none",
        precision="fp32",
        half_weights=True,
        licence="BSD-3-Clause AND (MIT OR Apache-2.0)",
        licence_text=f"The weights derive from {ATTRIBUTION}, under this licence:\n\n{TEXT}",
        provenance={"base": restorer.name} | provenance,
        quality=quality,
    )
