"""Writing a model pack, format 1 (specified in ``models/README.md``): the one code path of every configuration."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tomli_w
import torch
from torch import Tensor, nn

from dloral.errors import UserError
from dloral.manifest import FORMAT, SCALE, GraphSizes

WINDOW = 2
OPSET = 18
EXAMPLE = (34, 50)
"""Latent height and width of the example that graphs are traced with: unequal, and no multiple of a stride's power, so
that nothing of the example can pass for a constant."""


@dataclass(frozen=True)
class PackParts:
    """What a configuration gives to be exported. Graph modules take and return what the format's tables say."""

    name: str
    encoder: nn.Module
    restorer: nn.Module
    decoder: nn.Module
    latent_channels: int
    latent_factor: int
    encoder_input: str
    conditioned: bool
    encoder_sizes: GraphSizes
    restorer_sizes: GraphSizes
    decoder_sizes: GraphSizes
    color_fix: str
    precision: str
    licence: str
    provenance: dict[str, str] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)


def write_pack(parts: PackParts, folder: Path) -> None:
    """Export ``parts`` into ``folder``; written aside, checked with ONNX Runtime and renamed, so never half a pack."""
    if folder.exists() and not (folder / "pack.toml").is_file():
        raise UserError(f"{folder} exists and is not a pack: give another --out, or take it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        fresh = Path(aside) / folder.name
        fresh.mkdir(mode=0o755)
        _export_graphs(parts, fresh)
        _check(parts, fresh)
        (fresh / "pack.toml").write_text(tomli_w.dumps(_manifest(parts, fresh)), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)


def _export_graphs(parts: PackParts, folder: Path) -> None:
    c, (h, w) = parts.latent_channels, EXAMPLE
    low = parts.latent_factor // SCALE
    side = parts.latent_factor if parts.encoder_input == "upscaled" else low
    latent, guide = torch.rand(1, c, h, w), torch.rand(1, 3, h, w)
    picture = torch.zeros(1, h * side, w * side, 3, dtype=torch.uint8)
    _export(parts.encoder, folder / "encoder.onnx", {"frame": picture}, ["latent", "guide"])
    # Clones: the exporter takes one tensor given twice for one input.
    pairs = {"latent": latent, "guide": guide, "latent_prev": latent.clone(), "guide_prev": guide.clone()}
    _export(parts.restorer, folder / "restorer.onnx", pairs, ["restored"])
    inputs = {"restored": latent}
    if parts.conditioned:
        inputs["frame"] = torch.zeros(1, h * low, w * low, 3, dtype=torch.uint8)
    _export(parts.decoder, folder / "decoder.onnx", inputs, ["picture"])


def _export(module: nn.Module, path: Path, inputs: dict[str, Tensor], outputs: list[str]) -> None:
    dynamic = torch.export.Dim.DYNAMIC
    shapes = tuple(
        {1: dynamic, 2: dynamic} if x.dtype == torch.uint8 else {2: dynamic, 3: dynamic} for x in inputs.values()
    )
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(inputs),
        output_names=outputs,
        dynamic_shapes=shapes,
        optimize=True,
        verbose=False,
    )
    assert program is not None, "the dynamo exporter returns the program"
    model = program.model_proto
    _strip(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _strip(graph: onnx.GraphProto) -> None:
    """Take out the exporter's notes: they name source files of the machine it ran on, and change from run to run."""
    del graph.metadata_props[:]
    graph.doc_string = ""
    for item in [*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        del item.metadata_props[:]
        item.doc_string = ""


def _check(parts: PackParts, folder: Path) -> None:
    """Run the chain once at the smallest size and once at an odd multiple of it, and compare with torch."""
    sizes = (parts.encoder_sizes, parts.restorer_sizes, parts.decoder_sizes)
    small, step = max(size.min for size in sizes), int(np.lcm.reduce([size.multiple for size in sizes]))
    small = -(-small // step) * step
    for h, w in ((small, small), (small + 3 * step, small + 5 * step)):
        _compare(parts, folder, h, w)


def _compare(parts: PackParts, folder: Path, h: int, w: int) -> None:
    rng = np.random.default_rng(0)
    low = parts.latent_factor // SCALE
    side = parts.latent_factor if parts.encoder_input == "upscaled" else low
    frame = rng.integers(0, 256, (1, h * side, w * side, 3), dtype=np.uint8)
    names = ("encoder", "restorer", "decoder")
    run = {n: onnxruntime.InferenceSession(folder / f"{n}.onnx", providers=["CPUExecutionProvider"]).run for n in names}
    latent, guide = run["encoder"](["latent", "guide"], {"frame": frame})
    pairs = {"latent": latent, "guide": guide, "latent_prev": latent[..., ::-1].copy(), "guide_prev": guide}
    restored = run["restorer"](["restored"], pairs)[0]
    inputs = {"restored": restored}
    if parts.conditioned:
        inputs["frame"] = rng.integers(0, 256, (1, h * low, w * low, 3), dtype=np.uint8)
    picture = run["decoder"](["picture"], inputs)[0]
    with torch.no_grad():
        expected = parts.encoder(torch.from_numpy(frame))
        _close("latent", latent, expected[0].numpy())
        _close("guide", guide, expected[1].numpy())
        _close("restored", restored, parts.restorer(*map(torch.from_numpy, pairs.values())).numpy())
        _close("picture", picture, parts.decoder(*map(torch.from_numpy, inputs.values())).numpy())


def _close(name: str, got: "np.ndarray[Any, Any]", expected: "np.ndarray[Any, Any]") -> None:
    if got.shape != expected.shape:
        raise UserError(f"the exported graph gives {name} {got.shape} where torch gives {expected.shape}")
    error = float(np.abs(got.astype(np.float64) - expected.astype(np.float64)).max())
    # A byte may fall on either side of a tie; floats differ by the order of their sums.
    limit = 1.0 if got.dtype == np.uint8 else 1e-3 * max(float(np.abs(expected).max()), 1.0)
    if not error <= limit:
        raise UserError(f"the exported graph gives another {name} than torch: {error:.2e} apart, {limit:.2e} allowed")


def _manifest(parts: PackParts, folder: Path) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": parts.name,
        "scale": SCALE,
        "licence": parts.licence,
        "precision": parts.precision,
        "color_fix": parts.color_fix,
        "window": {"frames": WINDOW, "look_ahead": 0},
        "latent": {"channels": parts.latent_channels, "factor": parts.latent_factor},
        "encoder": {"input": parts.encoder_input, **vars(parts.encoder_sizes)},
        "restorer": vars(parts.restorer_sizes),
        "decoder": {"conditioned": parts.conditioned, **vars(parts.decoder_sizes)},
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
        "provenance": parts.provenance,
        "quality": parts.quality,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
