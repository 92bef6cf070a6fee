"""Windows of clean frames and the teacher's output for their reduction, one file a window, made once.

The teacher sees the clean reduction (area, ÷4, no noise, no coding), so its output is a function of what can be known:
a student that sees the degraded frames can follow it without averaging over what it cannot know.
"""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tomli_w
from numpy.typing import NDArray

from dloral.errors import UserError

DESCRIPTION = "cache.toml"
SCALE = 4

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Contents:
    """What decides every window: the same contents give the same windows in the same order."""

    base: str
    """SHA-256 of the teacher's weights."""
    data: str
    """Of the clips' names and sizes, as ``dloral.data.sources.listing`` has it."""
    frames: int = 3
    size: int = 384
    """Side of the clean window, pixels."""
    still_share: float = 0.4
    seed: int = 1


class Cache:
    """A folder of windows, as far as they have been made; it may grow while it is read."""

    def __init__(self, folder: Path, contents: Contents) -> None:
        self.folder, self.contents = folder, contents

    @classmethod
    def create(cls, folder: Path, contents: Contents) -> "Cache":
        """A new folder, or one of the same ``contents`` to go on with; raises :class:`UserError` for one of others."""
        if (folder / DESCRIPTION).exists():
            cache = cls.open(folder)
            if differing := [key for key, value in asdict(contents).items() if asdict(cache.contents)[key] != value]:
                raise UserError(f"{folder} is a cache of another {' and '.join(differing)}: give another --out")
            return cache
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{DESCRIPTION}.part"
        aside.write_text(tomli_w.dumps(asdict(contents)), "utf-8")
        aside.rename(folder / DESCRIPTION)
        return cls(folder, contents)

    @classmethod
    def open(cls, folder: Path) -> "Cache":
        """The cache in ``folder``; raises :class:`UserError` where there is none."""
        try:
            table: dict[str, Any] = tomllib.loads((folder / DESCRIPTION).read_text("utf-8"))
            return cls(folder, Contents(**table))
        except FileNotFoundError as error:
            raise UserError(f"{folder} holds no {DESCRIPTION}: make the cache with python -m dloral teach") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
            raise UserError(f"{folder / DESCRIPTION} is not as python -m dloral teach writes it ({error})") from error

    def rng(self, number: int) -> np.random.Generator:
        """What decides the window of this number."""
        return np.random.default_rng([self.contents.seed, number])

    def has(self, number: int) -> bool:
        """Whether the window is made."""
        return self._path(number).exists()

    def numbers(self) -> list[int]:
        """The windows that are made, in order."""
        return sorted(int(path.stem.removeprefix("window-")) for path in self.folder.glob("window-*.npy"))

    def write(self, number: int, clean: Frames, taught: Frames) -> None:
        """Keep a window: both u8 [frames, size, size, 3]; whole or not there."""
        path = self._path(number)
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            np.save(file, np.stack([clean, taught]))
        aside.rename(path)

    def read(self, number: int) -> tuple[Frames, Frames]:
        """Clean frames and the teacher's, both u8 [frames, size, size, 3]; raises :class:`UserError` if damaged."""
        path = self._path(number)
        expected = (2, self.contents.frames, self.contents.size, self.contents.size, 3)
        try:
            both = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}): delete it and make it anew") from error
        if both.shape != expected or both.dtype != np.uint8:
            raise UserError(f"{path} holds {both.dtype} {list(both.shape)}, not u8 {list(expected)}: delete it")
        return both[0], both[1]

    def sha256(self) -> str:
        """Of the contents: what a training run remembers of its teacher."""
        return hashlib.sha256(json.dumps(asdict(self.contents), sort_keys=True).encode()).hexdigest()

    def _path(self, number: int) -> Path:
        return self.folder / f"window-{number:06}.npy"


def reduce(clean: Frames) -> Frames:
    """Frames [T, H, W, 3] by a quarter on each side: the mean of every 4 by 4 pixels."""
    height, width = (side // SCALE for side in clean.shape[1:3])
    reduced = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in clean]
    return np.stack(reduced).astype(np.uint8)
