"""Give a pack a form in 8 bits: ``python -m dloral quantise --pack runs/plain --data … --out models/tiny``.

The pointwise convolutions of the restorer's residual blocks multiply bytes: activations u8, weights s8 with a scale per
output channel. Everything else, and above all the sums that run past the blocks, stays f32, so that rounding does not
add up from block to block. So do encoder and decoder: what is rounded there is seen. Both forms are in one pack, and
share the encoder.
"""

import argparse
import contextlib
import io
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tomli_w
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from dloral.data.batches import Batches, BatchShape
from dloral.data.degrade import Degradation
from dloral.data.sources import open_sources
from dloral.errors import UserError
from dloral.export.folder import digests, fresh_folder
from dloral.export.move_bytes import move_bytes
from dloral.manifest import open_pack
from dloral.quality import read_quality
from dloral.train.base_config import OWN

Feeds = list[dict[str, NDArray[Any]]]

CALIBRATION = BatchShape(size=4, frames=2)
"""Windows of a calibration batch: pairs of frames, as the restorer sees them."""
PRODUCT = re.compile(r"network\.body\..*\.(expand|project)\.weight(\.half)?$")
"""Weights of the convolutions that multiply bytes (``dloral.model.bases.tiny.Block``)."""
LIMIT = 45.0
"""PSNR in dB of the pictures in 8 bits to those in f32, below which quantising has failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``quantise``."""
    parser.add_argument("--pack", type=Path, required=True, help="folder of the pack in fp32")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of videos and pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack with both forms")
    parser.add_argument("--windows", type=int, default=64, help="pairs of frames that the ranges are read off")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quality", type=Path, help="TOML file of figures measured of the form in 8 bits, to store in the pack"
    )


def run(args: argparse.Namespace) -> None:
    """Write the pack, and print how far the pictures of its two forms are apart."""
    with tempfile.TemporaryDirectory() as cache:
        frames = calibration_frames(args.data, Path(cache), args.windows, args.seed)
        error = quantise(args.pack, args.out, frames, read_quality(args.quality) if args.quality else {})
    print(f"{args.out}: {error:.1f} dB PSNR between 8 bits and fp32")


def calibration_frames(data: list[Path], cache: Path, windows: int, seed: int) -> list[NDArray[np.uint8]]:
    """Pairs of degraded frames [2, H, W, 3], by the default degradation: blur, noise, JPEG and H.264 alone."""
    sources = open_sources(data, cache, CALIBRATION.clip_frames, CALIBRATION.clip_size)
    steps = -(-windows // CALIBRATION.size)
    batches = Batches(sources, Degradation(), CALIBRATION, seed, steps)
    pairs = [pair.permute(0, 2, 3, 1).contiguous().numpy() for step in range(steps) for pair in batches[step].lq]
    return pairs[:windows]


def quantise(
    source: Path, out: Path, frames: list[NDArray[np.uint8]], quality: dict[str, float] | None = None
) -> float:
    """Write ``source`` with a form in 8 bits to ``out``; returns the PSNR in dB between the pictures of ``frames``.

    The ranges are read off the same ``frames``.

    ``quality``: figures measured of the form in 8 bits, in place of those of ``source``.

    Raises :class:`UserError` where ``source`` is no plain pack of the base ``tiny``, or where the pictures are further
    apart than :data:`LIMIT`.
    """
    manifest = open_pack(source)
    table = tomllib.loads((source / "pack.toml").read_text(encoding="utf-8"))
    if table.get("precision") != "fp32" or manifest.int8 or table.get("provenance", {}).get("base") != OWN:
        raise UserError(f"{source} is not a pack of the base {OWN} in fp32 alone: only those get a form in 8 bits")
    feeds, pictures = _run(source, {}, frames)
    with fresh_folder(out) as fresh:
        for name in manifest.files:
            shutil.copyfile(source / name, fresh / name)
        forms = {graph: f"{graph}.int8.onnx" for graph in ("restorer", "decoder")}
        _quantise_graph(source / "restorer.onnx", fresh / forms["restorer"], feeds)
        move_bytes(source / "decoder.onnx", fresh / forms["decoder"])
        error = _psnr(pictures, _run(source, {graph: fresh / name for graph, name in forms.items()}, frames)[1])
        if error < LIMIT:
            raise UserError(f"{source} loses too much in 8 bits: {error:.1f} dB PSNR to itself, {LIMIT} wanted")
        table |= {"name": out.name, "int8": forms, "files": digests(fresh)}
        table["provenance"] |= {"quantised": f"{error:.1f} dB to fp32"}
        if quality:
            table["quality"] = quality
        (fresh / "pack.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    return error


def _quantise_graph(source: Path, target: Path, feeds: Feeds) -> None:
    with tempfile.TemporaryDirectory() as aside, contextlib.redirect_stdout(io.StringIO()):
        prepared = Path(aside) / "prepared.onnx"
        # Names of sizes are dynamic, and the symbolic inference gives up on them; the plain one is enough here. Names
        # of layers are looked for before constants are folded, which takes them away.
        products = _products(source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=products,
            per_channel=True,
            # Seven bits of weight: on CPUs without VNNI, sums of two products of eight bits overflow.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


def _products(source: Path) -> list[str]:
    """Names of the convolutions of residual blocks, and of the activations behind them."""
    graph = onnx.load(source).graph
    # Weights kept in 16 bits come out of a Cast.
    origin = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    products = [
        node
        for node in graph.node
        if node.op_type == "Conv" and PRODUCT.search(origin.get(node.input[1], node.input[1]))
    ]
    if not products:
        raise UserError("the pack's graphs have no residual blocks by the names that this package gives them")
    outputs = {node.output[0] for node in products}
    return [node.name for node in products] + [
        node.name for node in graph.node if node.op_type == "Relu" and node.input[0] in outputs
    ]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands a graph's inputs to the calibration, one set after another."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds: Iterator[dict[str, NDArray[Any]]] = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


def _run(
    source: Path, forms: dict[str, Path], frames: list[NDArray[np.uint8]]
) -> tuple[Feeds, list[NDArray[np.uint8]]]:
    """The restorer's inputs, and the pictures, for the second frame of every pair; ``forms``: graphs in place of those
    of ``source``.
    """
    encode, restore, decode = (
        onnxruntime.InferenceSession(forms.get(graph, source / f"{graph}.onnx"), providers=["CPUExecutionProvider"])
        for graph in ("encoder", "restorer", "decoder")
    )
    feeds: Feeds = []
    pictures: list[NDArray[np.uint8]] = []
    for before, now in frames:
        latent_prev, guide_prev = encode.run(["latent", "guide"], {"frame": before[None]})
        latent, guide = encode.run(["latent", "guide"], {"frame": now[None]})
        feeds.append({"latent": latent, "guide": guide, "latent_prev": latent_prev, "guide_prev": guide_prev})
        restored = restore.run(["restored"], feeds[-1])[0]
        pictures.append(decode.run(["picture"], {"restored": restored, "frame": now[None]})[0])
    return feeds, pictures


def _psnr(wanted: list[NDArray[np.uint8]], got: list[NDArray[np.uint8]]) -> float:
    squares = [np.mean((a.astype(np.float64) - b) ** 2) for a, b in zip(wanted, got, strict=True)]
    return float(10.0 * np.log10(255.0**2 / max(float(np.mean(squares)), 1e-10)))
