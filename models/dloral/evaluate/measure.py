"""Measures one clip: all methods at all levels in step, frame by frame, so that little memory is held.

What depends on the ground truth alone (its motion, its features) is computed once per frame. Frames are measured by a
pool of threads; OpenCV, NumPy, PyTorch and ONNX Runtime all release Python's lock where it takes time.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dloral import metrics
from dloral.errors import UserError
from dloral.evaluate.clips import SCALE, Clip, count_frames, read_frames, read_truth
from dloral.evaluate.methods import BICUBIC, Method
from dloral.evaluate.scores import GROUND_TRUTH, FrameScores, Row, clip_row

Picture = NDArray[np.uint8]
Distance = Callable[[list[Picture], Picture], list[float]]
"""Distances of several pictures from one."""

_AHEAD = 4


class Key(NamedTuple):
    """One column of pictures: a method at a level."""

    level: str
    method: str


@dataclass(frozen=True)
class Instant:
    """All pictures of one frame number: the low-quality frame of each level, and the results."""

    index: int
    low: dict[str, Picture]
    results: dict[Key, Picture]

    def columns(self, level: str) -> dict[str, Picture]:
        """The pictures of one level to be looked at side by side, all of one size; LQ with its pixels as squares."""
        columns = {"LQ": self.low[level].repeat(SCALE, axis=0).repeat(SCALE, axis=1)}
        return columns | {key.method: picture for key, picture in self.results.items() if key.level == level}

    def guide(self) -> Picture:
        """The picture by which places to look at are chosen: the same for all levels and methods."""
        return next(picture for key, picture in self.results.items() if key.method == BICUBIC)


@dataclass(frozen=True)
class TrueInstant(Instant):
    """With the ground truth."""

    truth: Picture

    def columns(self, level: str) -> dict[str, Picture]:
        return super().columns(level) | {GROUND_TRUTH: self.truth}

    def guide(self) -> Picture:
        return self.truth


def measure_clip(
    clip: Clip,
    methods: Mapping[str, Method],
    *,
    pool: Executor,
    distances: Mapping[str, Distance],
    max_frames: int | None = None,
    on_frame: Callable[[Instant], None] = lambda instant: None,
) -> list[Row]:
    """Rows of one clip, for each level the methods' in their order and the ground truth's.

    ``methods`` has to hold bicubic, against which residuals are taken. ``distances`` are further measures, by their
    keys. ``on_frame`` is called for every frame in order.
    """
    count = frame_count(clip, max_frames)
    scores: dict[Key, list[FrameScores]] = {}
    pending: deque[Future[dict[Key, FrameScores]]] = deque()
    previous: TrueInstant | None = None
    for instant in _instants(clip, methods, count):
        pending.append(pool.submit(_measure, previous, instant, count, distances))
        if len(pending) > _AHEAD:
            _collect(scores, pending.popleft().result())
        on_frame(instant)
        previous = instant
    for future in pending:
        _collect(scores, future.result())
    return [clip_row(clip.name, key.level, key.method, frames) for key, frames in scores.items()]


def frame_count(clip: Clip, max_frames: int | None) -> int:
    """Frames to be measured; raises :class:`UserError` if a low-quality version has not as many as the ground truth."""
    count = count_frames(clip.truth)
    for version in clip.low_quality.values():
        if (other := count_frames(version)) != count:
            raise UserError(f"{version} has {other} frames, but its ground truth {clip.truth} has {count}")
    return count if max_frames is None else min(count, max_frames)


def _instants(clip: Clip, methods: Mapping[str, Method], count: int) -> Iterator[TrueInstant]:
    low = {level: list(islice(read_frames(path), count)) for level, path in clip.low_quality.items()}
    for level, frames in low.items():
        _all_there(clip.low_quality[level], len(frames), count)
    streams = {Key(level, name): method(frames) for level, frames in low.items() for name, method in methods.items()}
    index = -1
    for index, truth in enumerate(islice(read_truth(clip.truth), count)):
        results = {key: next(stream) for key, stream in streams.items()}
        for key, picture in results.items():
            if picture.shape != truth.shape:
                raise UserError(
                    f"{clip.low_quality[key.level]}, {key.method}: pictures are {picture.shape[1]} by "
                    f"{picture.shape[0]}, the ground truth is {truth.shape[1]} by {truth.shape[0]}; "
                    f"a version has to be 1/{SCALE} of its size"
                )
        yield TrueInstant(index, {level: frames[index] for level, frames in low.items()}, results, truth)
    _all_there(clip.truth, index + 1, count)


def _all_there(path: Path, frames: int, count: int) -> None:
    if frames < count:
        raise UserError(
            f"{path} gave {frames} frames where {count} were counted: it is damaged; take it out or mend it"
        )


def _collect(scores: dict[Key, list[FrameScores]], frame: dict[Key, FrameScores]) -> None:
    for key, score in frame.items():
        scores.setdefault(key, []).append(score)


def _measure(
    previous: TrueInstant | None, instant: TrueInstant, count: int, distances: Mapping[str, Distance]
) -> dict[Key, FrameScores]:
    pictures = _with_truth(instant)
    scores = {key: FrameScores(_fidelity(key, picture, instant.truth)) for key, picture in pictures.items()}
    for name, distance in distances.items():
        found = distance(list(instant.results.values()), instant.truth)
        for key, value in zip(instant.results, found, strict=True):
            scores[key].values[name] = value
    if min(instant.truth.shape[:2]) > metrics.BLOCK:
        _add_spectra(pictures, scores)
    if previous is not None:
        _add_temporal(previous, instant, count, scores)
    return scores


def _with_truth(instant: TrueInstant) -> dict[Key, Picture]:
    """Results by level, each level's ground truth behind them."""
    pictures: dict[Key, Picture] = {}
    for level in instant.low:
        pictures |= {key: picture for key, picture in instant.results.items() if key.level == level}
        pictures[Key(level, GROUND_TRUTH)] = instant.truth
    return pictures


def _fidelity(key: Key, picture: Picture, truth: Picture) -> dict[str, float]:
    if key.method == GROUND_TRUTH:
        return {"sharpness": 1.0}
    return {
        "psnr": metrics.psnr(picture, truth),
        "ssim": metrics.ssim(picture, truth),
        "gmsd": metrics.gmsd(picture, truth),
        "haarpsi": metrics.haarpsi(picture, truth),
        "sharpness": metrics.sharpness(picture, truth),
    }


def _add_spectra(pictures: Mapping[Key, Picture], scores: Mapping[Key, FrameScores]) -> None:
    planes = {key: metrics.luma(picture) for key, picture in pictures.items()}
    for key, plane in planes.items():
        scores[key].block.add(metrics.detail(plane))
        if key.method != BICUBIC:
            scores[key].grid.add(plane - planes[Key(key.level, BICUBIC)])


def _add_temporal(previous: TrueInstant, instant: TrueInstant, count: int, scores: Mapping[Key, FrameScores]) -> None:
    motion = metrics.reference_motion(previous.truth, instant.truth)
    steady = metrics.warp_error(previous.truth, instant.truth, motion)
    inner = range(metrics.TOF_SKIPPED, count - metrics.TOF_SKIPPED)
    flow = metrics.farneback(previous.truth, instant.truth)
    for key, score in scores.items():
        if key.method == GROUND_TRUTH:
            score.values["warp_error"] = steady
            continue
        before, now = previous.results[key], instant.results[key]
        score.values["warp_error"] = metrics.warp_error(before, now, motion)
        if previous.index in inner and instant.index in inner:
            score.values["tof"] = metrics.flow_distance(metrics.farneback(before, now), flow)
