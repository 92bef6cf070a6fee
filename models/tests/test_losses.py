"""The losses see what they are for, and nothing else."""

import pytest

torch = pytest.importorskip("torch", reason="losses need torch: pip install -e 'models[train]'")

from dloral.train.losses import flow_loss, grid_loss, temporal_loss  # noqa: E402


def test_grid_loss_sees_periodic_patterns_only() -> None:
    torch.manual_seed(0)
    clean = torch.rand(2, 3, 64, 64)
    pattern = torch.zeros(64, 64)
    pattern[::4, ::4] = 0.1
    assert grid_loss(clean + 0.3, clean) < 1e-12
    assert grid_loss(clean + pattern, clean) == pytest.approx(float(pattern.var(unbiased=False)), rel=1e-3)
    other = torch.zeros(64, 64)
    other[::7, ::7] = 0.1
    assert grid_loss(clean + other, clean) < 0.1 * grid_loss(clean + pattern, clean)


def test_temporal_loss_forgives_what_stays_and_not_what_flickers() -> None:
    torch.manual_seed(0)
    first, second = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert temporal_loss((first + 0.1, second + 0.1), (first, second)) == pytest.approx(0.0, abs=1e-6)
    assert temporal_loss((first + 0.1, second - 0.1), (first, second)) == pytest.approx(0.2, abs=1e-6)


def test_flow_loss_is_least_at_the_true_motion() -> None:
    torch.manual_seed(0)
    previous = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), size=(32, 32), mode="bicubic")
    current = torch.roll(previous, 2, dims=-1)  # what is at x was at x - 2
    losses = {}
    for shift in (-3.0, -2.0, -1.0, 0.0):
        flow = torch.zeros(1, 2, 32, 32)
        flow[:, 0] = shift
        losses[shift] = float(flow_loss(flow, current, previous))
    assert min(losses, key=lambda shift: losses[shift]) == -2.0
