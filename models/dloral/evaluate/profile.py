"""The temporal profile: one row of every frame, stacked over time (the paper's Figure 4). Flicker shows as bands."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dloral.evaluate.measure import Instant
from dloral.metrics import luma

Picture = NDArray[np.uint8]

_HEIGHT = 160
"""Least height in pixels that time is stretched to."""
_GAP = 6
_CAPTION = 22
_BAND = 9
"""Rows over which the detail of a row is judged."""


class Profile:
    """Collects the row of one clip, frame by frame, in LQ, each method and ground truth; :meth:`write` draws it."""

    def __init__(self, row: int | None = None) -> None:
        """``row``: in pixels of the output; by default the one with the most detail in the first frame."""
        self.row = row
        self.rows: dict[str, dict[str, list[Picture]]] = {}

    def add(self, instant: Instant) -> None:
        """Take the row of one moment."""
        if self.row is None:
            self.row = detailed_row(instant.guide())
        for level in instant.low:
            of_level = self.rows.setdefault(level, {})
            for name, picture in instant.columns(level).items():
                of_level.setdefault(name, []).append(picture[min(self.row, len(picture) - 1)].copy())

    def write(self, folder: Path, clip: str) -> list[Path]:
        """One PNG per level."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for level in self.rows:
            path = folder / f"{clip}.{level}.profile-row-{self.row}.png"
            self.sheet(level).save(path)
            written.append(path)
        return written

    def sheet(self, level: str) -> Image.Image:
        """Of one level: T×W pictures stretched in T, one below the other."""
        return _sheet({name: np.stack(rows) for name, rows in self.rows[level].items()})


def detailed_row(picture: Picture) -> int:
    """The row of u8 [H, W, 3] with the most horizontal gradient around it, not near the border."""
    gradient = np.abs(np.diff(luma(picture), axis=1)).mean(axis=1, dtype=np.float32)
    border = len(gradient) // 10
    inner = cv2.blur(gradient[:, None], (1, _BAND))[border : len(gradient) - border]
    return border + int(inner.argmax())


def _sheet(profiles: dict[str, Picture]) -> Image.Image:
    frames, width = next(iter(profiles.values())).shape[:2]
    height = frames * -(-_HEIGHT // frames)
    pitch = _CAPTION + height + _GAP
    sheet = Image.new("RGB", (width, len(profiles) * pitch - _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for index, (name, profile) in enumerate(profiles.items()):
        draw.text((4, index * pitch + 2), name, fill="black", font=font)
        # Whole multiples and nearest: every frame keeps its own band.
        stretched = Image.fromarray(profile).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(stretched, (0, index * pitch + _CAPTION))
    return sheet
