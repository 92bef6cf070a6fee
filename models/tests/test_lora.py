"""LoRA as a parametrisation: what it adds, merging, switching, and equality with peft."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="LoRA needs torch: pip install -e 'models[train]'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402

from dloral.model.lora import (  # noqa: E402
    add_full_rank,
    add_low_rank,
    branch_parameters,
    full_rank_change,
    merge,
    set_strength,
)

RANKS = {"consistency": 3, "detail": 4}


class Net(nn.Module):
    """One layer of every kind that can carry branches."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.up = nn.ConvTranspose2d(8, 10, 2, stride=2)
        self.linear = nn.Linear(10, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.up(self.depthwise(self.conv(x)).relu()).permute(0, 2, 3, 1))


@pytest.fixture
def plain() -> Net:
    torch.manual_seed(0)
    return Net().requires_grad_(requires_grad=False)


@pytest.fixture
def net(plain: Net) -> Net:
    """With both branches, as after some training."""
    net = copy.deepcopy(plain)
    add_low_rank(net, RANKS)
    add_full_rank(net.conv, "whole")
    with torch.no_grad():
        for branch in (*RANKS, "whole"):
            for parameter in branch_parameters(net, branch):
                parameter.normal_(std=0.2)
    return net


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 6, 8, 12, generator=torch.Generator().manual_seed(1))


def test_branches_start_at_zero(plain: Net, x: Tensor) -> None:
    expected = plain(x)
    net = copy.deepcopy(plain)
    add_low_rank(net, RANKS)
    add_full_rank(net.conv, "whole")
    assert torch.equal(net(x), expected)
    net(x).square().sum().backward()
    # B is zero, so that at the start A has no gradient, and B has one.
    gradients = [parameter.grad for parameter in branch_parameters(net, "detail")]
    assert all(gradient is not None for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("on", [(), ("consistency",), ("detail",), ("consistency", "detail", "whole")])
def test_merging_changes_nothing(plain: Net, net: Net, x: Tensor, on: tuple[str, ...]) -> None:
    for branch in (*RANKS, "whole"):
        set_strength(net, branch, float(branch in on))
    with torch.no_grad():
        expected = net(x)
        if on:
            assert not torch.allclose(expected, plain(x), atol=1e-2)
        else:
            assert torch.equal(expected, plain(x)), "a branch that is off leaves the base bit for bit"
        merge(net)
        assert not any(parametrize.is_parametrized(module) for module in net.modules())
        assert set(net.state_dict()) == set(plain.state_dict())
        torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


def test_strength_scales_a_branch(net: Net) -> None:
    with torch.no_grad():
        set_strength(net, "consistency", 0.0)
        set_strength(net, "detail", 0.0)
        set_strength(net, "whole", 0.0)
        base = net.linear.weight.clone()
        set_strength(net, "detail", 1.0)
        whole = net.linear.weight - base
        set_strength(net, "detail", 0.5)
        torch.testing.assert_close(net.linear.weight - base, 0.5 * whole)
        branches = net.linear.parametrizations["weight"][0]
        change = branches.changes["detail"]
        torch.testing.assert_close(whole, 2.0 * change.b @ change.a)
        assert change.a.shape == (4, 10)


def test_a_convolution_s_branch_is_two_convolutions(plain: Net, net: Net, x: Tensor) -> None:
    set_strength(net, "consistency", 0.0)
    set_strength(net, "whole", 0.0)
    with torch.no_grad():
        change = net.conv.parametrizations["weight"][0].changes["detail"]
        down = functional.conv2d(x, change.a.reshape(4, 6, 3, 3), stride=2, padding=1)
        expected = plain.conv(x) + 2.0 * functional.conv2d(down, change.b[:, :, None, None])
        torch.testing.assert_close(net.conv(x), expected, rtol=1e-5, atol=1e-5)

        x = torch.rand(1, 8, 5, 6)
        change = net.up.parametrizations["weight"][0].changes["detail"]
        inner = functional.conv2d(x, change.a[:, :, None, None])
        up = functional.conv_transpose2d(inner, change.b.T.reshape(4, 10, 2, 2), stride=2)
        torch.testing.assert_close(net.up(x), plain.up(x) + 2.0 * up, rtol=1e-5, atol=1e-5)


def test_rank_is_no_larger_than_the_matrix(net: Net) -> None:
    set_strength(net, "detail", 1.0)
    narrow = nn.Conv2d(8, 8, 1, groups=8)
    add_low_rank(narrow, {"detail": 16})
    assert [parameter.shape for parameter in branch_parameters(narrow, "detail")] == [(1, 1), (8, 1)]


def test_full_rank_reaches_weight_and_bias(net: Net) -> None:
    for branch in RANKS:
        set_strength(net, branch, 0.0)
    original = net.conv.parametrizations["bias"].original
    torch.testing.assert_close(net.conv.bias, original + full_rank_change(net.conv, "bias", "whole"))


def test_weights_are_computed_in_full_precision_under_autocast(net: Net) -> None:
    with torch.no_grad():
        expected = net.linear.weight
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(net.linear.weight, expected)


def test_equals_peft(plain: Net, x: Tensor) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install -e 'models[test-torch]'")
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["conv", "linear"], init_lora_weights=False)
    theirs = peft.get_peft_model(copy.deepcopy(plain), config)
    ours = copy.deepcopy(plain)
    for name in ("conv", "linear"):
        add_low_rank(ours.get_submodule(name), {"detail": 4})
        layer = theirs.base_model.model.get_submodule(name)
        change = ours.get_submodule(name).parametrizations["weight"][0].changes["detail"]
        with torch.no_grad():
            change.a.copy_(layer.lora_A["default"].weight.reshape(4, -1))
            change.b.copy_(layer.lora_B["default"].weight.reshape(-1, 4))
    with torch.no_grad():
        assert not torch.allclose(ours(x), plain(x), atol=1e-2)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
        merge(ours)
        torch.testing.assert_close(ours(x), theirs.merge_and_unload()(x), rtol=1e-5, atol=1e-5)
