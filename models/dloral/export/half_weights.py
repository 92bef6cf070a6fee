"""Weights kept in 16 bits inside of graphs that compute in 32: a pack of half the size, at the same speed.

Each large tensor becomes one of float16 with a Cast behind it, which runtimes do once, when they load the graph.
"""

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

LARGE = 1024
"""Values from which on a tensor is kept in 16 bits."""


def round_weights(module: nn.Module) -> None:
    """Round the large parameters of ``module`` to what float16 holds, so that the graph gives what the module does."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() >= LARGE:
                parameter.copy_(parameter.half().float())


def halve_weights(model: ir.Model) -> None:
    """Keep the large float32 tensors of a graph in 16 bits."""
    graph = model.graph
    for name, value in list(graph.initializers.items()):
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or tensor.size < LARGE:
            continue
        half = ir.Value(
            name=f"{name}.half",
            shape=value.shape,
            type=ir.TensorType(ir.DataType.FLOAT16),
            const_value=ir.Tensor(tensor.numpy().astype(np.float16), name=f"{name}.half"),
        )
        cast = ir.Node("", "Cast", [half], [ir.AttrInt64("to", ir.DataType.FLOAT.value)], num_outputs=1)
        cast.outputs[0].name, cast.outputs[0].shape, cast.outputs[0].type = name, value.shape, value.type
        graph.initializers.pop(name)
        value.name = f"{name}.unused"
        ir.convenience.replace_all_uses_with(value, cast.outputs[0])
        graph.initializers.add(half)
        graph.insert_before(graph[0], cast)
