"""Batches of training windows, each a function of (seed, step) alone, so that a resumed run sees the same data."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset

from dloral.data.degrade import SCALE, Degradation
from dloral.data.sources import Frames, Sources


class Batch(NamedTuple):
    """Windows of T successive frames."""

    lq: Tensor
    """u8 [B, T, 3, p, p]"""
    clean: Tensor
    """u8 [B, T, 3, 4p, 4p]"""


@dataclass(frozen=True)
class BatchShape:
    """How batches are cut: several windows from every degraded clip, because degrading costs more than cutting."""

    size: int = 16
    frames: int = 3
    patch: int = 64
    """Side of a window in LQ pixels."""
    windows_per_clip: int = 4
    clip_frames: int = 7
    clip_size: int = 384
    """Side of a clean clip in pixels."""
    still_share: float = 0.45
    gray_share: float = 0.1
    """Share of clips that are made black and white: without them, gray film comes out tinted."""
    shade_share: float = 0.0
    """Share of clips that are replaced by plain shades, where nothing hides a pattern or a tint."""


class Batches(Dataset[Batch]):
    """Item ``step`` is the batch of that step."""

    def __init__(self, sources: Sources, degradation: Degradation, shape: BatchShape, seed: int, steps: int) -> None:
        self.sources, self.degradation, self.shape = sources, degradation, shape
        self.seed, self.steps = seed, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self.seed, step])
        windows: list[tuple[Frames, Frames]] = []
        while len(windows) < self.shape.size:
            clean = self._clean(rng)
            if rng.random() < self.shape.gray_share:
                clean = gray(clean)
            lq = self.degradation.apply(clean, rng)
            windows += [self._window(lq, clean, rng) for _ in range(self.shape.windows_per_clip)]
        lqs, targets = zip(*windows[: self.shape.size], strict=True)
        return Batch(stacked(lqs), stacked(targets))

    def _clean(self, rng: Generator) -> Frames:
        shape = self.shape
        # Without shades no random number is drawn for them, so that older runs stay reproducible.
        if shape.shade_share > 0.0 and rng.random() < shape.shade_share:
            return shade(rng, shape.clip_frames, shape.clip_size)
        return self.sources.sample(rng, shape.clip_frames, shape.clip_size, shape.still_share)

    def _window(self, lq: Frames, clean: Frames, rng: Generator) -> tuple[Frames, Frames]:
        frames, patch = self.shape.frames, self.shape.patch
        t = rng.integers(len(lq) - frames + 1)
        y, x = (int(rng.integers(side - patch + 1)) for side in lq.shape[1:3])
        big = slice(y * SCALE, (y + patch) * SCALE), slice(x * SCALE, (x + patch) * SCALE)
        a = lq[t : t + frames, y : y + patch, x : x + patch]
        b = clean[t : t + frames, big[0], big[1]]
        a, b = turned([a, b], rng)
        return a, b


def turned(windows: list[Frames], rng: Generator) -> list[Frames]:
    """The same windows [T, H, W, 3], all in one of the eight ways to mirror and transpose a picture."""
    if rng.random() < 0.5:
        windows = [window[:, :, ::-1] for window in windows]
    if rng.random() < 0.5:
        windows = [window[:, ::-1] for window in windows]
    if rng.random() < 0.5:
        windows = [window.swapaxes(1, 2) for window in windows]
    return windows


def shade(rng: Generator, frames: int, size: int) -> Frames:
    """A still clip [T, size, size, 3] of one colour, or of a slow change from corner to corner between four near it."""
    colour = rng.uniform(0.0, 255.0, 3)
    spread = 0.0 if rng.random() < 0.5 else rng.uniform(0.0, 60.0)
    corners = np.clip(colour + rng.uniform(-spread, spread, (2, 2, 3)), 0.0, 255.0).astype(np.float32)
    picture = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.repeat(np.rint(picture).astype(np.uint8)[None], frames, axis=0)


def gray(clip: Frames) -> Frames:
    """Frames [T, H, W, 3] in black and white: the luma of BT.709 in all three channels."""
    luma = clip.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return np.repeat(np.rint(luma).astype(np.uint8)[..., None], 3, axis=-1)


def stacked(windows: tuple[Frames, ...]) -> Tensor:
    """Windows [T, H, W, 3] as one tensor u8 [B, T, 3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(windows).transpose(0, 1, 4, 2, 3)))
