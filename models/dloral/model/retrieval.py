"""Cross-frame retrieval over a local window.

The paper's CFR lets every position of the current latent look through the whole warped previous latent. After flow
alignment what it looks for is near, so the tiny configuration looks at a window around each position, at half the
latent resolution. The arithmetic is the released code's: A = relu(QᵀK/√d − t), t = Linear(Q),
z' = z + proj(A·V), no softmax.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dloral.model.layers import zero_bias


class LocalRetrieval(nn.Module):
    """``latent`` and ``warped`` (the previous latent, aligned), both [B, C, h, w], to z' [B, C, h, w]; h, w even.

    Positions are of every second sample, so that a window of three reaches six samples; its sum is divided by nine.
    """

    shifts: Tensor

    def __init__(self, latent_channels: int, key_channels: int, value_channels: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.query = nn.Conv2d(latent_channels, key_channels, 2, stride=2)
        self.key = nn.Conv2d(latent_channels, key_channels, 2, stride=2)
        self.value = nn.Conv2d(latent_channels, value_channels, 2, stride=2)
        self.threshold = nn.Conv2d(key_channels, 1, 1)
        self.project = nn.ConvTranspose2d(value_channels, latent_channels, 2, stride=2)
        nn.init.normal_(self.project.weight, std=0.02)
        zero_bias(self.project)
        self.register_buffer("shifts", one_hot_shifts(window), persistent=False)

    def forward(self, latent: Tensor, warped: Tensor) -> Tensor:
        q = self.query(latent)
        keys, values = self.neighbours(self.key(warped)), self.neighbours(self.value(warped))
        similarity = (q.unsqueeze(2) * keys).sum(dim=1) * q.shape[1] ** -0.5
        attention = F.relu(similarity - self.threshold(q)) / self.window**2
        retrieved = (values * attention.unsqueeze(1)).sum(dim=2)
        return latent + self.project(retrieved)

    def neighbours(self, x: Tensor) -> Tensor:
        """[B, C, h, w] to [B, C, window², h, w]: the window around each position, zero outside the picture."""
        b, c, h, w = x.shape
        weight = self.shifts.repeat(c, 1, 1, 1)
        out = F.conv2d(x, weight, padding=self.window // 2, groups=c)
        return out.reshape(b, c, self.window**2, h, w)


def one_hot_shifts(window: int) -> Tensor:
    """[window², 1, window, window] filters that each pick one neighbour: unfolding as a depthwise convolution."""
    return torch.eye(window**2).reshape(window**2, 1, window, window)
