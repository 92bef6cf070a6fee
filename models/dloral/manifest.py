"""``pack.toml``, format 1, as far as running a pack needs it (the whole format: ``docs/pack-format.md``)."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dloral.errors import UserError

FORMAT = 1
GRAPHS = ("encoder", "restorer", "decoder")
SCALE = 4

# The bounds of the format, which the element checks as well (src/pack/manifest.rs): a pack is untrusted.
_MOST_CHANNELS = 1024
_LATENT_SHARE = 4
_MOST_FACTOR = 64
_MOST_SIZE = 4096
_MOST_MULTIPLE = 64


@dataclass(frozen=True)
class GraphSizes:
    """Which sizes one graph takes, in latent samples; ``tile`` 0: always the whole.

    ``shape``: ``square``, or ``free`` where results do not depend on the tile's size and shape.
    """

    tile: int
    overlap: int
    min: int
    multiple: int
    shape: str = "square"


@dataclass(frozen=True)
class Manifest:
    """What a pack says about itself."""

    folder: Path
    name: str
    color_fix: str
    channels: int
    factor: int
    upscaled_input: bool
    conditioned: bool
    encoder: GraphSizes
    restorer: GraphSizes
    decoder: GraphSizes
    files: dict[str, str]
    """SHA-256 of every file, by its path in the folder."""
    int8: dict[str, str]
    """By graph: the file of its form in 8 bits, where there is one."""

    def path(self, graph: str, *, int8: bool) -> Path:
        """The file of a graph; ``int8``: of its form in 8 bits, where there is one."""
        return self.folder / (self.int8 if int8 else {}).get(graph, f"{graph}.onnx")

    @property
    def input_factor(self) -> int:
        """Input pixels per latent sample."""
        return self.factor // SCALE

    def padded(self, samples: int) -> int:
        """The smallest latent size of at least ``samples`` that every graph takes."""
        graphs = (self.encoder, self.restorer, self.decoder)
        size = max(samples, *(graph.min for graph in graphs))
        while any(size % graph.multiple for graph in graphs):
            size += 1
        return size


def read_manifest(folder: Path) -> Manifest:
    """Read ``folder``/pack.toml; raises :class:`UserError` if it is missing, malformed or of another format."""
    path = folder / "pack.toml"
    if not path.is_file():
        raise UserError(f"{folder} is not a model pack: it has no pack.toml")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table["format"] != FORMAT or table["scale"] != SCALE:
            raise UserError(f"{path}: format {table['format']}, scale {table['scale']}; this program reads 1 and 4")
        return _manifest(folder, table)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a pack of format {FORMAT}: {error!r}") from error


def open_pack(folder: Path) -> Manifest:
    """As :func:`read_manifest`, and compares the files' hashes with it.

    Raises :class:`UserError` also where a file is missing or is not the one that is listed.
    """
    manifest = read_manifest(folder)
    if missing := [f"{graph}.onnx" for graph in GRAPHS if f"{graph}.onnx" not in manifest.files]:
        raise UserError(f"{folder / 'pack.toml'}: [files] does not list {', '.join(missing)}")
    for name, listed in manifest.files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(f"{folder / 'pack.toml'}: [files] lists {name!r}, which may lead out of the folder")
        path = folder / name
        if not path.is_file():
            raise UserError(f"{folder} is not a whole model pack: {name} is missing")
        found = sha256(path)
        if found != listed.lower():
            raise UserError(f"{path} is not the file that pack.toml lists (SHA-256 {found[:8]}…): get the pack again")
    return manifest


def sha256(path: Path) -> str:
    """A file's hash, as ``files`` lists it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(folder: Path, table: dict[str, Any]) -> Manifest:
    path, channels, factor = folder / "pack.toml", table["latent"]["channels"], table["latent"]["factor"]
    if factor % SCALE:
        raise UserError(f"{path}: latent.factor must be a multiple of {SCALE}")
    _bounded(path, "latent.factor", factor, SCALE, _MOST_FACTOR)
    _bounded(path, "latent.channels", channels, 1, min(_MOST_CHANNELS, _LATENT_SHARE * factor**2))
    # Tiles come one by one here; the element may give a ``free`` restorer several at once.
    _choice(path, "restorer.batch", table["restorer"].get("batch", "one"), ("one", "free"))
    int8 = table.get("int8", {})
    for graph, name in int8.items():
        _choice(path, "int8", graph, ("restorer", "decoder"))
        if name not in table["files"]:
            raise UserError(f"{path}: int8.{graph} is {name!r}, which [files] does not list")
    return Manifest(
        folder=folder,
        name=table["name"],
        color_fix=table["color_fix"],
        channels=channels,
        factor=factor,
        upscaled_input=table["encoder"]["input"] == "upscaled",
        conditioned=table["decoder"]["conditioned"],
        encoder=_sizes(path, "encoder", table["encoder"]),
        restorer=_sizes(path, "restorer", table["restorer"]),
        decoder=_sizes(path, "decoder", table["decoder"]),
        files=dict(table["files"]),
        int8=dict(int8),
    )


def _sizes(path: Path, graph: str, table: dict[str, Any]) -> GraphSizes:
    shape = _choice(path, f"{graph}.shape", table.get("shape", "square"), ("square", "free"))
    sizes = GraphSizes(table["tile"], table["overlap"], table["min"], table["multiple"], shape)
    _bounded(path, f"{graph}.min", sizes.min, 1, _MOST_SIZE)
    _bounded(path, f"{graph}.multiple", sizes.multiple, 1, _MOST_MULTIPLE)
    if sizes.tile:
        _bounded(path, f"{graph}.tile", sizes.tile, sizes.min, _MOST_SIZE)
        if sizes.tile % sizes.multiple:
            raise UserError(f"{path}: {graph}.tile is {sizes.tile}, not a multiple of {sizes.multiple}")
    _bounded(path, f"{graph}.overlap", sizes.overlap, 0, max(sizes.tile - 1, 0))
    return sizes


def _choice(path: Path, key: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UserError(f"{path}: {key} is {value!r}; it has to be {' or '.join(choices)}")
    return str(value)


def _bounded(path: Path, key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UserError(f"{path}: {key} is {value}; it has to be from {low} to {high}")
