"""A perceptual distance between pictures: channel-normalised features of a MobileNetV2's early stages.

The backbone is an ImageNet MobileNetV2, post-training quantised to 8 bits (ONNX ``QLinearConv``), one of the test
models of the project nnstreamer; ``models/README.md`` says where it is found. Weights and biases are dequantised once
and run in float, so the distance is differentiable. An activation follows exactly those convolutions whose output zero
point is 0; it is ReLU6 as in MobileNetV2.

Input normalisation, read off the graph: its input quantiser covers [-2.13, 2.63], which is what [0, 1] becomes under
ImageNet's mean and standard deviation ((0 - 0.485)/0.229 = -2.12, (1 - 0.406)/0.225 = 2.64), RGB order.

Stages, and why these:

- ``553``, expansion to 96 channels at stride 2: fine texture, noise, sharpness;
- ``571``, expansion to 144 channels at stride 4: edges, corners, JPEG and H.264 blocks;
- ``598``, expansion to 192 channels at stride 8: small patterns in their surroundings, "the right texture".

All three are taken behind the ReLU6 of a block's expansion, where LPIPS too takes its features: there the channels are
sparse detectors, while a block's linear output has no fixed zero for the unit normalisation to refer to. Deeper stages
answer to objects rather than picture quality, cost more, and their large stride prints a grid into what is trained
against them. For the same reason training looks at crops at places that are random to the pixel, so that none is always
the sampled one.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from dloral.errors import UserError
from dloral.shared import backbone_path

STAGES = {"553": 2, "571": 4, "598": 8}
"""Tensors of the float graph that are compared, and their strides."""

MIN_SIZE = 16
"""Smallest height and width for which the deepest stage still has more than one sample."""

# The deepest stage sees 29 pixels to either side; a multiple of its stride keeps the samples where they are.
_HALO = 32
_STRIP = 96
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_EPSILON = 1e-10


class BackboneError(UserError):
    """The backbone file is missing or is not the network that is expected."""


@dataclass(frozen=True)
class _Step:
    """One node of the dequantised graph: a convolution (``weight`` set) or an addition."""

    inputs: tuple[str, ...]
    output: str
    weight: str = ""
    stride: int = 1
    padding: int = 0
    groups: int = 1
    activated: bool = False


class PerceptualDistance(nn.Module):
    """LPIPS-style distance of two batches of pictures; 0 for equal pictures, larger is worse.

    At each stage the feature vectors are scaled to length 1 over the channels, their squared difference is summed over
    the channels and averaged over the positions; the result is the mean over the stages, so it lies in [0, 2].
    The weights are frozen; gradients flow to the pictures.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Load the backbone from ``path`` (default: :func:`backbone_path`). Raises :class:`BackboneError`."""
        super().__init__()
        source = Path(path) if path is not None else backbone_path()
        if not source.is_file():
            raise BackboneError(
                f"no perceptual backbone at {source}: give its path with --backbone, or set DLORAL_SHARED to the "
                f"folder that holds backbone/{backbone_path().name} (models/README.md says where it comes from)"
            )
        self._steps: list[_Step] = []
        self._load(onnx.load(source).graph, source)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def _load(self, graph: onnx.GraphProto, source: Path) -> None:
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        missing = set(STAGES)
        for node in graph.node:
            if node.op_type == "QLinearConv":
                step = self._convolution(node, constants)
            elif node.op_type == "QLinearAdd":
                step = _Step((_float_name(node.input[0]), _float_name(node.input[3])), _float_name(node.output[0]))
            elif node.op_type == "QuantizeLinear":
                continue
            else:
                break
            self._steps.append(step)
            missing.discard(step.output)
            if not missing:
                return
        raise BackboneError(f"{source} is not the expected MobileNetV2: it has no tensors {sorted(missing)}")

    def _convolution(self, node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> _Step:
        _, in_scale, _, weight, scale, zero, _, out_zero, bias = node.input
        values = (constants[weight].astype(np.float32) - float(constants[zero])) * float(constants[scale])
        offsets = constants[bias].astype(np.float32) * (float(constants[in_scale]) * float(constants[scale]))
        name = f"conv{len(self._steps)}"
        self.register_buffer(f"{name}_weight", torch.from_numpy(values), persistent=False)
        self.register_buffer(f"{name}_bias", torch.from_numpy(offsets), persistent=False)
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        return _Step(
            inputs=(_float_name(node.input[0]),),
            output=_float_name(node.output[0]),
            weight=name,
            stride=attributes["strides"][0],
            padding=attributes["pads"][0],
            groups=attributes["group"],
            activated=int(constants[out_zero]) == 0,
        )

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Raw features [B,C,h,w] of each stage; ``pictures`` RGB [B,3,H,W] in [0,1], H and W at least ``MIN_SIZE``."""
        if pictures.ndim != 4 or pictures.shape[1] != 3 or min(pictures.shape[2:]) < MIN_SIZE:
            raise ValueError(f"pictures must be [B,3,H,W] with H and W ≥ {MIN_SIZE}, not {list(pictures.shape)}")
        tensors = {"input": (pictures - self.mean) / self.std}
        for step in self._steps:
            tensors[step.output] = self._run(step, [tensors[name] for name in step.inputs])
        return [tensors[name] for name in STAGES]

    def _run(self, step: _Step, inputs: list[Tensor]) -> Tensor:
        if not step.weight:
            return inputs[0] + inputs[1]
        weight, bias = self.get_buffer(f"{step.weight}_weight"), self.get_buffer(f"{step.weight}_bias")
        # The gradient of a strided depthwise convolution takes ten times as long on a CPU as one at stride 1 does.
        thinned = step.stride if step.groups > 1 and inputs[0].requires_grad else 1
        stride = step.stride // thinned
        result = functional.conv2d(inputs[0], weight, bias, stride=stride, padding=step.padding, groups=step.groups)
        result = result[..., ::thinned, ::thinned]
        return functional.relu6(result) if step.activated else result

    def forward(self, pictures: Tensor, references: Tensor) -> Tensor:
        """Distances [B] of ``pictures`` from ``references``, both RGB [B,3,H,W] in [0,1]."""
        if pictures.shape != references.shape:
            raise ValueError(f"sizes differ: {list(pictures.shape)} and {list(references.shape)}")
        ours, theirs = self.features(pictures), self.features(references)
        stages = [_stage_distance(a, b) for a, b in zip(ours, theirs, strict=True)]
        return torch.stack(stages).mean(dim=0)

    @torch.inference_mode()
    def measure(self, pictures: Sequence[Tensor], reference: Tensor) -> list[float]:
        """Distances of several ``pictures`` [1,3,H,W] from one ``reference``, as :meth:`forward` gives them.

        Made for measuring: in strips, whose features stay in a CPU's cache, and with the reference's computed once.
        """
        height = reference.shape[2]
        sums = torch.zeros(len(pictures), len(STAGES), dtype=torch.float64)
        for top in range(0, height, _STRIP):
            wanted = [unit_length(features) for features in self._strip_features(reference, top)]
            for sum_, picture in zip(sums, pictures, strict=True):
                if picture.shape != reference.shape:
                    raise ValueError(f"sizes differ: {list(picture.shape)} and {list(reference.shape)}")
                strip = zip(self._strip_features(picture, top), wanted, strict=True)
                sum_ += torch.stack([unit_length(a).sub_(b).square_().sum() for a, b in strip])
        areas = [-(-height // stride) * -(-reference.shape[3] // stride) for stride in STAGES.values()]
        return [float(value) for value in (sums / torch.tensor(areas)).mean(dim=1)]

    def _strip_features(self, pictures: Tensor, top: int) -> list[Tensor]:
        """Features of the rows from ``top`` to ``top + _STRIP``, computed with what is above and below."""
        height = pictures.shape[2]
        first, last = max(top - _HALO, 0), min(top + _STRIP, height)
        end = min(last + _HALO, height)
        # A strip at the border may be lower than the network takes.
        first = min(first, max(end - MIN_SIZE, 0) // _HALO * _HALO)
        features = self.features(pictures[:, :, first:end])
        rows = [((top - first) // stride, -(-(last - first) // stride)) for stride in STAGES.values()]
        return [f[:, :, start:stop] for f, (start, stop) in zip(features, rows, strict=True)]


def _float_name(name: str) -> str:
    return name.removesuffix("_quantized")


def _stage_distance(a: Tensor, b: Tensor) -> Tensor:
    difference = unit_length(a) - unit_length(b)
    return difference.square().sum(dim=1).mean(dim=(1, 2))


def unit_length(features: Tensor) -> Tensor:
    """Features [B,C,h,w], each position's vector over the channels scaled to length 1."""
    # The epsilon is inside the root: the gradient stays finite where all channels are 0.
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + _EPSILON)
