"""Writing one graph: without the exporter's notes, and with large weights beside it."""

from pathlib import Path

import onnx
import onnx_ir as ir

EXTERNAL_ABOVE = 2**30
"""Bytes of weights above which a graph keeps them in a file of their own. Format 1 allows graphs of 2 GiB, but readers
parse what is inside as a whole, and need it twice in memory."""


def save_graph(model: ir.Model, path: Path) -> None:
    """Write a graph; its weights go to a file beside it if they are large, without being copied in memory."""
    _strip(model)
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    ir.save(model, path, external_data=f"{path.name}.data" if size > EXTERNAL_ABOVE else None)
    onnx.checker.check_model(path)


def _strip(model: ir.Model) -> None:
    """Take out the exporter's notes: they name source files of the machine it ran on, and change from run to run."""
    graph = model.graph
    tensors = [value.const_value for value in graph.initializers.values() if value.const_value is not None]
    outputs = [value for node in graph for value in node.outputs]
    for item in [model, graph, *graph, *outputs, *graph.inputs, *graph.initializers.values(), *tensors]:
        item.metadata_props.clear()
        item.doc_string = None
