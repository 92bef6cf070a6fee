"""Classifier score distillation against the reference's own numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install -e 'models[train]'")

from torch import Tensor  # noqa: E402

from dloral.shared import shared_folder  # noqa: E402
from dloral.train.csd import Distillation, scaled_linear_alphas  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"
CASES = ["i_csd_b1_16x16", "i_csd_b2_16x24"]
ALPHAS = scaled_linear_alphas(0.00085, 0.012, 1000)


def load(case: str) -> dict[str, Tensor]:
    arrays = np.load(GOLDEN / case / "tensors.npz")
    return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def check(case: dict[str, Tensor], distillation: Distillation) -> None:
    latents = case["latents"].requires_grad_()
    loss = distillation.loss(latents, case["prompt_embeds"], case["neg_prompt_embeds"], case["noise"], case["timestep"])
    loss.backward()
    torch.testing.assert_close(loss, case["loss"].squeeze(), rtol=1e-4, atol=0.0)
    torch.testing.assert_close(
        latents.grad, case["grad_latents"], rtol=1e-4, atol=1e-4 * case["grad_latents"].abs().max()
    )


@pytest.mark.parametrize("name", CASES)
def test_is_the_reference_s(name: str) -> None:
    case = load(name)

    def predict(noisy: Tensor, timesteps: Tensor, prompts: Tensor) -> Tensor:
        """What the reference's base answered, if it is asked the same question."""
        torch.testing.assert_close(noisy, torch.cat([case["noisy"], case["noisy"]]), rtol=1e-5, atol=1e-5)
        assert torch.equal(timesteps, torch.cat([case["timestep"], case["timestep"]]))
        assert torch.equal(prompts, torch.cat([case["neg_prompt_embeds"], case["prompt_embeds"]]))
        return case["noise_pred_uncond_then_text"]

    check(case, Distillation(predict, ALPHAS))


@pytest.mark.parametrize("name", CASES)
def test_with_the_base_itself_is_the_reference_s(name: str) -> None:
    diffusers = pytest.importorskip("diffusers", reason="Stable Diffusion's classes are diffusers'")
    base = shared_folder() / "golden" / "f_model" / "base"
    if not base.is_dir():
        pytest.skip(f"the golden base is not at {base} (DLORAL_SHARED names the folder of shared material)")
    settings = json.loads((base / "scheduler" / "scheduler_config.json").read_text())
    unet = diffusers.UNet2DConditionModel.from_pretrained(base / "unet").eval()
    alphas = scaled_linear_alphas(settings["beta_start"], settings["beta_end"], settings["num_train_timesteps"])
    check(load(name), Distillation(lambda x, t, prompt: unet(x, t, prompt).sample, alphas))


def test_timesteps_are_drawn_from_the_reference_s_range() -> None:
    distillation = Distillation(lambda x, t, prompt: x, ALPHAS)
    drawn = distillation.draw(4000, torch.Generator().manual_seed(0))
    assert (int(drawn.min()), int(drawn.max())) == (20, 499)
