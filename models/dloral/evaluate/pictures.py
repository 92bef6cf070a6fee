"""Pictures to look at: the same detail as each method has it, side by side and enlarged."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dloral.evaluate.measure import Instant
from dloral.metrics import luma

Picture = NDArray[np.uint8]

_SIDE = 128
_ZOOM = 3
_GAP = 6
_CAPTION = 22


def write_comparison(folder: Path, clip: str, instant: Instant, details: int = 2) -> list[Path]:
    """Write one PNG per level: the ``details`` most detailed places in LQ, each method and any ground truth."""
    folder.mkdir(parents=True, exist_ok=True)
    places = detailed_places(instant.guide(), details)
    written = []
    for level in instant.low:
        path = folder / f"{clip}.{level}.{instant.index:04}.png"
        details_sheet(instant.columns(level), places).save(path)
        written.append(path)
    return written


def detailed_places(picture: Picture, count: int, side: int = _SIDE) -> list[tuple[int, int]]:
    """Top left corners (y, x), multiples of 4, of squares of ``side`` with the most gradient that do not overlap."""
    gray = luma(picture)
    gradient = np.abs(cv2.Laplacian(gray, cv2.CV_32F, ksize=3))
    side = min(side, *gray.shape)
    energy = cv2.boxFilter(gradient, cv2.CV_32F, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    energy = np.array(energy[: gray.shape[0] - side + 1 : 4, : gray.shape[1] - side + 1 : 4])
    places = []
    for _ in range(count):
        row, column = (int(at) for at in np.unravel_index(energy.argmax(), energy.shape))
        if energy[row, column] < 0:
            break
        places.append((row * 4, column * 4))
        reach = -(-side // 4)
        energy[max(row - reach + 1, 0) : row + reach, max(column - reach + 1, 0) : column + reach] = -1
    return places


def details_sheet(columns: dict[str, Picture], places: list[tuple[int, int]]) -> Image.Image:
    """The squares at ``places`` three times as large: a row each, a column for each picture, its name above."""
    height, width = next(iter(columns.values())).shape[:2]
    side = min(_SIDE, height, width)
    cell = side * _ZOOM
    size = (len(columns) * (cell + _GAP) - _GAP, _CAPTION + len(places) * (cell + _GAP) - _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for column, (name, picture) in enumerate(columns.items()):
        left = column * (cell + _GAP)
        draw.text((left + 4, 2), name, fill="black", font=font)
        for row, (y, x) in enumerate(places):
            crop = Image.fromarray(np.ascontiguousarray(picture[y : y + side, x : x + side]))
            # Nearest, so that nothing of what is to be judged gets smoothed.
            enlarged = crop.resize((cell, cell), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (left, _CAPTION + row * (cell + _GAP)))
    return sheet
