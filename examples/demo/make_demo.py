#!/usr/bin/env python3
"""Make the demo clip: three photographs filmed with a moving camera, then degraded as old footage is.

    python make_demo.py [output.mp4]

Needs scikit-image (the photographs), opencv-python-headless, numpy and the program `ffmpeg`. The result depends on
nothing random: the same versions of these give the same clip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

WIDTH, HEIGHT, RATE = 320, 180, 25
SHOT_FRAMES = 50
SAMPLE_RATE = 44_100
# Sensor noise in u8 levels, and the lens's blur in output pixels.
NOISE, BLUR = 2.0, 0.7


@dataclass(frozen=True)
class Shot:
    """One photograph and the camera's way over it: centre (x, y) and width of the view, in the photograph's pixels."""

    photograph: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]


SHOTS = (
    Shot("chelsea", (236.0, 130.0, 400.0), (222.0, 128.0, 330.0)),
    Shot("coffee", (250.0, 165.0, 440.0), (345.0, 215.0, 440.0)),
    Shot("astronaut", (256.0, 150.0, 500.0), (225.0, 125.0, 390.0)),
)


def view(photograph: NDArray[np.uint8], centre_x: float, centre_y: float, width: float) -> NDArray[np.float32]:
    """The camera's picture: a sub-pixel window, blurred by the lens and sampled at WIDTH x HEIGHT."""
    scale = width / WIDTH
    # Rendered at four times the size and averaged down, so that sampling does not alias.
    fine = 4
    step = scale / fine
    matrix = np.array(
        [
            [step, 0.0, centre_x - step * (WIDTH * fine - 1) / 2],
            [0.0, step, centre_y - step * (HEIGHT * fine - 1) / 2],
        ]
    )
    rendered = cv2.warpAffine(
        photograph,
        matrix,
        (WIDTH * fine, HEIGHT * fine),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    blurred = cv2.GaussianBlur(rendered, (0, 0), BLUR * fine)
    return cv2.resize(blurred, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


def hand_shake(frame: int) -> tuple[float, float]:
    """A hand's slow tremor in photograph pixels: sums of sines, so that it is smooth and never repeats in a shot."""
    t = frame / RATE
    return (
        1.6 * np.sin(2 * np.pi * 1.3 * t) + 0.7 * np.sin(2 * np.pi * 3.1 * t + 1.0),
        1.2 * np.sin(2 * np.pi * 1.7 * t + 0.5) + 0.5 * np.sin(2 * np.pi * 2.9 * t),
    )


def film() -> NDArray[np.uint8]:
    """All frames, u8 RGB [frames, HEIGHT, WIDTH, 3]."""
    noise = np.random.default_rng(1)
    frames: list[NDArray[np.uint8]] = []
    for shot in SHOTS:
        photograph = getattr(data, shot.photograph)()
        for index in range(SHOT_FRAMES):
            progress = index / (SHOT_FRAMES - 1)
            eased = progress * progress * (3 - 2 * progress)
            x, y, width = (a + (b - a) * eased for a, b in zip(shot.start, shot.end, strict=True))
            shake_x, shake_y = hand_shake(len(frames))
            clean = view(photograph, x + shake_x, y + shake_y, width)
            noisy = clean + noise.normal(0.0, NOISE, clean.shape)
            frames.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return np.stack(frames)


def chords(seconds: float) -> NDArray[np.int16]:
    """A soft mono tone: one chord per shot, swelling and fading."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    per_shot = SHOT_FRAMES / RATE
    sound = np.zeros_like(t)
    for number, notes in enumerate(((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (220.0, 293.7, 370.0))):
        local = (t - number * per_shot) / per_shot
        swell = np.where((local >= 0) & (local < 1), np.sin(np.pi * np.clip(local, 0, 1)) ** 2, 0.0)
        for note in notes:
            sound += swell * np.sin(2 * np.pi * note * t)
    return np.rint(sound / 3 * 0.2 * 32767).astype(np.int16)


def write(frames: NDArray[np.uint8], sound: NDArray[np.int16], output: Path) -> None:
    """Encode as H.264 at a low rate (the last degradation) and AAC."""
    with tempfile.TemporaryDirectory() as folder:
        track = Path(folder) / "sound.wav"
        with wave.open(str(track), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(sound.tobytes())
        command = ["ffmpeg", "-y", "-v", "error"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"]
        command += ["-i", str(track), "-shortest"]
        command += ["-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"]
        command += ["-c:v", "libx264", "-preset", "slow", "-crf", "23", "-threads", "1"]
        command += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
        command += ["-c:a", "aac", "-b:a", "48k", "-movflags", "+faststart", "-fflags", "+bitexact", str(output)]
        subprocess.run(command, input=frames.tobytes(), check=True)


def main() -> None:
    """Film, degrade, write."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("demo.mp4")
    frames = film()
    write(frames, chords(len(frames) / RATE), output)
    print(f"{output}: {len(frames)} frames of {WIDTH}x{HEIGHT}, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
