"""Show what is in a pack: ``python -m dloral inspect models/tiny``."""

import argparse
import tomllib
from pathlib import Path

import onnx

from dloral.manifest import read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``inspect``."""
    parser.add_argument("pack", type=Path, help="folder of the pack")


def run(args: argparse.Namespace) -> None:
    """Print the manifest, and every graph's tensors, parameters and size."""
    read_manifest(args.pack)
    table = tomllib.loads((args.pack / "pack.toml").read_text(encoding="utf-8"))
    for key, value in table.items():
        if key != "files":
            print(f"{key}: {_plain(value)}")
    for name in ("encoder", "restorer", "decoder"):
        path = args.pack / f"{name}.onnx"
        graph = onnx.load(path, load_external_data=False).graph
        parameters = sum(_count(tensor) for tensor in graph.initializer)
        size = path.stat().st_size / 1e6
        print(f"{name}.onnx: {parameters / 1e3:.0f} k parameters, {len(graph.node)} nodes, {size:.2f} MB")
        for direction, values in (("in", graph.input), ("out", graph.output)):
            for value in values:
                print(f"  {direction:3} {value.name}: {_tensor_type(value)}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    return str(value)


def _count(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _tensor_type(value: onnx.ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    dims = ", ".join(str(dim.dim_param or dim.dim_value) for dim in tensor.shape.dim)
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} [{dims}]"
