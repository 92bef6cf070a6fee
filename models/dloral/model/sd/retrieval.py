"""Cross-frame retrieval attention over the whole previous latent, in blocks of queries."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 9
WIDTH = 64
TEMPERATURE = 3000.0
BLOCK_BYTES = 64 * 2**20
"""Memory that the similarities of one block may take."""


def blocks_for(samples: int) -> int:
    """How many blocks keep the similarities of ``samples`` queries and keys, one head's, within ``BLOCK_BYTES``."""
    return max(1, -(-4 * samples**2 // BLOCK_BYTES))


class Retrieval(nn.Module):
    """``latent`` and ``warped`` (the previous latent, aligned), both [B, C, h, w], to z' [B, C, h, w].

    Per head A = relu((QᵀK/√d − t) / 3000) with t = Linear(Q), then z' = z + proj(A·V); neither a softmax nor a top-k
    (``src/cross_frame_retrieval/uncertainty_topk.py`` of the reference). The sum over keys is not normalised.
    A block of queries of one head at a time: A is never held whole, nine matrices of (h·w)². The result does not
    depend on ``blocks``. Always fp32: 9,000 terms of all sizes are summed.
    """

    def __init__(self, channels: int, blocks: int = 1) -> None:
        super().__init__()
        self.blocks = blocks
        self.query = nn.Conv2d(channels, HEADS * WIDTH, 1)
        self.key = nn.Conv2d(channels, HEADS * WIDTH, 1)
        self.value = nn.Conv2d(channels, HEADS * WIDTH, 1)
        self.project = nn.Conv2d(HEADS * WIDTH, channels, 1)
        self.threshold = nn.Linear(WIDTH, 1)

    def forward(self, latent: Tensor, warped: Tensor) -> Tensor:
        b, _, h, w = latent.shape
        query, key, value = self.query(latent), self.key(warped), self.value(warped)
        heads = zip(*(x.flatten(2).chunk(HEADS, dim=1) for x in (query, key, value)), strict=True)
        retrieved = torch.cat([self._head(q, k, v) for q, k, v in heads], dim=1)
        return latent + self.project(retrieved.reshape(b, HEADS * WIDTH, h, w))

    def _head(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """One head, all [B, d, n]."""
        count = query.shape[2]
        query = query.transpose(1, 2)
        # What the temperature and √d divide may as well be divided before the product: n·d divisions, not n².
        threshold = self.threshold(query) / TEMPERATURE
        query, values = query / (WIDTH**0.5 * TEMPERATURE), value.transpose(1, 2)
        if self.blocks == 1:
            return (F.relu(query @ key - threshold) @ values).transpose(1, 2)
        size = (count + self.blocks - 1) // self.blocks
        # Rows of zeros fill the last block up, so that all blocks have one size; they are cut off at the end.
        spare = self.blocks * size - count
        query, threshold = F.pad(query, (0, 0, 0, spare)), F.pad(threshold, (0, 0, 0, spare))
        parts = []
        for at in range(self.blocks):
            place = slice(at * size, (at + 1) * size)
            parts.append(F.relu(query[:, place] @ key - threshold[:, place]) @ values)
        return torch.cat(parts, dim=1)[:, :count].transpose(1, 2)
