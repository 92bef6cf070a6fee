"""Clean sources: videos decoded once into a cache of frames, and stills that a moving camera turns into video."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from tqdm import tqdm

from dloral.errors import UserError

Frames = NDArray[np.uint8]
"""Frames u8 [T, H, W, 3], RGB."""

VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
STILL_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


CAMERA_MARGIN = 8
"""Pixels by which a still is larger than the crop at least."""


@dataclass(frozen=True)
class Sources:
    """What training samples are cut from. Videos are memory maps, stills are in memory."""

    videos: list[Frames]
    stills: list[Frames]

    def sample(self, rng: Generator, frames: int, size: int, still_share: float) -> Frames:
        """A clean clip u8 [frames, size, size, 3]: from a video, or (``still_share``) from a still with motion."""
        if self.stills and (not self.videos or rng.random() < still_share):
            return moving_crop(self.stills[rng.integers(len(self.stills))][0], rng, frames, size)
        return video_crop(self.videos[rng.integers(len(self.videos))], rng, frames, size)


def open_sources(folders: list[Path], cache: Path, min_frames: int, min_size: int) -> Sources:
    """Find videos and stills under ``folders``; decode the videos into ``cache`` if they are not there yet.

    A folder that is none or holds neither, and videos of fewer than ``min_frames`` frames or smaller than ``min_size``,
    are refused by name; stills that leave the camera no room are left out, with a line that says so.
    """
    videos: list[Frames] = []
    stills: list[Frames] = []
    for path in tqdm(source_files(folders), desc="sources", unit="file"):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            videos.append(_checked(_cached(path, cache), path, min_frames, min_size))
        else:
            still = _still(path)
            if min(still.shape[1:3]) < min_size + CAMERA_MARGIN:
                tqdm.write(f"{path}: left out, {still.shape[2]} by {still.shape[1]} leaves a moving camera no room")
                continue
            stills.append(still)
    if not videos and not stills:
        raise UserError(f"no video or picture in {', '.join(map(str, folders))} can be used: give larger ones")
    return Sources(videos, stills)


def source_files(folders: list[Path]) -> list[Path]:
    """Videos and pictures under ``folders``; raises :class:`UserError` that names the folder which has none."""
    files: list[Path] = []
    for folder in folders:
        found = [path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES | STILL_SUFFIXES]
        if not found:
            reason = "holds no video or picture" if folder.is_dir() else "is no folder"
            raise UserError(f"--data {folder} {reason}: give folders that hold some")
        files += found
    return sorted(path for path in files if path.is_file())


def listing(folders: list[Path]) -> str:
    """SHA-256 of the names and sizes of what is in ``folders``, wherever these are: tells one set from another."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in source_files([folder]):
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


def decode(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames of the first video stream, RGB u8 [H, W, 3], one after the other; at least one, and all of one size."""
    size = None
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if size not in (None, (frame.width, frame.height)):
                    raise UserError(f"{path}: the frame size changes; take it out or mend it")
                size = (frame.width, frame.height)
                # The frame is kept until its pixels are copied: PyAV's arrays are views that do not keep it alive.
                picture = frame.reformat(format="rgb24")
                yield np.array(picture.to_ndarray(), np.uint8)
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"{path}: not a readable video ({error})") from error
    if size is None:
        raise UserError(f"{path}: no frames; take it out or mend it")


def _cached(path: Path, cache: Path) -> Frames:
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    target = cache / f"{path.stem}-{key}.npy"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(".part.npy")
        try:
            with aside.open("wb") as file:
                _write_frames(file, decode(path))
        except UserError:
            aside.unlink(missing_ok=True)
            raise
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise UserError(f"{path}: its frames could not be written to {cache} ({error}): make room") from error
        aside.rename(target)
    return np.load(target, mmap_mode="r")


def _write_frames(file: BinaryIO, frames: Iterator[NDArray[np.uint8]]) -> None:
    """As ``numpy.save`` would write all of them, one at a time: a minute of 4K is 45 GB."""
    first = next(frames)

    def write_header(count: int) -> None:
        # NumPy leaves room for a first axis of any length.
        table = {"descr": "|u1", "fortran_order": False, "shape": (count, *first.shape)}
        np.lib.format.write_array_header_1_0(file, table)

    write_header(0)
    count = 0
    for frame in chain([first], frames):
        file.write(frame.tobytes())
        count += 1
    file.seek(0)
    write_header(count)


def _still(path: Path) -> Frames:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"{path}: not a readable picture")
    return np.ascontiguousarray(picture[None, :, :, ::-1]).astype(np.uint8)


def _checked(frames: Frames, path: Path, min_frames: int, min_size: int) -> Frames:
    count, height, width = frames.shape[:3]
    if count < min_frames or min(height, width) < min_size:
        needed = f"at least {min_frames} of {min_size} by {min_size} are needed"
        raise UserError(f"{path}: {count} frames of {width} by {height}; {needed}")
    return frames


def video_crop(video: Frames, rng: Generator, frames: int, size: int) -> Frames:
    """A random crop in time and space, sometimes every second frame, sometimes backwards."""
    step = 2 if len(video) >= 2 * frames and rng.random() < 0.3 else 1
    start = rng.integers(len(video) - (frames - 1) * step)
    y = rng.integers(video.shape[1] - size + 1)
    x = rng.integers(video.shape[2] - size + 1)
    clip = np.array(video[start : start + (frames - 1) * step + 1 : step, y : y + size, x : x + size])
    return clip[::-1] if rng.random() < 0.5 else clip


def moving_crop(still: NDArray[np.uint8], rng: Generator, frames: int, size: int) -> Frames:
    """A camera that pans, turns and zooms over a still: smooth motion of up to about 16 pixels a frame."""
    low = (size + CAMERA_MARGIN) / min(still.shape[:2])
    scale = rng.uniform(min(max(low, 0.5), 1.0), 1.0)
    if scale < 0.95:
        still = cv2.resize(still, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    height, width = still.shape[:2]
    speed = rng.exponential(2.5) if rng.random() < 0.85 else 0.0
    angle = rng.uniform(0.0, 2.0 * np.pi)
    velocity = np.minimum(speed, 16.0) * np.array([np.cos(angle), np.sin(angle)])
    turn, zoom = rng.normal(0.0, 0.004), rng.normal(0.0, 0.004)
    centre = np.array([rng.uniform(size / 2, width - size / 2), rng.uniform(size / 2, height - size / 2)])
    clip = np.empty((frames, size, size, 3), np.uint8)
    for index in range(frames):
        t = index - (frames - 1) / 2
        shake = rng.normal(0.0, 0.15, 2)
        factor = np.exp(zoom * t)
        cos, sin = factor * np.cos(turn * t), factor * np.sin(turn * t)
        linear = np.array([[cos, -sin], [sin, cos]])
        offset = centre + velocity * t + shake - linear @ np.array([size / 2, size / 2])
        matrix = np.hstack([linear, offset[:, None]])
        clip[index] = cv2.warpAffine(
            still, matrix, (size, size), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
        )
    return clip
