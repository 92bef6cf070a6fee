"""Bases out of ncnn files: written here for narrow networks with random weights, and read, proven and refused."""

import struct
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dloral.bases import command
from dloral.bases.convert import load_layers
from dloral.bases.ncnn_file import HALF, read_layers
from dloral.bases.proof import prove
from dloral.bases.store import DESCRIPTION, LICENCE, WEIGHTS, load_base, save_base
from dloral.cli import main
from dloral.errors import UserError
from dloral.model.bases import NETWORKS, Compact, Rrdb

WIDTH = 8


def compact() -> Compact:
    """A narrow network whose weights float16 holds exactly."""
    torch.manual_seed(3)
    network = Compact(width=WIDTH, depth=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((torch.rand_like(parameter) - 0.5).mul(0.4).half().float())
    return network


def write_ncnn(folder: Path, network: Compact, name: str = "net") -> tuple[Path, Path]:
    """The network as the tools of ncnn write it: a text of layers, and their numbers."""
    lines, numbers, blob = [], b"", "picture"
    layers = [layer for part in (network.encoder, network.body, network.decoder) for layer in part]
    for number, layer in enumerate(layers):
        after = f"blob{number}"
        if isinstance(layer, nn.Conv2d):
            weight = layer.weight.detach().numpy().astype("<f2")
            padding = b"\0" * (-weight.nbytes % 4)
            assert layer.bias is not None
            numbers += struct.pack("<I", HALF) + weight.tobytes() + padding + layer.bias.detach().numpy().tobytes()
            lines.append(f"Convolution c{number} 1 1 {blob} {after} 0={weight.shape[0]} 1=3 4=1 5=1 6={weight.size}")
        elif isinstance(layer, nn.PReLU):
            numbers += layer.weight.detach().numpy().tobytes()
            lines.append(f"PReLU p{number} 1 1 {blob} {after} 0={layer.num_parameters}")
        else:
            lines.append(f"PixelShuffle s{number} 1 1 {blob} {after} 0=4")
        blob = after
    text = [
        "Input data 0 1 data",
        "Split split 1 2 data picture same",
        *lines,
        "Interp large 1 1 same nearest 0=1 1=4.0 2=4.0",
        f"BinaryOp add 2 1 {blob} nearest output",
    ]
    param, binary = folder / f"{name}.param", folder / f"{name}.bin"
    param.write_text("\n".join(["7767517", f"{len(text)} {len(text) + 1}", *text, ""]))
    binary.write_bytes(numbers)
    return param, binary


def test_a_network_is_read_to_its_last_byte_and_proven(tmp_path: Path) -> None:
    original = compact()
    param, numbers = write_ncnn(tmp_path, original)
    network = Compact(width=WIDTH, depth=2)
    load_layers(network, read_layers(param, numbers), "narrow")
    for (key, ours), theirs in zip(network.state_dict().items(), original.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), key
    pytest.importorskip("ncnn", reason="the proof needs ncnn: pip install -e 'models[bases]'")
    assert prove(network.eval(), param, numbers) < 0.1
    with torch.no_grad():
        network.body[0].bias.add_(0.05)
    with pytest.raises(UserError, match="the network is another one"):
        prove(network, param, numbers)


def test_files_that_are_damaged_or_of_another_network_are_refused(tmp_path: Path) -> None:
    param, numbers = write_ncnn(tmp_path, compact())
    whole, text = numbers.read_bytes(), param.read_text()
    layers = read_layers(param, numbers)
    with pytest.raises(UserError, match="layers with weights are needed"):
        load_layers(Compact(width=WIDTH, depth=3), layers, "deeper")
    with pytest.raises(UserError, match="of another network"):
        load_layers(Compact(width=WIDTH * 2, depth=2), layers, "wider")
    for content, says in [
        (whole[:-4], "ends inside of"),
        (whole + b"\0\0\0\0", "4 bytes are left over"),
        (b"\1\2\3\4" + whole[4:], "unknown kind"),
        (whole[:4] + struct.pack("<e", np.nan) + whole[6:], "not all finite"),
    ]:
        numbers.write_bytes(content)
        with pytest.raises(UserError, match=says):
            read_layers(param, numbers)
    numbers.write_bytes(whole)
    for content, says in [
        (text.replace("7767517", "7767516"), "not the text of an ncnn network"),
        ("\n".join(text.splitlines()[:-1]), "it is cut off"),
        (text.replace("PixelShuffle", "Deconvolution"), "in none of the bases"),
        (text.replace("6=216", "6=217"), "contradict one another"),
    ]:
        param.write_text(content)
        with pytest.raises(UserError, match=says):
            read_layers(param, numbers)


def test_the_command_makes_a_base_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ncnn", reason="the proof needs ncnn: pip install -e 'models[bases]'")
    monkeypatch.setitem(NETWORKS, "compact", lambda: Compact(width=WIDTH, depth=2))
    write_ncnn(tmp_path, compact(), command.FILES["compact"])
    out = tmp_path / "base"
    assert main(["base", "compact", "--files", str(tmp_path), "--out", str(out)]) == 0
    base = load_base(out)
    assert base.name == "compact"
    # The same out of a folder of wheels, of which another holds nothing.
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for wheel, files in (("a.whl", []), ("b.whl", sorted(tmp_path.glob(f"{command.FILES['compact']}.*")))):
        with zipfile.ZipFile(wheels / wheel, "w") as archive:
            for file in files:
                archive.write(file, f"models/{file.name}")
    assert main(["base", "compact", "--files", str(wheels), "--out", str(tmp_path / "unpacked")]) == 0
    assert load_base(tmp_path / "unpacked").sha256 == base.sha256
    assert "Xintao Wang" in (out / LICENCE).read_text()
    assert not any(parameter.requires_grad for parameter in base.network.parameters())
    numbers = tmp_path / f"{command.FILES['compact']}.bin"
    numbers.write_bytes(numbers.read_bytes()[:-8])
    assert main(["base", "compact", "--files", str(tmp_path), "--out", str(tmp_path / "none")]) == 1
    assert not (tmp_path / "none").exists()
    assert main(["base", "compact", "--files", str(out), "--out", str(tmp_path / "none")]) == 1
    assert "does not hold" in capsys.readouterr().err


def test_the_base_of_the_repository_restores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes noise away that bicubic enlargement keeps, and only a public restorer needs files."""
    assert main(["base", "tiny", "--out", str(tmp_path / "base")]) == 0
    network = load_base(tmp_path / "base").network
    shade = torch.linspace(0.2, 0.8, 64).expand(1, 3, 48, 64)
    noise = 0.04 * torch.randn(shade.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        restored = network(shade + noise)
    enlarge = partial(torch.nn.functional.interpolate, scale_factor=4, mode="bicubic")
    error, before = ((picture - enlarge(shade)).square().mean() for picture in (restored, enlarge(shade + noise)))
    assert error < 0.5 * before
    assert main(["base", "compact", "--out", str(tmp_path / "none")]) == 1
    assert "--files is missing" in capsys.readouterr().err


def test_a_base_whose_parts_are_missing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "compact", lambda: Compact(width=WIDTH, depth=2))

    def made(name: str) -> Path:
        save_base(tmp_path / name, "compact", compact(), "licence", {})
        return tmp_path / name

    picture = torch.rand(1, 3, 4, 5)
    torch.testing.assert_close(load_base(made("good")).network(picture), compact()(picture))
    parts = [(LICENCE, "lacks LICENSE"), (WEIGHTS, "missing or not the file"), (DESCRIPTION, "holds no base")]
    for part, says in parts:
        folder = made(part)
        (folder / part).unlink()
        with pytest.raises(UserError, match=says):
            load_base(folder)
    changed = made("changed")
    (changed / WEIGHTS).write_bytes((changed / WEIGHTS).read_bytes() + b"\0")
    with pytest.raises(UserError, match="not the file"):
        load_base(changed)


def test_networks_are_of_their_published_size() -> None:
    counts = {name: sum(p.numel() for p in NETWORKS[name]().parameters()) for name in NETWORKS}
    assert counts == {"compact": 1_213_296, "rrdb": 16_697_987, "tiny": 360_380}
    picture = torch.rand(2, 3, 5, 7)
    assert Rrdb(width=8, depth=1, growth=4)(picture).shape == (2, 3, 20, 28)
    assert Compact(width=8, depth=1)(picture).shape == (2, 3, 20, 28)
