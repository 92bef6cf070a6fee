"""The second perceptual distance: its file is read to the last byte, and what it compares."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from dloral.errors import UserError
from dloral.squeezenet import VALUES, SqueezeNetDistance, _shapes


def write(path: Path, kept: int = 64) -> list[np.ndarray]:
    """Random weights in the file's layout: of each convolution the first ``kept`` places of every second one."""
    rng = default_rng(0)
    weights, body = [], b""
    for shape in _shapes():
        values = rng.normal(0, 0.3, VALUES).astype(np.float32)
        values[0] = 0
        indices = rng.integers(1, VALUES, kept).astype(np.uint8)
        weight = np.zeros(np.prod(shape), np.float32)
        weight[1 : 2 * kept : 2] = values[indices]
        weights.append(weight.reshape(shape))
        bias = rng.normal(0, 0.1, shape[0]).astype(np.float32)
        # A gap counts the places left out before one.
        gaps = np.full(kept // 2, 1 + 16, np.uint8)
        body += values.tobytes() + bias.tobytes() + indices.tobytes() + gaps.tobytes()
    path.write_bytes(np.full(len(weights), kept, np.uint32).tobytes() + body)
    return weights


def test_weights_are_at_their_places(tmp_path: Path) -> None:
    weights = write(tmp_path / "net")
    layers = SqueezeNetDistance(tmp_path / "net")._layers
    assert len(layers) == 26
    for layer, weight in zip(layers, weights, strict=True):
        np.testing.assert_array_equal(layer.weight.numpy(), weight)


def test_the_distance_grows_with_the_difference(tmp_path: Path) -> None:
    write(tmp_path / "net")
    distance = SqueezeNetDistance(tmp_path / "net")
    truth = torch.rand(1, 3, 72, 90, generator=torch.Generator().manual_seed(1))
    near, far = (truth * 0.9 + 0.05).clamp(0, 1), truth.flip(3)
    same, small, large = distance.measure([truth, near, far], truth)
    assert same == 0
    assert 0 < small < large <= 2


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: data[:20]])
def test_another_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    write(tmp_path / "net")
    (tmp_path / "net").write_bytes(damage((tmp_path / "net").read_bytes()))
    with pytest.raises(UserError, match=r"is not compressed_SqueezeNet\.net"):
        SqueezeNetDistance(tmp_path / "net")
    with pytest.raises(UserError, match="cannot be read"):
        SqueezeNetDistance(tmp_path / "nowhere")
