"""Writing a model pack, format 1 (specified in ``docs/pack-format.md``): the one code path of every configuration."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnxruntime
import tomli_w
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dloral.errors import UserError
from dloral.export.folder import digests, fresh_folder
from dloral.export.half_weights import halve_weights, round_weights
from dloral.export.save import name_sizes, save_graph, strip_notes
from dloral.manifest import FORMAT, SCALE, GraphSizes

Array = NDArray[Any]
Check = Literal["none", "small", "full"]
CHECKS: tuple[Check, ...] = get_args(Check)

WINDOW = 2
OPSET = 18
EXAMPLE = (34, 50)
"""Latent height and width of the example that graphs are traced with: unequal, and no multiple of a stride's power, so
that nothing of the example can pass for a constant."""
EXAMPLE_BATCH = 2
"""The exporter takes a batch of one for a constant."""
HALF_ERROR = 10 ** (-50 / 20)
"""Root mean square error of a graph in f16, over the peak value: 50 dB."""


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
    for_cuda: bool = False
    half_weights: bool = False
    """Whether large weights are kept in 16 bits, whatever the graphs compute in."""
    bf16: tuple[str, ...] = ()
    """Graphs that leave pictures within two levels where their products are rounded to bf16: measured, not known."""
    licence_text: str = ""
    """Of a base whose weights are in the pack; goes beside them."""
    restorer_batch: str = "one"
    """``free`` where the restorer takes any number of tiles at once, ``one`` where it takes one."""


def write_pack(parts: PackParts, folder: Path, check: Check = "full") -> None:
    """Export ``parts`` into ``folder``; written aside, checked with ONNX Runtime and renamed, so never half a pack.

    ``check``: how the graphs are compared with torch. ``full`` at two sizes; ``small`` at the smallest alone; ``none``
    not at all, where the same was checked before: at Stable Diffusion's size it takes most of the time.

    The modules of ``parts`` are used up: those in f16 come back in f32. Raises :class:`UserError` where a weight is not
    finite, or a graph gives something else than torch.
    """
    _refuse_not_finite(parts)
    if parts.half_weights:
        for module in (parts.encoder, parts.restorer, parts.decoder):
            round_weights(module)
    with fresh_folder(folder) as fresh:
        _export_graphs(parts, fresh)
        if check != "none":
            _check(parts, fresh, sizes=1 if check == "small" else 2)
        if parts.for_cuda:
            _optimise_for_cuda(fresh)
        if parts.licence_text:
            (fresh / "LICENSE").write_text(parts.licence_text, encoding="utf-8")
        (fresh / "pack.toml").write_text(tomli_w.dumps(_manifest(parts, fresh)), encoding="utf-8")


def _refuse_not_finite(parts: PackParts) -> None:
    """Bytes would hide it: a decoder of NaNs gives black pictures, in torch and in the graph alike."""
    for graph in ("encoder", "restorer", "decoder"):
        module: nn.Module = getattr(parts, graph)
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise UserError(
                    f"the {graph}'s {name} holds values that are not finite: the base or the checkpoint is damaged, or "
                    "was left by training that diverged; take another"
                )


def _export_graphs(parts: PackParts, folder: Path) -> None:
    c, (h, w), half = parts.latent_channels, EXAMPLE, parts.half_weights
    low = parts.latent_factor // SCALE
    side = parts.latent_factor if parts.encoder_input == "upscaled" else low
    latent = torch.rand(1, c, h, w)
    picture = torch.zeros(1, h * side, w * side, 3, dtype=torch.uint8)
    _export(parts.encoder, folder / "encoder.onnx", {"frame": picture}, ["latent", "guide"], half_weights=half)
    any_batch = parts.restorer_batch == "free"
    batch = EXAMPLE_BATCH if any_batch else 1
    channels = {"latent": c, "guide": 3, "latent_prev": c, "guide_prev": 3}
    pairs = {name: torch.rand(batch, count, h, w) for name, count in channels.items()}
    _export(parts.restorer, folder / "restorer.onnx", pairs, ["restored"], any_batch=any_batch, half_weights=half)
    inputs = {"restored": latent}
    if parts.conditioned:
        inputs["frame"] = torch.zeros(1, h * low, w * low, 3, dtype=torch.uint8)
    _export(parts.decoder, folder / "decoder.onnx", inputs, ["picture"], half_weights=half)


def _export(
    module: nn.Module,
    path: Path,
    inputs: dict[str, Tensor],
    outputs: list[str],
    *,
    any_batch: bool = False,
    half_weights: bool = False,
) -> None:
    batch = (0,) if any_batch else ()
    sides = [(1, 2) if x.dtype == torch.uint8 else (2, 3) for x in inputs.values()]
    shapes = tuple(dict.fromkeys((*batch, *axes), torch.export.Dim.DYNAMIC) for axes in sides)
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
    strip_notes(program.model)
    name_sizes(program.model)
    if half_weights:
        halve_weights(program.model)
    save_graph(program.model, path)


def _optimise_for_cuda(folder: Path) -> None:
    """After the check: the CPU does not have the operators of this form."""
    from dloral.export.cuda import optimise_for_cuda

    for graph, kind in (("encoder", "vae"), ("restorer", "unet"), ("decoder", "vae")):
        optimise_for_cuda(folder / f"{graph}.onnx", kind)


def _check(parts: PackParts, folder: Path, sizes: int) -> None:
    """Run the chain at the first of the smallest size and an odd multiple of it, and compare every graph with torch.

    One graph at a time: at Stable Diffusion's size, more than one session and its module fill a machine's memory.
    """
    graphs = (parts.encoder_sizes, parts.restorer_sizes, parts.decoder_sizes)
    small, step = max(size.min for size in graphs), int(np.lcm.reduce([size.multiple for size in graphs]))
    small = -(-small // step) * step
    latents = ((small, small), (small + 3 * step, small + 5 * step))[:sizes]
    rng = np.random.default_rng(0)
    low = parts.latent_factor // SCALE
    side = parts.latent_factor if parts.encoder_input == "upscaled" else low
    frames = [{"frame": rng.integers(0, 256, (1, h * side, w * side, 3), dtype=np.uint8)} for h, w in latents]
    encoded = _agree(parts, folder, "encoder", frames, ["latent", "guide"])
    pairs = [
        {"latent": latent, "guide": guide, "latent_prev": latent[..., ::-1].copy(), "guide_prev": guide}
        for latent, guide in encoded
    ]
    if parts.restorer_batch == "free":
        pairs.append({name: np.concatenate([value, value[..., ::-1]]) for name, value in pairs[0].items()})
    latents_restored = [each for (each,) in _agree(parts, folder, "restorer", pairs, ["restored"])]
    restored = [{"restored": each} for each in latents_restored[: len(latents)]]
    if parts.conditioned:
        for inputs, (h, w) in zip(restored, latents, strict=True):
            inputs["frame"] = rng.integers(0, 256, (1, h * low, w * low, 3), dtype=np.uint8)
    _agree(parts, folder, "decoder", restored, ["picture"])


def _agree(
    parts: PackParts, folder: Path, graph: str, cases: list[dict[str, Array]], outputs: list[str]
) -> list[list[Array]]:
    """The graph's outputs for each of ``cases``; raises :class:`UserError` where torch, in f32, gives others."""
    module: nn.Module = getattr(parts, graph)
    module.float()  # the same weights: what is measured is the arithmetic, and CPUs are slow in f16
    session = onnxruntime.InferenceSession(folder / f"{graph}.onnx", providers=["CPUExecutionProvider"])
    results: list[list[Array]] = [session.run(outputs, inputs) for inputs in cases]
    del session
    for inputs, got in zip(cases, results, strict=True):
        with torch.no_grad():
            expected = module(*map(torch.from_numpy, inputs.values()))
        expected = expected if isinstance(expected, tuple) else (expected,)
        for name, value, wanted in zip(outputs, got, expected, strict=True):
            _close(name, value, wanted.numpy(), parts.precision)
    return results


def _close(name: str, got: Array, expected: Array, precision: str) -> None:
    if got.shape != expected.shape:
        raise UserError(f"the exported graph gives {name} {got.shape} where torch gives {expected.shape}")
    difference = got.astype(np.float64) - expected.astype(np.float64)
    peak = 255.0 if got.dtype == np.uint8 else max(float(np.abs(expected).max()), 1.0)
    if precision == "fp16":
        # Every operation rounds: the mean error counts, not the largest.
        error, limit = float(np.sqrt(np.mean(difference**2))), peak * HALF_ERROR
    else:
        # A byte may fall on either side of a tie; floats differ by the order of their sums.
        error, limit = float(np.abs(difference).max()), 1.0 if got.dtype == np.uint8 else 1e-3 * peak
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
        "bf16": list(parts.bf16),
        "window": {"frames": WINDOW, "look_ahead": 0},
        "latent": {"channels": parts.latent_channels, "factor": parts.latent_factor},
        "encoder": {"input": parts.encoder_input, **vars(parts.encoder_sizes)},
        "restorer": {"batch": parts.restorer_batch, **vars(parts.restorer_sizes)},
        "decoder": {"conditioned": parts.conditioned, **vars(parts.decoder_sizes)},
        "files": digests(folder),
        "provenance": parts.provenance,
        "quality": parts.quality,
    }
