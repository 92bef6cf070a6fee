"""Legibility of small moving text: clips made by code, restored, and read by tesseract.

Metrics hardly notice swapped letters, and readers notice little else.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dloral.errors import UserError
from dloral.evaluate.methods import Method

Frames = NDArray[np.uint8]

SIZES = (22, 30)
"""Of capital letters, in output pixels."""
DEGRADATIONS = {"mild": (0.8, 1.5, 18), "medium": (1.6, 4.0, 24)}
"""Blur in output pixels, noise in levels and H.264's crf, as of the low-quality versions of these levels."""
FRAMES = 9
READ = (4, 8)
"""The frames that are read."""
HEIGHT, WIDTH, SCALE = 480, 1088, 4
LEFT, TOP, STEP = 30, 25, 2.0
"""Where the first line starts, in pixels, and the distance of lines, in sizes of the letters."""
SPEED = (1.25, 0.5)
"""Pixels per frame, to the left and up."""
LINES = (
    "The ferry leaves the north pier at half past seven.",
    "Nobody had told the keeper which gate was open.",
    "Quick brown clouds moved over the frozen harbour.",
    "Please hold the rail, mind the step and the door.",
    "Twelve boxes of oranges were sold before midday.",
    "Her letter came from a village beyond the river.",
    "We watched the judge examine every single page.",
    "Light rain is expected in the valley by evening.",
)


class Read(NamedTuple):
    """Share of the characters that are read, 0 to 1."""

    level: str
    size: int
    method: str
    share: float


def require_tools() -> None:
    """Raises :class:`UserError` where tesseract, or PyAV for the clips' H.264, is not installed."""
    if shutil.which("tesseract") is None:
        raise UserError("--text needs tesseract (Debian: apt install tesseract-ocr)")
    if importlib.util.find_spec("av") is None:
        raise UserError("--text needs the Python package 'av': in a checkout, pip install -e 'models[train]'")


def read_text(methods: Mapping[str, Method]) -> list[Read]:
    """What is read of each method's results, and first of the clean text."""
    found = []
    for size in SIZES:
        clean = text_clip(size)
        best = _share(clean, size)
        for level in DEGRADATIONS:
            found.append(Read(level, size, "ground truth", best))
            low = degraded(clean, level)
            for name, method in methods.items():
                found.append(Read(level, size, name, _share(list(method(iter(low))), size)))
    return found


def markdown(reads: Sequence[Read]) -> str:
    """A table: a line for each method, a column for each level and size."""
    columns = list(dict.fromkeys((read.level, read.size) for read in reads))
    shares = {(read.method, read.level, read.size): read.share for read in reads}
    headings = ["method", *(f"{level}, {size} px" for level, size in columns)]
    lines = [headings, ["---", *("--:" for _ in columns)]]
    lines += [
        [method, *(f"{100.0 * shares[method, level, size]:.0f} %" for level, size in columns)]
        for method in dict.fromkeys(read.method for read in reads)
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"### characters that tesseract reads\n\n{table}\n"


def text_clip(size: int) -> Frames:
    """A clip u8 [T, H, W, 3] of white, outlined letters that move over a dark, uneven ground."""
    font = _font_of_height(size)
    rng = np.random.default_rng(size)
    shape = (HEIGHT // 80, WIDTH // 80)
    coarse = rng.uniform(20.0, 80.0, (*shape, 1)) + rng.uniform(-10.0, 10.0, (*shape, 3))
    ground = cv2.resize(coarse.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    # Larger than the frames, since more of it moves in from the right and from below.
    picture = Image.new("L", (WIDTH + 2 * LEFT, HEIGHT + TOP))
    edge = Image.new("L", picture.size)
    for number, line in enumerate(_lines(size)):
        place = (LEFT, TOP + int(STEP * size) * number)
        ImageDraw.Draw(picture).text(place, line, fill=255, font=font)
        ImageDraw.Draw(edge).text(place, line, fill=255, font=font, stroke_width=max(1, size // 12), stroke_fill=255)
    layers = [np.asarray(layer, np.float32) / 255.0 for layer in (edge, picture)]
    frames = []
    for number in range(FRAMES):
        move = np.array([[1.0, 0.0, -SPEED[0] * number], [0.0, 1.0, -SPEED[1] * number]])
        outer, inner = (cv2.warpAffine(layer, move, (WIDTH, HEIGHT))[..., None] for layer in layers)
        frame = ground * (1.0 - outer) + 10.0 * outer
        frames.append(frame * (1.0 - inner) + 245.0 * inner)
    return np.rint(np.clip(np.stack(frames), 0.0, 255.0)).astype(np.uint8)


def degraded(clean: Frames, level: str) -> Frames:
    """The low-quality version u8 [T, H/4, W/4, 3] at one of ``DEGRADATIONS``."""
    # PyAV comes with the extra `train`, and only this needs it.
    from dloral.data.codecs import h264

    blur, noise, crf = DEGRADATIONS[level]
    rng = np.random.default_rng(0)
    low = []
    for frame in clean:
        soft = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), blur, borderType=cv2.BORDER_REFLECT_101)
        small = cv2.resize(soft, (clean.shape[2] // SCALE, clean.shape[1] // SCALE), interpolation=cv2.INTER_AREA)
        low.append(small + noise * rng.standard_normal(small.shape, dtype=np.float32))
    return h264(np.rint(np.clip(np.stack(low), 0.0, 255.0)).astype(np.uint8), crf)


def characters_read(said: str, text: str) -> float:
    """1 less the edits from ``text`` to ``said`` per character of ``text``, at least 0; spaces do not count."""
    ours, theirs = (re.sub(r"\s+", "", each) for each in (said, text))
    row = list(range(len(theirs) + 1))
    for i, letter in enumerate(ours, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(theirs, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (letter != other))
    return max(0.0, 1.0 - row[-1] / len(theirs))


def _font_of_height(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, which is the same everywhere, so large that its capitals are ``size`` pixels high."""
    for points in range(size, 3 * size):
        font = ImageFont.load_default(points)
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise UserError("--text needs a Pillow with FreeType")
        _, top, _, bottom = font.getbbox("H")
        if bottom - top >= size:
            return font
    raise AssertionError("a font grows with its size")


def _lines(size: int) -> Sequence[str]:
    """Those that have room."""
    return LINES[: int((HEIGHT - 2 * TOP) // int(STEP * size))]


def _share(pictures: Sequence[Frames] | Frames, size: int) -> float:
    """Line by line, since tesseract would lose whole lines of a page that a person reads."""
    shares = []
    for number in READ:
        for line, text in enumerate(_lines(size)):
            top = TOP + int(STEP * size) * line - round(SPEED[1] * number)
            shares.append(characters_read(_tesseract(pictures[number][top - 8 : top + int(STEP * size)]), text))
    return float(np.mean(shares))


def _tesseract(picture: Frames) -> str:
    ok, data = cv2.imencode(".png", picture[:, :, ::-1])
    assert ok, "a picture of bytes can be written as PNG"
    command = ["tesseract", "-", "-", "-l", "eng", "--psm", "7"]
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
    result = subprocess.run(command, input=data.tobytes(), capture_output=True, env=environment, check=False)
    if result.returncode != 0:
        raise UserError(f"tesseract failed: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout.decode(errors="replace")
