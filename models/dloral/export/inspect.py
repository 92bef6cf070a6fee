"""Show what is in a pack: ``python -m dloral inspect models/tiny``."""

import argparse
import tomllib
from collections import Counter
from pathlib import Path

import onnx

from dloral.manifest import open_pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``inspect``."""
    parser.add_argument("pack", type=Path, help="folder of the pack")


def run(args: argparse.Namespace) -> None:
    """Print the manifest, and every graph's inputs and outputs, parameters by type, operators and size."""
    open_pack(args.pack)
    table = tomllib.loads((args.pack / "pack.toml").read_text(encoding="utf-8"))
    for key, value in table.items():
        if key != "files":
            print(f"{key}: {_plain(value)}")
    for name in ("encoder", "restorer", "decoder"):
        path = args.pack / f"{name}.onnx"
        graph = onnx.load(path, load_external_data=False).graph
        print(f"{name}.onnx: {_weights(graph)}, {_nodes(graph)}, {path.stat().st_size / 1e6:.2f} MB")
        for direction, values in (("in", graph.input), ("out", graph.output)):
            for value in values:
                print(f"  {direction:3} {value.name}: {_tensor_type(value)}")
    for name in table["files"]:
        if not name.endswith(".onnx"):
            print(f"{name}: {(args.pack / name).stat().st_size / 1e6:.2f} MB")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    return str(value)


def _weights(graph: onnx.GraphProto) -> str:
    """How many parameters, by the type that they are stored in."""
    counts: Counter[str] = Counter()
    for tensor in graph.initializer:
        counts[onnx.TensorProto.DataType.Name(tensor.data_type).lower()] += _count(tensor)
    kinds = {kind: count for kind, count in counts.items() if kind.startswith(("float", "bfloat", "int8", "uint8"))}
    return " + ".join(f"{count / 1e3:.0f} k parameters in {kind}" for kind, count in kinds.items()) or "no parameters"


def _nodes(graph: onnx.GraphProto) -> str:
    """How many operators, and which of them are ONNX Runtime's own."""
    own = Counter(node.op_type for node in graph.node if node.domain)
    names = ", ".join(f"{count} {name}" for name, count in own.items())
    return f"{len(graph.node)} nodes" + (f" (of ONNX Runtime alone: {names})" if names else "")


def _count(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _tensor_type(value: onnx.ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    dims = ", ".join(str(dim.dim_param or dim.dim_value) for dim in tensor.shape.dim)
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} [{dims}]"
