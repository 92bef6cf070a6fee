"""Writing one graph: without the exporter's notes, and with large weights beside it."""

from pathlib import Path

import onnx
import onnx_ir as ir

EXTERNAL_ABOVE = 2**30
"""Bytes of weights above which a graph keeps them in a file of their own. Format 1 allows graphs of 2 GiB, but readers
parse what is inside as a whole, and need it twice in memory."""


def save_graph(model: ir.Model, path: Path) -> None:
    """Write a graph; its weights go to a file beside it if they are large, without being copied in memory."""
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    ir.save(model, path, external_data=f"{path.name}.data" if size > EXTERNAL_ABOVE else None)
    onnx.checker.check_model(path)


def name_sizes(model: ir.Model) -> None:
    """Call the free sizes of the inputs by fixed names, by which a host that knows them can fix them.

    ``height`` and ``width`` of a latent and its guide, ``frame_height`` and ``frame_width`` of a picture. What lies in
    between is left without sizes, which are worked out from those of the inputs.
    """
    graph = model.graph
    for value in graph.inputs:
        assert value.shape is not None, "the exporter gives every input a shape"
        picture = value.dtype == ir.DataType.UINT8
        axes = {1: "frame_height", 2: "frame_width"} if picture else {2: "height", 3: "width"}
        sides = [
            ir.SymbolicDim(axes[axis]) if axis in axes and not isinstance(side, int) else side
            for axis, side in enumerate(value.shape)
        ]
        value.shape = ir.Shape(sides)
    for value in (output for node in graph for output in node.outputs):
        if (
            value.shape is not None
            and any(not isinstance(side, int) for side in value.shape)
            and not value.is_graph_output()
        ):
            value.shape = None


def strip_notes(model: ir.Model) -> None:
    """Take out the exporter's notes: they name source files of the machine it ran on, and change from run to run."""
    graph = model.graph
    tensors = [value.const_value for value in graph.initializers.values() if value.const_value is not None]
    outputs = [value for node in graph for value in node.outputs]
    for item in [model, graph, *graph, *outputs, *graph.inputs, *graph.initializers.values(), *tensors]:
        item.metadata_props.clear()
        item.doc_string = None
