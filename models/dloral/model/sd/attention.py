"""Attention of diffusers' blocks, written out for export: softmax in fp32, and queries in blocks where asked."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class ExportedAttention:
    """An attention processor of diffusers.

    ``blocks``: how many blocks of queries, each with all keys; the result does not depend on it. It bounds the memory
    of the autoencoder's attention, whose single head sees the whole picture.
    """

    def __init__(self, blocks: int = 1) -> None:
        self.blocks = blocks

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        assert attention_mask is None, "neither Stable Diffusion's UNet nor its autoencoder masks"
        # The autoencoder's attention normalises the picture [B, C, h, w]; the UNet's gets normalised rows [B, n, C].
        residual, spatial = hidden_states, hidden_states.ndim == 4
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states)
        if spatial:
            b, c, h, w = hidden_states.shape
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        query, key, value = (_split(x, attn.heads) for x in (query * attn.scale, key, value))
        out = self._attend(query, key.transpose(2, 3), value, upcast=attn.upcast_attention)
        out = attn.to_out[0](out.transpose(1, 2).flatten(2))
        if spatial:
            out = out.transpose(1, 2).reshape(b, c, h, w)
        if attn.residual_connection:
            out = out + residual
        return out / attn.rescale_output_factor if attn.rescale_output_factor != 1.0 else out

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, *, upcast: bool) -> Tensor:
        """Query [B, heads, n, d], key [B, heads, d, m] and value [B, heads, m, d] to [B, heads, n, d]."""
        if upcast:
            query, key = query.float(), key.float()
        if self.blocks == 1:
            return _softmax(query @ key, value)
        count = query.shape[2]
        size = (count + self.blocks - 1) // self.blocks
        query = F.pad(query, (0, 0, 0, self.blocks * size - count))
        parts = [_softmax(query[:, :, at * size : (at + 1) * size] @ key, value) for at in range(self.blocks)]
        return torch.cat(parts, dim=2)[:, :, :count]


def _split(x: Tensor, heads: int) -> Tensor:
    b, n, c = x.shape
    return x.reshape(b, n, heads, c // heads).transpose(1, 2)


def _softmax(scores: Tensor, value: Tensor) -> Tensor:
    return scores.float().softmax(dim=-1).to(value.dtype) @ value
