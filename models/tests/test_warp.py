"""Warping against the reference, and retrieval's reach."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the networks need torch: pip install -e 'models[train]'")

from dloral.model.retrieval import LocalRetrieval  # noqa: E402
from dloral.model.warp import flow_warp, warp_by_rows  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("case", ["a_flow_warp_0", "a_flow_warp_1"])
def test_flow_warp_is_the_reference_s(case: str) -> None:
    tensors = np.load(GOLDEN / case / "tensors.npz")
    x, flow = torch.from_numpy(tensors["x"]), torch.from_numpy(tensors["flow"]).permute(0, 3, 1, 2)
    for padding_mode in ("zeros", "border"):
        result = flow_warp(x, flow, padding_mode).numpy()
        np.testing.assert_allclose(result, tensors[f"out_{padding_mode}"], atol=1e-5)


@pytest.mark.parametrize("reach", [0.5, 5.0, 1e9])
def test_warping_by_rows_is_flow_warp(reach: float) -> None:
    """Inside the picture, across its edges, and for flows that no index can hold."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(1, 5, 9, 13, generator=generator)
    flow = reach * torch.randn(1, 2, 9, 13, generator=generator)
    torch.testing.assert_close(warp_by_rows(x, flow), flow_warp(x, flow), atol=2e-5, rtol=0.0)


def test_retrieval_looks_no_further_than_its_window() -> None:
    torch.manual_seed(0)
    retrieval = LocalRetrieval(4, 8, 8, window=3)
    with torch.no_grad():
        retrieval.project.weight.normal_()
        retrieval.threshold.bias.fill_(-1.0)
        latent, warped = torch.rand(1, 4, 24, 24), torch.rand(1, 4, 24, 24)
        changed = warped.clone()
        changed[..., 12, 12] += 1.0
        difference = (retrieval(latent, changed) - retrieval(latent, warped)).abs().amax(dim=(0, 1))
    assert difference[10:16, 10:16].max() > 1e-3
    difference[10:16, 10:16] = 0.0
    assert difference.max() == 0.0
