"""LoRA as a parametrisation of weights: W = W₀ + Σ strength · scale · B·A over branches that are trained one at a time.

A branch changes the weight itself, so any layer can carry several, its forward is the plain layer's, and merging is
writing the sum down. For linear layers and convolutions this equals peft's LoRA (A k×k, B 1×1, alpha = scale · rank).
Weights are computed anew whenever they are read: wrap forward passes in :func:`torch.nn.utils.parametrize.cached`.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

SCALE = 2.0
"""The reference's alpha / rank = 8 / 4, kept at every rank."""

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
"""Layers that can carry branches."""


class LowRank(nn.Module):
    """A weight's change scale · B·A; A starts random (as in peft) and B at zero, so that the change starts at zero.

    The matrix is [out, in/groups · kh · kw]. A transposed convolution's weight is stored [in, out/groups, kh, kw]:
    there A maps from the input's channels, and the matrix is [out/groups · kh · kw, in].
    """

    def __init__(self, layer: Layer, rank: int, scale: float = SCALE) -> None:
        super().__init__()
        self.shape, self.scale = layer.weight.shape, scale
        self.transposed = isinstance(layer, nn.ConvTranspose2d)
        rows = self.shape[0]
        columns = layer.weight.numel() // rows
        if self.transposed:
            rows, columns = columns, rows
        # A matrix has no more rank than its shorter side; a depthwise kernel has nine or twenty-five columns.
        rank = min(rank, rows, columns)
        like = layer.weight
        self.a = nn.Parameter(torch.empty(rank, columns, dtype=like.dtype, device=like.device))
        self.b = nn.Parameter(torch.zeros(rows, rank, dtype=like.dtype, device=like.device))
        nn.init.kaiming_uniform_(self.a, a=5**0.5)

    def forward(self) -> Tensor:
        change = self.b @ self.a
        return self.scale * (change.T if self.transposed else change).reshape(self.shape)


class FullRank(nn.Module):
    """A weight's change without a bound on its rank, for layers that are trained whole; starts at zero."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros_like(weight))

    def forward(self) -> Tensor:
        return self.value


class Branches(nn.Module):
    """The parametrisation of one tensor: its branches by name, each with a strength (1 on, 0 off)."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = nn.ModuleDict()
        self.strengths: dict[str, float] = {}

    def forward(self, weight: Tensor) -> Tensor:
        # Mixed precision is for activations only: in the sum of weights it would lose half of the bits.
        with torch.autocast(weight.device.type, enabled=False):
            for name, change in self.changes.items():
                if self.strengths[name] != 0.0:
                    weight = weight + self.strengths[name] * change()
        return weight


def add_low_rank(root: nn.Module, ranks: Mapping[str, int], scale: float = SCALE) -> None:
    """Give every linear layer and convolution under ``root`` a branch of each name in ``ranks``, all switched on."""
    for layer in list(root.modules()):
        if isinstance(layer, Layer):
            for name, rank in ranks.items():
                _add(layer, "weight", name, LowRank(layer, rank, scale))


def add_full_rank(layer: nn.Module, branch: str) -> None:
    """Give all parameters of one layer a branch that is trained whole, switched on."""
    for tensor in ("weight", "bias"):
        if getattr(layer, tensor, None) is not None:
            _add(layer, tensor, branch, FullRank(getattr(layer, tensor).detach()))


def _add(layer: nn.Module, tensor: str, branch: str, change: nn.Module) -> None:
    if not parametrize.is_parametrized(layer, tensor):
        parametrize.register_parametrization(layer, tensor, Branches())
    (branches,) = _of(layer, tensor)
    branches.changes[branch] = change
    branches.strengths[branch] = 1.0


def _of(layer: nn.Module, tensor: str) -> Iterator[Branches]:
    for parametrization in layer.parametrizations[tensor]:  # type: ignore[index]
        if isinstance(parametrization, Branches):
            yield parametrization


def set_strength(root: nn.Module, branch: str, strength: float) -> None:
    """Weigh one branch of all layers under ``root``: 1 as trained, 0 off (the weights are then as without it)."""
    for module in root.modules():
        if isinstance(module, Branches) and branch in module.changes:
            module.strengths[branch] = strength


def branch_parameters(root: nn.Module, branch: str) -> list[nn.Parameter]:
    """What is trained of one branch."""
    return [
        parameter
        for module in root.modules()
        if isinstance(module, Branches) and branch in module.changes
        for parameter in module.changes[branch].parameters()
    ]


def full_rank_change(layer: nn.Module, tensor: str, branch: str) -> nn.Parameter:
    """The change that :func:`add_full_rank` trains, to give it a start of its own."""
    (branches,) = _of(layer, tensor)
    change = branches.changes[branch]
    assert isinstance(change, FullRank), f"branch {branch} of {tensor} has low rank"
    return change.value


def merge(root: nn.Module) -> None:
    """Write the sums, at the strengths that are set, into plain weights; no branch is left."""
    for module in list(root.modules()):
        if parametrize.is_parametrized(module):
            for tensor in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, tensor, leave_parametrized=True)
