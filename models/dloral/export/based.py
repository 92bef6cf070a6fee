"""A restorer with its branches merged, as parts for export.

Bytes are cast first and last, so that TensorRT takes the graphs: it knows bytes only as a graph's input with a cast
behind it, or as its output.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from dloral.bases.licence import ATTRIBUTION, TEXT
from dloral.bases.store import load_base
from dloral.errors import UserError
from dloral.export.pack import PackParts
from dloral.manifest import SCALE, GraphSizes
from dloral.model.based import BasedModel, add_branches, merged
from dloral.model.bases import Tiny
from dloral.model.branches import LoraConfig
from dloral.model.variants import Variant
from dloral.model.warp import warp_by_rows
from dloral.train.base_config import OWN
from dloral.train.checkpoint import Checkpoint
from dloral.train.dual.based import trained_state
from dloral.train.tables import build_part

# All is local: a body of 33 convolutions sees 33 samples to each side, of which half carry next to nothing. What tiles
# with this overlap differ by from the whole is measured in models/tests/test_based.py.
SIZES = GraphSizes(tile=256, overlap=32, min=8, multiple=2, shape="free")
HALF_SIZES = GraphSizes(tile=384, overlap=32, min=8, multiple=2, shape="free")
"""Of the network at half the input's resolution: 384 samples are 768 pixels. What the overlap leaves is measured in
models/tests/test_tiny.py.
"""
OWN_LICENCE = "MIT OR Apache-2.0"


class BasedEncoder(nn.Module):
    """``frame`` u8 [1, H, W, 3] to ``latent`` f32 [1, C, h, w] and ``guide`` f32 [1, 3, h, w], its small picture."""

    def __init__(self, model: BasedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        picture = frame.float().permute(0, 3, 1, 2) * (1.0 / 255.0)
        return self.model.encode(picture)


class BasedRestorer(nn.Module):
    """The four inputs to ``restored`` f32 [1, C, h, w]; without ``pairs`` the frame before is not looked at."""

    def __init__(self, model: BasedModel, *, pairs: bool) -> None:
        super().__init__()
        self.model, self.pairs = model, pairs

    def forward(self, latent: Tensor, guide: Tensor, latent_prev: Tensor, guide_prev: Tensor) -> Tensor:
        if not self.pairs:
            return self.model.restore_single(latent)
        return self.model.restore(latent, latent_prev, self.model.motion(guide, guide_prev))


class BasedDecoder(nn.Module):
    """``restored`` f32 [1, C, h, w] and ``frame`` u8 [1, H, W, 3] to ``picture`` u8 [1, 4H, 4W, 3]."""

    def __init__(self, model: BasedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, restored: Tensor, frame: Tensor) -> Tensor:
        picture = frame.float().permute(0, 3, 1, 2) * (1.0 / 255.0)
        output = self.model.decode(restored, picture) * 255.0
        return _levels(output.permute(0, 2, 3, 1)).byte()


class TinyDecoder(nn.Module):
    """As :class:`BasedDecoder`, of the network ``tiny``.

    At output size every pass counts, so the scale to 255 and the half that rounds to nearest are folded into the last
    learned convolution (the filter behind it leaves a constant as it is), and rows are moved as they will lie.
    """

    def __init__(self, network: Tiny) -> None:
        super().__init__()
        self.decoder = copy.deepcopy(network.decoder)
        # ONNX Runtime's convolutions keep channels in blocks, its transposed ones planes, and sums with planes are
        # planes, from there on. A pooling of single pixels leaves every value, and brings the blocks back.
        self.decoder.after_up = nn.MaxPool2d(1)
        last = self.decoder.conv_out
        assert last.bias is not None, "the decoder's last convolution has a bias"
        with torch.no_grad():
            last.weight.mul_(255.0)
            last.bias.mul_(255.0).add_(0.5)

    def forward(self, restored: Tensor, frame: Tensor) -> Tensor:
        low = frame.float().permute(0, 3, 1, 2)
        residual = self.decoder.residual(restored, low * (1.0 / 255.0))
        planes = [plane.clamp(0.0, 255.0) for plane in self.decoder.planes(low, residual)]
        phases = torch.stack(planes, dim=2).flatten(1, 2)
        b, _, h, w = phases.shape
        rows = [row.permute(0, 2, 3, 1).reshape(b, h, 1, SCALE * w * 3) for row in phases.chunk(SCALE, dim=1)]
        return torch.cat(rows, dim=2).reshape(b, SCALE * h, SCALE * w, 3).byte()


def _levels(picture: Tensor) -> Tensor:
    """What a cast to bytes, which cuts off, rounds to nearest."""
    return picture.clamp(0.0, 255.0) + 0.5


def based_parts(
    base: Path,
    checkpoint: Checkpoint,
    variant: Variant,
    name: str,
    provenance: dict[str, str],
    quality: dict[str, float],
    detail_strength: float = 1.0,
) -> PackParts:
    """Parts of the averaged branches of ``checkpoint`` on the base in the folder ``base``, those of ``variant`` merged.

    Raises :class:`UserError` where the branches are of another base.
    """
    restorer = load_base(base)
    own = restorer.name == OWN
    if checkpoint.base != restorer.sha256:
        raise UserError(f"the branches were trained on another base than {base}: give that one")
    model = add_branches(BasedModel(restorer.network), build_part(LoraConfig, checkpoint.config["lora"], "lora"))
    if wrong := trained_state(model).keys() ^ checkpoint.ema.keys():
        raise UserError(f"the branches do not fit the base {base}: {min(wrong)} is in one of them only")
    model.load_state_dict(checkpoint.ema, strict=False)
    model = merged(model.to(memory_format=torch.contiguous_format), variant, detail_strength).eval()
    model.warp = warp_by_rows
    network = restorer.network
    sizes = SIZES if network.factor == SCALE else HALF_SIZES
    return PackParts(
        name=name,
        encoder=BasedEncoder(model),
        restorer=BasedRestorer(model, pairs=variant.consistency),
        decoder=TinyDecoder(network) if isinstance(network, Tiny) else BasedDecoder(model),
        latent_channels=network.width,
        latent_factor=network.factor,
        encoder_input="frame",
        conditioned=True,
        encoder_sizes=sizes,
        restorer_sizes=sizes,
        decoder_sizes=sizes,
        color_fix="none",
        precision="fp32",
        half_weights=True,
        licence=OWN_LICENCE if own else f"BSD-3-Clause AND ({OWN_LICENCE})",
        licence_text="" if own else f"The weights derive from {ATTRIBUTION}, under this licence:\n\n{TEXT}",
        provenance={"base": restorer.name} | provenance,
        quality=quality,
    )
