"""Clips without ground truth: how steady the results are, E*warp and flicker, is all that can be measured."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from itertools import islice
from pathlib import Path

from dloral import metrics
from dloral.evaluate.clips import count_frames, read_frames
from dloral.evaluate.measure import Instant, Key
from dloral.evaluate.methods import BICUBIC, Method
from dloral.evaluate.scores import FrameScores, Row, clip_row

LEVEL = "real"
"""Name of the level in tables: the clips are as low in quality as they are."""

_AHEAD = 4


def measure_no_reference(
    path: Path,
    methods: Mapping[str, Method],
    *,
    pool: Executor,
    max_frames: int | None = None,
    on_frame: Callable[[Instant], None] = lambda instant: None,
) -> list[Row]:
    """Rows of one low-quality clip, one per method.

    Motion is that of the bicubic enlargement, so E*warp and flicker can be compared between methods, but not with
    figures that were made with ground truth. ``methods`` has to hold bicubic.
    """
    scores: dict[Key, list[FrameScores]] = {Key(LEVEL, name): [] for name in methods}
    pending: deque[Future[dict[Key, FrameScores]]] = deque()
    window: deque[Instant] = deque(maxlen=3)
    for instant in _instants(path, methods, max_frames):
        window.append(instant)
        pending.append(pool.submit(_measure, tuple(window)))
        on_frame(instant)
        if len(pending) > _AHEAD:
            _collect(scores, pending.popleft().result())
    for future in pending:
        _collect(scores, future.result())
    return [clip_row(path.stem, key.level, key.method, frames) for key, frames in scores.items()]


def no_reference_frames(path: Path, max_frames: int | None) -> int:
    """Frames to be measured."""
    count = count_frames(path)
    return count if max_frames is None else min(count, max_frames)


def _instants(path: Path, methods: Mapping[str, Method], max_frames: int | None) -> Iterator[Instant]:
    low = list(islice(read_frames(path), max_frames))
    streams = {Key(LEVEL, name): method(low) for name, method in methods.items()}
    for index, frame in enumerate(low):
        yield Instant(index, {LEVEL: frame}, {key: next(stream) for key, stream in streams.items()})


def _measure(window: tuple[Instant, ...]) -> dict[Key, FrameScores]:
    """Scores of the last frame of ``window``; its flicker is that of the middle one."""
    scores = {key: FrameScores() for key in window[-1].results}
    if len(window) < 2:
        return scores
    plain = Key(LEVEL, BICUBIC)
    motion = metrics.reference_motion(window[-2].results[plain], window[-1].results[plain])
    for key, score in scores.items():
        score.values["warp_error"] = metrics.warp_error(window[-2].results[key], window[-1].results[key], motion)
    if len(window) == 3:
        back = metrics.reference_motion(window[1].results[plain], window[0].results[plain])
        for key, score in scores.items():
            before, now, after = (instant.results[key] for instant in window)
            score.values["flicker"] = metrics.flicker((before, now, after), back, motion)
    return scores


def _collect(scores: dict[Key, list[FrameScores]], frame: dict[Key, FrameScores]) -> None:
    for key, score in frame.items():
        scores[key].append(score)
