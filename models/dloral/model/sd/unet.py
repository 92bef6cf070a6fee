"""Stable Diffusion's UNet for one step at one timestep with one prompt."""

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from dloral.errors import UserError
from dloral.model.sd.attention import ExportedAttention

TIMESTEP = 1
"""The only timestep that DLoRAL uses."""

_PLAIN = {
    "addition_embed_type": None,
    "class_embed_type": None,
    "encoder_hid_dim_type": None,
    "time_embedding_type": "positional",
    "center_input_sample": False,
    "dual_cross_attention": False,
}


class OneStepUNet(nn.Module):
    """``pair`` [B, 2C, h, w] (warped previous latent, fused current one) to the noise ε [B, C, h, w].

    The layers are ``unet``'s own; this runs them with the embedding of the one timestep as a constant and the prompt's
    inside, and gives every upsampling the size of its skip connection. diffusers does the last only where a side is
    no multiple of 8, a decision that an exported graph cannot make.
    """

    prompt: Tensor
    time: Tensor

    def __init__(self, unet: UNet2DConditionModel, prompt: Tensor) -> None:
        """``prompt``: f32 [1, 77, D]."""
        super().__init__()
        check_configuration(unet.config)
        unet.set_attn_processor(ExportedAttention())
        with torch.no_grad():
            time = unet.time_embedding(unet.time_proj(torch.tensor([TIMESTEP])).to(unet.conv_in.weight.dtype))
        self.register_buffer("prompt", prompt.to(unet.conv_in.weight.dtype), persistent=False)
        self.register_buffer("time", time, persistent=False)
        self.unet = unet

    def forward(self, pair: Tensor) -> Tensor:
        unet, time, prompt = self.unet, self.time, self.prompt
        x = unet.conv_in(pair)
        skips = [x]
        for block in unet.down_blocks:
            context = {"encoder_hidden_states": prompt} if getattr(block, "has_cross_attention", False) else {}
            x, kept = _down(block, x, time, context)
            skips += kept
        x = unet.mid_block(x, time, encoder_hidden_states=prompt)
        for block in unet.up_blocks:
            count = len(block.resnets)
            skips, kept = skips[:-count], skips[-count:]
            size = tuple(skips[-1].shape[2:]) if skips else None
            x = _up(block, x, kept, time, prompt, size)
        return unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))


def _down(block: Any, x: Tensor, time: Tensor, context: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    x, kept = block(hidden_states=x, temb=time, **context)
    return x, list(kept)


def _up(block: Any, x: Tensor, kept: list[Tensor], time: Tensor, prompt: Tensor, size: Any) -> Tensor:
    options: dict[str, Any] = {"hidden_states": x, "temb": time, "res_hidden_states_tuple": tuple(kept)}
    options["upsample_size"] = size if block.upsamplers else None
    if getattr(block, "has_cross_attention", False):
        options["encoder_hidden_states"] = prompt
    return block(**options)


def check_configuration(config: Any) -> None:
    """Raise :class:`UserError` if the UNet needs more than a sample, a timestep and a prompt."""
    for key, wanted in _PLAIN.items():
        if config.get(key, wanted) != wanted:
            raise UserError(
                f"the base's unet/config.json has {key} = {config[key]!r}; DLoRAL's base, Stable Diffusion 2.1-base, "
                f"has {wanted!r}"
            )
