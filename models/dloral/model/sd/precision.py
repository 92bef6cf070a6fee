"""Half precision with the delicate parts left in single: statistics of normalisations, and what attention upcasts."""

import torch
from torch import Tensor, nn

_NORMS = (nn.GroupNorm, nn.LayerNorm)


class SinglePrecision(nn.Module):
    """A normalisation in f32 between tensors of any type: sums over a whole picture leave f16's range and digits."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm.float()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.float()).to(x.dtype)


def to_half(module: nn.Module, *, single_norms: bool = True) -> None:
    """Turn ``module`` to f16 in place. Softmax is f32 in :mod:`.attention` anyway.

    ``single_norms``: normalisations stay f32. False where what runs the graph keeps their statistics in f32 itself.
    """
    module.to(torch.float16)
    if not single_norms:
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _NORMS) and not isinstance(parent, SinglePrecision):
                setattr(parent, name, SinglePrecision(child))
