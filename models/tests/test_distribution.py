"""The distribution of features: what is soft is far off, what lies elsewhere is not."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="losses need torch: pip install -e 'models[train]'")

from torch import Tensor  # noqa: E402

from dloral.train.distribution import distribution_loss  # noqa: E402


def features(seed: int) -> Tensor:
    """Sparse detectors [1, 8, 32, 32]: as behind a ReLU."""
    return torch.randn(1, 8, 32, 32, generator=torch.Generator().manual_seed(seed)).clamp(min=0.0)


def distance(ours: Tensor, theirs: Tensor) -> float:
    return float(distribution_loss([ours], [theirs], np.random.default_rng(0)))


def test_where_features_lie_does_not_matter() -> None:
    theirs = features(0)
    assert distance(theirs, theirs) == 0.0
    assert distance(theirs.roll((5, 9), dims=(2, 3)), theirs) == 0.0
    assert torch.nn.functional.l1_loss(theirs.roll(5, dims=2), theirs) > 0.3


def test_a_mean_is_further_off_than_another_draw() -> None:
    """Of features that cannot be known the mean has the least difference, and is what this loss is against."""
    theirs, other = features(0), features(1)
    mean = torch.full_like(theirs, float(theirs.mean()))
    difference = torch.nn.functional.mse_loss
    assert difference(mean, theirs) < difference(other, theirs)
    assert distance(mean, theirs) > 5.0 * distance(other, theirs)


def test_a_channel_that_is_silent_in_both_says_nothing() -> None:
    theirs = features(0)
    theirs[:, 3] = 0.0
    ours = (0.5 * theirs).requires_grad_()
    loss = distribution_loss([ours], [theirs], np.random.default_rng(0))
    loss.backward()
    assert torch.isfinite(loss)
    assert ours.grad is not None
    assert torch.isfinite(ours.grad).all()
