"""Batches of a teacher's windows: degraded frames, the truth, the teacher's output, and the truth's motion."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset

from dloral.data.batches import BatchShape, gray, shade, stacked, turned
from dloral.data.degrade import SCALE, Degradation, Frames
from dloral.data.motion import fast_motion
from dloral.data.text import written
from dloral.errors import UserError
from dloral.teacher.cache import Cache


class TaughtBatch(NamedTuple):
    """Windows of three successive frames."""

    lq: Tensor
    """u8 [B, 3, 3, p, p]"""
    clean: Tensor
    """u8 [B, 3, 3, 4p, 4p]"""
    taught: Tensor
    """u8 [B, 3, 3, 4p, 4p], the teacher's"""
    flow: Tensor
    """f32 [B, 2, 4p, 4p], last frame → the one before, in clean pixels"""
    visible: Tensor
    """bool [B, 4p, 4p], where that can be relied on"""


class TaughtBatches(Dataset[TaughtBatch]):
    """Item ``step`` is the batch of that step: a function of seed, step and the first ``windows`` of the cache."""

    def __init__(
        self,
        cache: Cache,
        degradation: Degradation,
        shape: BatchShape,
        *,
        windows: int,
        text_share: float,
        seed: int,
        steps: int,
    ) -> None:
        if missing := sum(not cache.has(number) for number in range(windows)):
            raise UserError(f"{cache.folder} lacks {missing} of {windows} windows: go on with python -m dloral teach")
        if shape.patch * SCALE > cache.contents.size or shape.frames != cache.contents.frames:
            raise UserError(
                f"{cache.folder} has windows of {cache.contents.frames} frames of {cache.contents.size} pixels; "
                f"[batch] wants {shape.frames} of {shape.patch * SCALE}"
            )
        self.cache, self.degradation, self.shape = cache, degradation, shape
        self.windows, self.text_share, self.seed, self.steps = windows, text_share, seed, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> TaughtBatch:
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self.seed, step])
        cut: list[tuple[Frames, Frames, Frames]] = []
        while len(cut) < self.shape.size:
            clean, taught = self._window(rng)
            lq = self.degradation.apply(clean, rng)
            cut += [self._cut(lq, clean, taught, rng) for _ in range(self.shape.windows_per_clip)]
        lqs, targets, teachers = zip(*cut[: self.shape.size], strict=True)
        flows, visible = zip(*(fast_motion(clean[-1], clean[-2]) for clean in targets), strict=True)
        motion = torch.from_numpy(np.stack(flows)), torch.from_numpy(np.stack(visible))
        return TaughtBatch(stacked(lqs), stacked(targets), stacked(teachers), *motion)

    def _window(self, rng: Generator) -> tuple[Frames, Frames]:
        contents = self.cache.contents
        # Without shades no random number is drawn for them, so that older runs stay reproducible.
        if self.shape.shade_share > 0.0 and rng.random() < self.shape.shade_share:
            plain = shade(rng, contents.frames, contents.size)
            return plain, plain
        clean, taught = self.cache.read(int(rng.integers(self.windows)))
        if rng.random() < self.text_share:
            clean = written(np.array(clean), rng)
            # Priors garble small letters, so the truth is the target here.
            taught = clean
        if rng.random() < self.shape.gray_share:
            clean, taught = gray(clean), gray(taught)
        return clean, taught

    def _cut(self, lq: Frames, clean: Frames, taught: Frames, rng: Generator) -> tuple[Frames, Frames, Frames]:
        patch = self.shape.patch
        y, x = (int(rng.integers(side - patch + 1)) for side in lq.shape[1:3])
        big = (slice(None), slice(y * SCALE, (y + patch) * SCALE), slice(x * SCALE, (x + patch) * SCALE))
        parts = [lq[:, y : y + patch, x : x + patch], clean[big], taught[big]]
        parts = turned(parts, rng)
        if rng.random() < 0.5:
            parts = [part[::-1] for part in parts]
        a, b, c = (np.ascontiguousarray(part) for part in parts)
        return a, b, c
