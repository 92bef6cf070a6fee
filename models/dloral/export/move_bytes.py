"""Turning a decoder's levels into bytes before they are laid out as a picture, where moving bytes is cheaper.

Exports cast last, since TensorRT takes bytes only as a graph's output. A CPU moves a quarter of the memory so.
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from dloral.errors import UserError

LAYOUT = {"Reshape", "Transpose", "Concat", "Split", "Squeeze", "Unsqueeze", "Slice"}
"""Operations that move values and change none; the first input is what they move."""


def move_bytes(source: Path, target: Path) -> None:
    """Write ``source``, whose last node casts to bytes, with the cast in front of all that only moves values.

    Raises :class:`UserError` where it is another graph.
    """
    model = onnx.load(source)
    graph = model.graph
    producers = {output: node for node in graph.node for output in node.output}
    last = producers[graph.output[0].name]
    moved, origins = _layout_behind(last.input[0], producers)
    if last.op_type != "Cast" or not moved:
        raise UserError(f"{source} does not end in a layout and a cast to bytes: export the pack again")
    rest = [node for node in graph.node if node is not last]
    for name in sorted(origins):
        early = f"{name}.bytes"
        for node in moved:
            for index, value in enumerate(node.input):
                if value == name:
                    node.input[index] = early
        place = next(index for index, node in enumerate(rest) if name in node.output) + 1
        rest.insert(place, helper.make_node("Cast", [name], [early], name=f"{name}.cast", to=TensorProto.UINT8))
    for node in moved:
        node.output[:] = [graph.output[0].name if output == last.input[0] else output for output in node.output]
    del graph.node[:]
    graph.node.extend(rest)
    # Types that the graph notes of values in between are those of floats.
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _layout_behind(value: str, producers: dict[str, onnx.NodeProto]) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that only move values on the way to ``value``, and the values where that way begins."""
    moved: list[onnx.NodeProto] = []
    origins: set[str] = set()
    waiting = [value]
    while waiting:
        name = waiting.pop()
        node = producers.get(name)
        if node is None or node.op_type not in LAYOUT:
            origins.add(name)
            continue
        if all(node is not known for known in moved):
            moved.append(node)
            waiting += node.input if node.op_type == "Concat" else node.input[:1]
    return moved, origins
