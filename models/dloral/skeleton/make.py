"""Taking the weights out of a pack: what is left are its graphs, and mean and deviation of every large tensor."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, external_data_helper, numpy_helper

from dloral.errors import UserError
from dloral.export.folder import fresh_folder
from dloral.manifest import open_pack

RECIPE = "skeleton.json"
SMALL = 4096
"""Bytes up to which a tensor stays in its graph."""
ALIGNMENT = 4096
"""Of the tensors in a file of weights, in bytes: ONNX Runtime maps whole pages."""


def make_skeleton(pack: Path, out: Path) -> int:
    """Write the skeleton of ``pack`` to ``out``; returns the bytes of weights that are left out.

    Raises :class:`UserError` where the pack cannot be read.
    """
    manifest = open_pack(pack)
    graphs = [name for name in manifest.files if name.endswith(".onnx")]
    with fresh_folder(out, RECIPE, "a skeleton", {*graphs, "pack.toml", "LICENSE"}) as fresh:
        recipe = {name: _strip(pack, name, fresh) for name in graphs}
        for name in {"LICENSE"} & manifest.files.keys():
            shutil.copyfile(pack / name, fresh / name)
        shutil.copyfile(pack / "pack.toml", fresh / "pack.toml")
        (fresh / RECIPE).write_text(json.dumps(recipe, indent=1), encoding="utf-8")
    return sum(entry["bytes"] for entry in recipe.values())


def _strip(pack: Path, name: str, folder: Path) -> dict[str, Any]:
    """Write one graph without its large tensors; returns what they were."""
    model = onnx.load(pack / name, load_external_data=False)
    tensors: list[dict[str, Any]] = []
    end = 0
    for tensor in _tensors(model.graph):
        if external_data_helper.uses_external_data(tensor):
            external_data_helper.load_external_data_for_tensor(tensor, str(pack))
        values = numpy_helper.to_array(tensor)
        _inline(tensor)
        if values.nbytes <= SMALL or values.dtype not in (np.float16, np.float32):
            continue
        offset = -(-end // ALIGNMENT) * ALIGNMENT
        end = offset + values.nbytes
        tensors.append({"offset": offset, "count": int(values.size), "type": values.dtype.name} | _moments(values))
        for field in ("raw_data", "float_data", "int32_data"):
            tensor.ClearField(field)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", f"{name}.data"), ("offset", str(offset)), ("length", str(values.nbytes))):
            tensor.external_data.add(key=key, value=value)
    (folder / name).write_bytes(model.SerializeToString())
    return {"bytes": end, "tensors": tensors}


def _inline(tensor: TensorProto) -> None:
    """Keep the values, which were read, in the graph."""
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _moments(values: NDArray[Any]) -> dict[str, float]:
    wide = values.astype(np.float64)
    mean, deviation = float(wide.mean()), float(wide.std())
    if not np.isfinite([mean, deviation]).all():
        raise UserError("the pack holds weights that are not finite: take another")
    return {"mean": mean, "deviation": deviation}


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """All constants of a graph and of the graphs inside of its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
