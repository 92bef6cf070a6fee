"""The teacher's cache: made window by window, resumed, and never mixed with another."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.random import default_rng
from torch import Tensor, nn

from dloral.bases.store import save_base
from dloral.cli import main
from dloral.errors import UserError
from dloral.model.bases import NETWORKS, Compact
from dloral.teacher.cache import DESCRIPTION, Cache, Contents, reduce
from dloral.teacher.teach import taught


class Nearest(nn.Module):
    """Enlarges, and gives NaN where it is told to."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, picture: Tensor) -> Tensor:
        return nn.functional.interpolate(picture, scale_factor=4) + self.value


def test_the_teacher_sees_the_reduction() -> None:
    clean = default_rng(1).integers(0, 256, (2, 16, 24, 3), np.uint8)
    expected = clean.reshape(2, 4, 4, 6, 4, 3).astype(np.float32).mean((2, 4))
    assert np.abs(reduce(clean).astype(np.float32) - expected).max() <= 0.5
    result = taught(Nearest(), clean, torch.device("cpu"))
    assert result.shape == clean.shape
    assert result.dtype == np.uint8
    # Seven bits of bfloat16.
    assert np.abs(result[:, ::4, ::4].astype(int) - reduce(clean).astype(int)).max() <= 1
    with pytest.raises(UserError, match="not finite"):
        taught(Nearest(float("nan")), clean, torch.device("cpu"))


def test_a_cache_is_gone_on_with_and_never_mixed(tmp_path: Path) -> None:
    contents = Contents(base="a", data="b", size=8)
    cache = Cache.create(tmp_path, contents)
    frames = default_rng(2).integers(0, 256, (3, 8, 8, 3), np.uint8)
    cache.write(4, frames, 255 - frames)
    again = Cache.create(tmp_path, contents)
    assert again.numbers() == [4]
    assert again.has(4)
    assert not again.has(3)
    clean, output = again.read(4)
    assert np.array_equal(clean, frames)
    assert np.array_equal(output, 255 - frames)
    assert cache.rng(4).integers(1000) == again.rng(4).integers(1000)
    for other, says in [
        (Contents(base="x", data="b", size=8), "another base"),
        (Contents(base="a", data="x", size=8), "another data"),
    ]:
        assert other.base != contents.base or other.data != contents.data
        with pytest.raises(UserError, match=says):
            Cache.create(tmp_path, other)


def test_damage_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no cache"):
        Cache.open(tmp_path)
    cache = Cache.create(tmp_path, Contents(base="a", data="b", size=8))
    np.save(tmp_path / "window-000001.npy", np.zeros((2, 3, 4, 4, 3), np.uint8))
    with pytest.raises(UserError, match="not u8"):
        cache.read(1)
    (tmp_path / "window-000002.npy").write_bytes(b"cut off")
    with pytest.raises(UserError, match="cannot be read"):
        cache.read(2)
    (tmp_path / DESCRIPTION).write_text("size = [")
    with pytest.raises(UserError, match="is not as"):
        Cache.open(tmp_path)


def test_the_command_makes_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "compact", lambda: Compact(width=4, depth=1))
    save_base(tmp_path / "base", "compact", Compact(width=4, depth=1), "licence", {})
    (tmp_path / "data").mkdir()
    still = default_rng(3).integers(0, 256, (420, 420, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "data" / "still.png"), still)
    places = {name: str(tmp_path / name) for name in ("base", "data", "cache")}
    call = ["teach", "--base", places["base"], "--data", places["data"], "--out", places["cache"]]
    assert main([*call, "--windows", "2"]) == 0
    cache = Cache.open(tmp_path / "cache")
    assert cache.numbers() == [0, 1]
    first = cache.read(0)[1].copy()
    (tmp_path / "cache" / "window-000000.npy").unlink()
    assert main([*call, "--windows", "2"]) == 0
    assert np.array_equal(cache.read(0)[1], first)
    assert main([*call, "--windows", "2", "--seed", "9"]) == 1
