"""``pack.toml`` as the package reads it: the bounds of the format, which the element checks too."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dloral.errors import UserError
from dloral.manifest import open_pack, read_manifest

tomli_w = pytest.importorskip("tomli_w", reason="manifests are written with tomli-w: pip install -e 'models[train]'")

TINY = Path(__file__).resolve().parents[1] / "tiny"


def read_with(tmp_path: Path, section: str, **values: Any) -> None:
    table = tomllib.loads((TINY / "pack.toml").read_text())
    table[section] |= values
    (tmp_path / "pack.toml").write_text(tomli_w.dumps(table))
    read_manifest(tmp_path)


def test_the_shipped_manifest_is_within_bounds(tmp_path: Path) -> None:
    read_with(tmp_path, "latent")
    read_with(tmp_path, "decoder", tile=0, overlap=0)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("latent", {"channels": 0}, "latent.channels is 0"),
        ("latent", {"channels": 257}, "latent.channels is 257; it has to be from 1 to 256"),
        ("latent", {"factor": 6}, "latent.factor must be a multiple of 4"),
        ("latent", {"factor": 68}, "latent.factor is 68"),
        ("encoder", {"min": 0}, "encoder.min is 0"),
        ("encoder", {"multiple": 65}, "encoder.multiple is 65"),
        ("restorer", {"tile": 8192}, "restorer.tile is 8192"),
        ("restorer", {"tile": 383}, "restorer.tile is 383, not a multiple of 2"),
        ("restorer", {"overlap": 384}, "restorer.overlap is 384"),
        ("decoder", {"tile": 0}, "decoder.overlap is 32; it has to be from 0 to 0"),
        ("decoder", {"shape": "round"}, "decoder.shape is 'round'"),
        ("restorer", {"batch": 4}, "restorer.batch is 4; it has to be one or free"),
    ],
)
def test_values_out_of_bounds_are_named(tmp_path: Path, section: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_with(tmp_path, section, **values)


def test_files_are_those_that_are_listed(tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "pack")
    open_pack(tmp_path / "pack")
    (tmp_path / "pack" / "decoder.onnx").write_bytes((TINY / "encoder.onnx").read_bytes())
    with pytest.raises(UserError, match=r"decoder\.onnx is not the file that pack\.toml lists"):
        open_pack(tmp_path / "pack")
    (tmp_path / "pack" / "decoder.onnx").unlink()
    with pytest.raises(UserError, match=r"decoder\.onnx is missing"):
        open_pack(tmp_path / "pack")
    table = tomllib.loads((TINY / "pack.toml").read_text())
    table["files"] = {"../weights.bin": "0" * 64, **table["files"]}
    (tmp_path / "pack" / "pack.toml").write_text(tomli_w.dumps(table))
    with pytest.raises(UserError, match="may lead out of the folder"):
        open_pack(tmp_path / "pack")
