"""Text over pictures: subtitles, signs and scoreboards, which priors garble and people read first."""

import functools
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frames = NDArray[np.uint8]

HEIGHTS = (16, 64)
"""Of the letters, in clean pixels."""
FONT_FOLDERS = (Path("/usr/share/fonts"), Path.home() / ".fonts")
LATIN = "abcdefghijklmnopqrstuvwxyz"
GREEK, CYRILLIC = ("".join(map(chr, range(*ends))) for ends in ((0x3B1, 0x3CA), (0x430, 0x450)))
LETTERS = 2 * LATIN + LATIN.upper() + "0123456789äöüéñçßæøå" + GREEK + CYRILLIC
"""Latin more often than Greek and Cyrillic, which the fonts at hand have too."""
SIGNS = ".,:;!?-()/%&+'"


def written(clip: Frames, rng: Generator) -> Frames:
    """``clip`` u8 [T, H, W, 3] with lines of text that stand still or move evenly, over it or on one colour."""
    count, height, width = clip.shape[:3]
    size = int(np.exp(rng.uniform(*np.log(HEIGHTS))))
    lines = [_line(rng, width // max(size // 2, 6)) for _ in range(max(1, int(0.7 * height / (1.5 * size))))]
    mask, edge = _mask(lines, size, (2 * width, 2 * height), rng)
    ground = _ground(clip, rng)
    colour, outline = _colours(rng)
    speed = rng.normal(0.0, 3.0, 2) if rng.random() < 0.6 else np.zeros(2)
    start = rng.uniform(0.0, 0.3, 2) * (width, height)
    frames = []
    for number in range(count):
        x, y = start + speed * number
        move = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
        shift = functools.partial(cv2.warpAffine, M=move, dsize=(width, height), flags=cv2.INTER_LINEAR)
        inner, outer = (shift(layer)[..., None].astype(np.float32) / 255.0 for layer in (mask, edge))
        frame = ground[number].astype(np.float32)
        frame = frame * (1.0 - outer) + outline * outer
        frames.append(frame * (1.0 - inner) + colour * inner)
    return np.rint(np.stack(frames)).astype(np.uint8)


def _line(rng: Generator, letters: int) -> str:
    words: list[str] = []
    while sum(len(word) + 1 for word in words) < letters:
        word = "".join(rng.choice(list(LETTERS), int(rng.integers(1, 10))))
        words.append(word + (str(rng.choice(list(SIGNS))) if rng.random() < 0.2 else ""))
    return " ".join(words)


def _mask(lines: list[str], size: int, area: tuple[int, int], rng: Generator) -> tuple[Frames, Frames]:
    """Coverage of the letters and of their outline, u8 [H, W]."""
    picture = Image.new("L", area)
    draw = ImageDraw.Draw(picture)
    font = _font(rng, size)
    for number, line in enumerate(lines):
        draw.text((size // 2, size // 2 + int(1.5 * size) * number), line, fill=255, font=font)
    mask = np.asarray(picture)
    width = 2 * int(rng.integers(0, 1 + size // 12)) + 1
    return mask, cv2.dilate(mask, np.ones((width, width), np.uint8)).astype(np.uint8)


def _font(rng: Generator, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    files = _font_files()
    if files and rng.random() < 0.8:
        return ImageFont.truetype(str(rng.choice(files)), size)
    return ImageFont.load_default(size)


@functools.cache
def _font_files() -> tuple[str, ...]:
    found = (path for folder in FONT_FOLDERS for path in folder.rglob("*.[to]tf"))
    return tuple(sorted(map(str, found)))


def _ground(clip: Frames, rng: Generator) -> Frames:
    if rng.random() < 0.6:
        return clip
    return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), clip.shape)


def _colours(rng: Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of the letters and of their outline: most often white on black, as subtitles are."""
    if rng.random() < 0.5:
        return np.full(3, 245, np.float32), np.full(3, 10, np.float32)
    colour = rng.uniform(0.0, 255.0, 3).astype(np.float32)
    return colour, (colour + 128.0) % 256.0
