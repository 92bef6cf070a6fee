"""Teachers' caches for tests: made of noise, in no time."""

from pathlib import Path

import numpy as np
from numpy.random import default_rng

from dloral.teacher.cache import Cache, Contents


def noise_cache(folder: Path, windows: int = 2, base: str = "teacher") -> Cache:
    """Windows of 96 pixels whose teacher gives the negative."""
    rng = default_rng(4)
    made = Cache.create(folder, Contents(base=base, data="clips", size=96))
    for number in range(windows):
        clean = rng.integers(0, 256, (3, 24, 24, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
        made.write(number, clean, 255 - clean)
    return made
