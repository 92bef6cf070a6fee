"""The losses see what they are for, and nothing else."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="losses need torch: pip install -e 'models[train]'")

from dloral.train.losses import (  # noqa: E402
    block_loss,
    checker_loss,
    detail_loss,
    flow_loss,
    grid_loss,
    local_grid_loss,
    luma,
    temporal_loss,
)
from dloral.train.motion import motion_loss  # noqa: E402


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


def test_local_grid_loss_sees_patterns_that_cancel_over_the_picture() -> None:
    clean = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    lines = torch.zeros(64, 128)
    lines[:, ::8] = 0.1
    lines[:, 64:] *= -1.0
    assert grid_loss(clean + lines, clean) < 1e-12
    power = float(lines[:, :64].var(unbiased=False))
    assert local_grid_loss(clean + lines, clean) == pytest.approx(power, rel=1e-3)
    assert local_grid_loss(clean + 0.3, clean) < 1e-12


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


def test_block_loss_sees_detail_that_follows_the_grid() -> None:
    torch.manual_seed(0)
    clean = torch.rand(1, 128, 128)
    weave = torch.ones(128)
    weave[::4] = 0.5
    assert block_loss(0.5 * clean, clean) < 1e-4, "weaker everywhere is not a weave"
    assert block_loss(clean * weave, clean) > 1e-2


def test_detail_loss_is_about_how_much_not_where() -> None:
    torch.manual_seed(0)
    clean = torch.rand(1, 64, 64)
    elsewhere = torch.rand(1, 64, 64)
    assert detail_loss(clean, clean) == 0.0
    assert detail_loss(elsewhere, clean) < 0.15
    assert detail_loss(0.5 * clean, clean) == pytest.approx(np.log(2.0), abs=0.08)


def test_a_checkerboard_is_not_detail_and_is_seen() -> None:
    torch.manual_seed(0)
    clean = torch.rand(1, 64, 64)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checker = 0.1 * (1.0 - 2.0 * ((rows + columns) % 2))
    assert detail_loss(clean + checker, clean) < 1e-5
    assert checker_loss(clean + checker, clean) == pytest.approx(0.1, abs=1e-6)
    assert checker_loss(clean + rows / 64.0, clean) < 1e-6, "a slope is no checkerboard"


def test_a_weave_is_not_detail_and_is_seen() -> None:
    clean = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(2))
    rows = torch.arange(64.0)[None, :, None].expand(1, 64, 64)
    weave = 0.1 * (1.0 - 2.0 * ((rows // 2) % 2))
    for pattern in (weave, weave.transpose(1, 2)):
        assert detail_loss(clean + pattern, clean) < 1e-5


def test_motion_loss_sees_other_motion_and_flicker_and_has_a_gradient() -> None:
    torch.manual_seed(0)
    coarse = torch.nn.functional.interpolate(torch.rand(1, 1, 40, 40), size=(160, 160), mode="bicubic")[0]
    clean = coarse, coarse.roll(2, -1)
    assert motion_loss(clean, clean) < 1e-2
    assert motion_loss((coarse + 0.2, coarse.roll(2, -1) + 0.2), clean) < 1e-2, "brightness is no motion"
    still = coarse.clone().requires_grad_()
    lagging = motion_loss((coarse, still), clean)
    assert 1.0 < lagging < 3.0, "two pixels of motion are missing"
    lagging.backward()
    assert still.grad is not None
    assert still.grad.abs().max() > 0.0


def test_luma() -> None:
    white = torch.ones(1, 3, 2, 2)
    assert torch.allclose(luma(white), torch.ones(1, 2, 2))
