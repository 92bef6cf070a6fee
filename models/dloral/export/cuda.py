"""The form of a graph for ONNX Runtime's CUDA provider: fused attention, group normalisation and NHWC convolutions.

Attention is fused here, because this package writes it in one known way; the rest is ONNX Runtime's own optimiser. The
result has operators of ``com.microsoft`` that neither the CPU nor TensorRT has: a pack is for CUDA alone then.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from dloral.errors import UserError
from dloral.export.save import save_graph

DOMAIN = "com.microsoft"


def optimise_for_cuda(path: Path, kind: str) -> None:
    """Bring the graph at ``path`` into its form for CUDA; ``kind``: ``unet`` or ``vae``.

    Raises :class:`UserError` if a group normalisation stays unfused: in f16 its statistics would be f16 too.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions(kind)
    # Sizes are dynamic, and its symbolic shape inference gives up on them. Attention is fused already.
    options.enable_shape_inference = options.enable_attention = False
    with tempfile.TemporaryDirectory(prefix=".fused-", dir=path.parent) as aside:
        fused = Path(aside) / path.name
        model = ir.load(path)
        fuse_attention(model)
        _single_norm_weights(model)
        save_graph(model, fused)
        with contextlib.redirect_stderr(io.StringIO()), _quiet():
            optimised = optimize_model(str(fused), kind, opt_level=0, optimization_options=options).model
    left = sum(node.op_type == "InstanceNormalization" for node in optimised.graph.node)
    if left:
        raise UserError(f"{path.name}: ONNX Runtime's optimiser left {left} group normalisations as they were")
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    final = ir.from_proto(optimised)
    # The optimiser uses the domain without importing it where nothing else did.
    final.opset_imports.setdefault(DOMAIN, 1)
    save_graph(final, path)


def _single_norm_weights(model: ir.Model) -> None:
    """Turn scales and offsets behind group normalisations to f32, which GroupNorm's are whatever its input is: the
    optimiser copies them as it finds them. Until it has fused them the types do not fit.
    """
    for norm in [node for node in model.graph if node.op_type == "InstanceNormalization"]:
        node: ir.Node | None = norm
        for follower in ("Reshape", "Mul", "Add"):
            node = _only_use(node, follower) if node is not None else None
            for value in node.inputs if node is not None and follower != "Reshape" else ():
                if value is not None and value.const_value is not None:
                    values = value.const_value.numpy().astype(np.float32)
                    value.const_value = ir.tensor(values, name=value.name)
                    value.type = ir.TensorType(ir.DataType.FLOAT)


def fuse_attention(model: ir.Model) -> int:
    """Put MultiHeadAttention in the place of softmax(Q·K)·V, heads and all; returns how many were found.

    It holds no matrix of scores, and its softmax is f32 whatever its inputs are.
    """
    fused = 0
    for softmax in [node for node in model.graph if node.op_type == "Softmax"]:
        fused += _fuse(model, softmax)
    if fused:
        model.opset_imports[DOMAIN] = 1
        RemoveUnusedNodesPass()(model)
    return fused


def _fuse(model: ir.Model, softmax: ir.Node) -> bool:
    scores, product = _before(softmax, "Cast"), _after(softmax, "Cast")
    if scores is None or product is None or scores.op_type != "MatMul" or product.op_type != "MatMul":
        return False
    merged = _only_use(product, "Transpose")
    out = _only_use(merged, "Reshape") if merged is not None else None
    heads = _heads(scores.inputs[0])
    if out is None or heads is None:
        return False
    query = _rows(model, scores.inputs[0], (0, 2, 1, 3))
    key = _rows(model, scores.inputs[1], (0, 2, 3, 1))
    value = _rows(model, product.inputs[1], (0, 2, 1, 3))
    if query is None or key is None or value is None:
        return False
    key, value = (_repeated(model, rows, query, out) if rows.is_initializer() else rows for rows in (key, value))
    # The query was scaled before: 1.0, and not the operator's own 1/√d.
    attributes = [ir.AttrInt64("num_heads", heads), ir.AttrFloat32("scale", 1.0)]
    node = ir.Node(DOMAIN, "MultiHeadAttention", [query, key, value], attributes, name=f"{softmax.name}_attention")
    old, new = out.outputs[0], node.outputs[0]
    new.name, new.type, new.shape = f"{old.name}_attention", old.type, old.shape
    model.graph.insert_before(out, node)
    ir.convenience.replace_all_uses_with(old, new)
    return True


def _heads(value: ir.Value | None) -> int | None:
    """Of a query [B, heads, n, d] that is a transposed reshape to [B, n, heads, d]."""
    split = _split(value, (0, 2, 1, 3))
    shape = split.inputs[1] if split is not None else None
    if shape is None:
        return None
    if shape.const_value is not None:
        return int(shape.const_value.numpy()[2])
    # Where the batch is free too, the shape is put together from its four sides.
    sides = shape.producer()
    if sides is None or sides.op_type != "Concat" or len(sides.inputs) != 4:
        return None
    heads = sides.inputs[2]
    return int(heads.const_value.numpy()[0]) if heads is not None and heads.const_value is not None else None


def _rows(model: ir.Model, value: ir.Value | None, order: tuple[int, ...]) -> ir.Value | None:
    """The [B, n, heads·d] of which ``value`` are the heads: what was split, or a constant put together again."""
    split = _split(value, order)
    if split is not None:
        return split.inputs[0]
    if value is None or value.const_value is None or not value.is_initializer():
        return None
    heads = value.const_value.numpy()
    rows = np.ascontiguousarray(np.transpose(heads, np.argsort(order)))
    rows = rows.reshape(*rows.shape[:2], -1)
    name = f"{value.name}_rows"
    if name not in model.graph.initializers:
        constant = ir.Value(name=name, const_value=ir.tensor(rows, name=name), shape=ir.Shape(rows.shape))
        constant.dtype = value.const_value.dtype
        model.graph.register_initializer(constant)
    return model.graph.initializers[name]


def _repeated(model: ir.Model, rows: ir.Value, query: ir.Value, before: ir.Node) -> ir.Value:
    """Constant ``rows`` [1, m, d] as often as the query has pictures: products broadcast, the operator does not."""
    name = f"{before.name}_{rows.name}"
    ones = ir.Value(name=f"{name}_ones", const_value=ir.tensor(np.ones(2, np.int64), name=f"{name}_ones"))
    ones.dtype, ones.shape = ir.DataType.INT64, ir.Shape([2])
    model.graph.register_initializer(ones)
    count = ir.Node("", "Shape", [query], [ir.AttrInt64("start", 0), ir.AttrInt64("end", 1)], name=f"{name}_count")
    shape = ir.Node("", "Concat", [count.outputs[0], ones], [ir.AttrInt64("axis", 0)], name=f"{name}_shape")
    repeated = ir.Node("", "Expand", [rows, shape.outputs[0]], name=f"{name}_repeated")
    for node in (count, shape, repeated):
        node.outputs[0].name = node.name
    model.graph.insert_before(before, [count, shape, repeated])
    return repeated.outputs[0]


def _split(value: ir.Value | None, order: tuple[int, ...]) -> ir.Node | None:
    """The Reshape that splits heads, if ``value`` is its result transposed by ``order``."""
    transpose = value.producer() if value is not None else None
    if transpose is None or transpose.op_type != "Transpose" or tuple(transpose.attributes["perm"].value) != order:
        return None
    reshape = transpose.inputs[0].producer() if transpose.inputs[0] is not None else None
    return reshape if reshape is not None and reshape.op_type == "Reshape" else None


def _before(node: ir.Node, skipped: str) -> ir.Node | None:
    """The node that makes the first input of ``node``, past one of type ``skipped``."""
    found = node.inputs[0].producer() if node.inputs[0] is not None else None
    return _before(found, "") if found is not None and found.op_type == skipped else found


def _after(node: ir.Node, skipped: str) -> ir.Node | None:
    """The only node that uses ``node``, past one of type ``skipped``."""
    uses = list(node.outputs[0].uses())
    if len(uses) != 1:
        return None
    found = uses[0].node
    return _after(found, "") if found.op_type == skipped else found


def _only_use(node: ir.Node, op_type: str) -> ir.Node | None:
    found = _after(node, "")
    return found if found is not None and found.op_type == op_type else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's optimiser reports every step to the root logger."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
