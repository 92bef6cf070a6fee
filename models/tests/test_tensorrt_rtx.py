"""TensorRT for RTX takes every graph of the shipped packs whole: compiled for a GPU that need not be there."""

import tomllib
from pathlib import Path

import pytest

trt = pytest.importorskip(
    "tensorrt_rtx_bindings", reason="TensorRT for RTX compiles the graphs: pip install -e 'models[test-tensorrt]'"
)

MODELS = Path(__file__).resolve().parents[1]
GRAPHS = ("encoder", "restorer", "decoder")
FLOATS = [
    pack.parent.name
    for pack in sorted(MODELS.glob("*/pack.toml"))
    if tomllib.loads(pack.read_text(encoding="utf-8"))["precision"] != "int8"
]
FRAME = (180, 320)
"""Height and width of the input, pixels."""


def shape(name: str, channels: int, factor: int) -> tuple[int, ...]:
    """Of an input for a frame of that size; ``factor``: input pixels per latent sample."""
    height, width = FRAME
    return (1, height, width, 3) if name == "frame" else (1, channels, height // factor, width // factor)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", FLOATS)
def test_a_graph_compiles_for_an_rtx_gpu(name: str, graph: str) -> None:
    factor = tomllib.loads((MODELS / name / "pack.toml").read_text(encoding="utf-8"))["latent"]["factor"] // 4
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
    parsed = parser.parse_from_file(str(MODELS / name / f"{graph}.onnx"))
    assert parsed, [str(parser.get_error(number)) for number in range(parser.num_errors)]
    profile, config = builder.create_optimization_profile(), builder.create_builder_config()
    for number in range(network.num_inputs):
        value = network.get_input(number)
        profile.set_shape(value.name, *[shape(value.name, value.shape[1], factor)] * 3)
    config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    assert builder.build_serialized_network(network, config) is not None
