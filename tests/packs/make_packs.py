"""Writes the small model packs of the tests into this folder; what each computes is in README.md.

Run it with a Python that has `onnx`:  python tests/packs/make_packs.py
The files come out byte for byte the same on every run, so a changed pack shows in `git diff`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
CHANNELS = 4
FACTOR = 8  # output pixels per latent sample
LQ_FACTOR = 2  # input pixels per latent sample
U8 = TensorProto.UINT8
F32 = TensorProto.FLOAT


@dataclass
class GraphBuilder:
    """Collects nodes and constants; every method returns the name of what it made."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, array: NDArray[np.generic]) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(np.array(value, dtype=np.float32))

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes: str | int | float | list[int]) -> str:
        output = output or f"n{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [output])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self.nodes.append(node)
        return output

    def picture_in(self, frame: str) -> str:
        """u8 NHWC to f32 NCHW."""
        return self.node("Transpose", [self.node("Cast", [frame], to=F32)], perm=[0, 3, 1, 2])

    def picture_out(self, picture: str, bias: float, output: str) -> None:
        """f32 NCHW to u8 NHWC, rounded to nearest after a bias that makes ties impossible."""
        biased = self.node("Add", [picture, self.scalar(bias)])
        rounded = self.node("Clip", [self.node("Round", [biased]), self.scalar(0.0), self.scalar(255.0)])
        self.node("Transpose", [self.node("Cast", [rounded], to=U8)], output, perm=[0, 2, 3, 1])

    def channels(self, picture: str, first: int, end: int, output: str = "") -> str:
        limits = [self.constant(np.array([n], dtype=np.int64)) for n in (first, end, 1)]
        return self.node("Slice", [picture, *limits], output)

    def enlarge(self, picture: str, times: int) -> str:
        scales = self.constant(np.array([1, 1, times, times], dtype=np.float32))
        return self.node(
            "Resize",
            [picture, "", scales],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def weighted(self, terms: list[tuple[float, str]], output: str = "") -> str:
        """The sum of weight · tensor, two or more terms, left to right."""
        parts = [self.node("Mul", [name, self.scalar(weight)]) for weight, name in terms]
        total = parts[0]
        for index, part in enumerate(parts[1:], start=2):
            total = self.node("Add", [total, part], output if index == len(parts) else "")
        return total

    def save(
        self,
        path: Path,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        external: str = "",
        domains: tuple[str, ...] = (),
    ) -> None:
        """Writes the graph; `external` moves the bytes of its first constant to that location."""
        graph = helper.make_graph(self.nodes, path.stem, inputs, outputs, self.initializers)
        opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="make_packs")
        model.ir_version = 8
        onnx.checker.check_model(model)
        if external:
            move_outside(model.graph.initializer[0], external)
        path.write_bytes(model.SerializeToString(deterministic=True))


def picture(name: str, height: str = "H", width: str = "W") -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, U8, [1, height, width, 3])


def latent(name: str, channels: int = CHANNELS, kind: int = F32, tiles: int | str = 1) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [tiles, channels, "h", "w"])


def save_encoder(path: Path, block: int, input_name: str = "frame", guide_channels: int = 3) -> None:
    """latent: block means of R, G, B and the block's first G; guide: the block's first pixel."""
    g = GraphBuilder()
    rgb = g.picture_in(input_name)
    first = g.node("MaxPool", [rgb], kernel_shape=[1, 1], strides=[block, block])
    mean = g.node("AveragePool", [rgb], kernel_shape=[block, block], strides=[block, block])
    g.node("Concat", [mean, g.channels(first, 1, 2)], "latent", axis=1)
    g.channels(first, 0, guide_channels, "guide")
    g.save(path, [picture(input_name)], [latent("latent"), latent("guide", guide_channels)])


RESTORER_INPUTS = ["latent", "guide", "latent_prev", "guide_prev"]


def restorer_values(kind: int = F32, tiles: int | str = 1) -> list[onnx.ValueInfoProto]:
    return [latent(name, 3 if "guide" in name else CHANNELS, kind, tiles) for name in RESTORER_INPUTS]


def save_restorer(path: Path, external: str = "", tiles: int | str = 1) -> None:
    """restored: the mean of latent and latent_prev, plus a quarter of guide − guide_prev in the first three."""
    g = GraphBuilder()
    mixed = g.weighted([(0.5, "latent"), (0.5, "latent_prev")])
    motion = g.weighted([(0.25, "guide"), (-0.25, "guide_prev")])
    rgb = g.node("Add", [g.channels(mixed, 0, 3), motion])
    g.node("Concat", [rgb, g.channels(mixed, 3, 4)], "restored", axis=1)
    g.save(path, restorer_values(tiles=tiles), [latent("restored", tiles=tiles)], external)


def move_outside(tensor: onnx.TensorProto, location: str) -> None:
    """Replaces a tensor's bytes by a reference to a file."""
    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def save_half_restorer(path: Path) -> None:
    """A restorer whose tensors are f16: the host's are always f32."""
    g = GraphBuilder()
    g.node("Add", ["latent", "latent_prev"], "restored")
    g.save(path, restorer_values(TensorProto.FLOAT16), [latent("restored", CHANNELS, TensorProto.FLOAT16)])


def save_foreign_restorer(path: Path) -> None:
    """A restorer with an operator that only a library of custom operators could bring."""
    g = GraphBuilder()
    g.node("Blend", ["latent", "latent_prev"], "restored")
    g.nodes[-1].domain = "example.custom"
    g.save(path, restorer_values(), [latent("restored")], domains=("example.custom",))


def save_rare_restorer(path: Path) -> None:
    """As save_restorer's mean, through an operator that hardly any execution provider but the CPU's has."""
    g = GraphBuilder()
    mixed = g.weighted([(0.5, "latent"), (0.5, "latent_prev")])
    above = g.node("Binarizer", [mixed], threshold=512.0)
    g.nodes[-1].domain = "ai.onnx.ml"
    g.node("Add", [mixed, above], "restored")
    g.save(path, restorer_values(), [latent("restored")], domains=("ai.onnx.ml",))


def save_conditioned_decoder(path: Path, times: int = 4) -> None:
    """picture: half the LQ frame and half of restored's first three channels, both enlarged by repetition."""
    g = GraphBuilder()
    low = g.enlarge(g.picture_in("frame"), times)
    high = g.enlarge(g.channels("restored", 0, 3), times * LQ_FACTOR)
    g.picture_out(g.weighted([(0.5, low), (0.5, high)]), 1 / 64, "picture")
    g.save(path, [latent("restored"), picture("frame")], [picture("picture", "OH", "OW")])


def save_plain_decoder(path: Path) -> None:
    """picture: restored's first three channels, enlarged by repetition."""
    g = GraphBuilder()
    g.picture_out(g.enlarge(g.channels("restored", 0, 3), FACTOR), 1 / 512, "picture")
    g.save(path, [latent("restored")], [picture("picture", "OH", "OW")])


@dataclass(frozen=True)
class Tiling:
    """One graph's section of pack.toml, in latent samples."""

    tile: int
    overlap: int
    min: int = 8
    multiple: int = 1

    def lines(self) -> list[str]:
        return [f"{key} = {value}" for key, value in vars(self).items()]


@dataclass(frozen=True)
class PackToml:
    name: str
    encoder: Tiling
    restorer: Tiling
    decoder: Tiling
    encoder_input: str = "frame"
    batch: str = ""
    conditioned: bool = True
    color_fix: str = "none"

    def text(self, files: dict[str, str]) -> str:
        sections = {
            "": [
                "format = 1",
                f'name = "{self.name}"',
                "scale = 4",
                'licence = "MIT OR Apache-2.0"',
                'precision = "fp32"',
                f'color_fix = "{self.color_fix}"',
            ],
            "[window]": ["frames = 2", "look_ahead = 0"],
            "[latent]": [f"channels = {CHANNELS}", f"factor = {FACTOR}"],
            "[encoder]": [f'input = "{self.encoder_input}"', *self.encoder.lines()],
            "[restorer]": [*([f'batch = "{self.batch}"'] if self.batch else []), *self.restorer.lines()],
            "[decoder]": [f"conditioned = {str(self.conditioned).lower()}", *self.decoder.lines()],
            "[files]": [f'"{name}" = "{digest}"' for name, digest in sorted(files.items())],
            "[provenance]": ['data = "none"', 'command = "python tests/packs/make_packs.py"'],
            "[quality]": [],
        }
        blocks = ["\n".join([title, *lines]).strip() for title, lines in sections.items()]
        return "\n\n".join(blocks) + "\n"


NEAREST = PackToml("nearest", Tiling(0, 0), Tiling(24, 8), Tiling(32, 8, multiple=2))
UPSCALED = PackToml(
    "upscaled",
    Tiling(32, 8),
    Tiling(16, 4),
    Tiling(32, 8),
    encoder_input="upscaled",
    conditioned=False,
    color_fix="adain",
)


def save_nearest_graphs(folder: Path) -> None:
    save_encoder(folder / "encoder.onnx", LQ_FACTOR)
    save_restorer(folder / "restorer.onnx")
    save_conditioned_decoder(folder / "decoder.onnx")


def save_upscaled_graphs(folder: Path) -> None:
    save_encoder(folder / "encoder.onnx", FACTOR)
    save_restorer(folder / "restorer.onnx")
    save_plain_decoder(folder / "decoder.onnx")


def with_external_weights(folder: Path) -> None:
    (folder / "restorer.weights").write_bytes(np.array(0.5, dtype=np.float32).tobytes())
    save_restorer(folder / "restorer.onnx", external="restorer.weights")


Change = Callable[[Path], None]
# What each pack changes of `nearest` once its graphs are there.
VARIANTS: dict[str, Change] = {
    "external": with_external_weights,
    "batched": lambda folder: save_restorer(folder / "restorer.onnx", tiles="tiles"),
    "broken-batch": lambda folder: None,
    "broken-external-outside": lambda folder: save_restorer(folder / "restorer.onnx", "../nearest/encoder.onnx"),
    "broken-external-unlisted": lambda folder: save_restorer(folder / "restorer.onnx", "pack.toml"),
    "broken-input-name": lambda folder: save_encoder(folder / "encoder.onnx", LQ_FACTOR, input_name="image"),
    "broken-channels": lambda folder: save_encoder(folder / "encoder.onnx", LQ_FACTOR, guide_channels=2),
    "broken-type": lambda folder: save_half_restorer(folder / "restorer.onnx"),
    "rare-operator": lambda folder: save_rare_restorer(folder / "restorer.onnx"),
    "broken-operator": lambda folder: save_foreign_restorer(folder / "restorer.onnx"),
    "broken-latent-size": lambda folder: save_encoder(folder / "encoder.onnx", FACTOR),
    "broken-picture-size": lambda folder: save_conditioned_decoder(folder / "decoder.onnx", times=3),
}
BATCHED = ("batched", "-batch")
"""Ends of the names of those whose manifest has a free batch."""


def make_pack(toml: PackToml, save_graphs: Change) -> None:
    folder = HERE / toml.name
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    save_graphs(folder)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    (folder / "pack.toml").write_text(toml.text(files), encoding="utf-8")


def main() -> None:
    make_pack(NEAREST, save_nearest_graphs)
    make_pack(UPSCALED, save_upscaled_graphs)
    for name, change in VARIANTS.items():

        def save_graphs(folder: Path, change: Change = change) -> None:
            save_nearest_graphs(folder)
            change(folder)

        make_pack(replace(NEAREST, name=name, batch="free" if name.endswith(BATCHED) else ""), save_graphs)


if __name__ == "__main__":
    main()
