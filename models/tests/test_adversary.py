"""The adversary of the tiny networks: what its losses are, whom they train, and where it looks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")

from dloral.train.adversary import CROP, Adversary, adversarial_losses  # noqa: E402

torch.set_num_threads(1)

Pair = tuple["torch.Tensor", "torch.Tensor"]


def pictures(seed: int, size: int = 48) -> Pair:
    draws = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, 4, 3, size, size, generator=draws)
    return first, second


def test_a_score_is_of_a_neighbourhood_and_a_pair_has_many() -> None:
    torch.manual_seed(0)
    adversary = Adversary()
    pair = torch.rand(2, 6, 96, 64)
    scores = adversary(pair)
    assert scores.shape == (2, 1, 12, 8)
    changed = pair.clone()
    changed[:, :, 72:] = 0.0
    # The 38 rows of score 6 end with row 70, those of score 7 with row 78.
    assert torch.equal(adversary(changed)[:, :, :7], scores[:, :, :7])
    assert not torch.equal(adversary(changed)[:, :, 7], scores[:, :, 7])


def test_each_loss_trains_its_own_side_only() -> None:
    torch.manual_seed(0)
    adversary, cleans = Adversary(), pictures(1)
    outputs = tuple(picture.requires_grad_() for picture in pictures(0))
    adversarial, own = adversarial_losses(adversary, (outputs[0], outputs[1]), cleans, np.random.default_rng(0))
    theirs = torch.autograd.grad(adversarial, [*outputs, *adversary.parameters()], retain_graph=True, allow_unused=True)
    assert all(gradient is not None and gradient.abs().sum() > 0.0 for gradient in theirs[:2])
    assert all(gradient is None for gradient in theirs[2:])
    its = torch.autograd.grad(own, [*outputs, *adversary.parameters()], allow_unused=True)
    assert all(gradient is None for gradient in its[:2])
    assert all(gradient is not None for gradient in its[2:])


class Brightness(Adversary):
    """Scores a pair by how bright it is."""

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        return pairs.mean(dim=(1, 2, 3), keepdim=True)


def test_what_counts_is_how_much_more_real_one_side_looks() -> None:
    def losses(restored: float, clean: float) -> list[float]:
        outputs, cleans = ((torch.full((2, 3, 16, 16), value),) * 2 for value in (restored, clean))
        return [loss.item() for loss in adversarial_losses(Brightness(), outputs, cleans, np.random.default_rng(0))]

    # Clean pairs score one more: all that the adversary wants, and two from what the networks want.
    assert losses(0.0, 1.0) == pytest.approx([4.0, 0.0])
    assert losses(1.0, 0.0) == pytest.approx([0.0, 4.0])
    assert losses(0.3, 0.3) == pytest.approx([1.0, 1.0])


def test_it_learns_to_tell_flicker_from_rest() -> None:
    """Every single frame is as likely on either side: only the pair gives the restored one away."""
    torch.manual_seed(0)
    adversary = Adversary()
    optimizer = torch.optim.Adam(adversary.parameters(), 2e-3)
    for step in range(60):
        first, other = pictures(step)
        adversarial, own = adversarial_losses(adversary, (first, other), (first, first), np.random.default_rng(step))
        optimizer.zero_grad()
        own.backward()
        optimizer.step()
    assert own.item() < 0.5
    assert adversarial.item() > 1.5


def test_the_crop_is_anywhere_in_the_picture() -> None:
    """Alike but in one corner: whether a crop shows it depends on where it lies."""
    torch.manual_seed(0)
    adversary = Adversary()
    first, second = pictures(0, CROP + 40)
    spoilt = first.clone()
    spoilt[..., :20, :20] = 0.0
    plain, differing = (
        [
            adversarial_losses(adversary, (side, second), (first, second), np.random.default_rng(seed))[0].item()
            for seed in range(12)
        ]
        for side in (first, spoilt)
    )
    seen = [a != b for a, b in zip(plain, differing, strict=True)]
    assert any(seen)
    assert not all(seen)
