"""Scores of packs from pairwise choices: the model of Bradley and Terry (1952), with bootstrap intervals.

Pack i is preferred to pack j with the probability 1 / (1 + exp(sⱼ − sᵢ)). Scores s are fitted by Hunter's minorisation
and maximisation ("MM algorithms for generalized Bradley-Terry models", 2004) and have the mean 0. A choice of neither
counts half for each. Half a vote is added each way to every pair, so that a pack that always won has a score as well.
The page that people vote on does the same arithmetic in ``scores.js``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dloral.study.votes import Vote

Floats = NDArray[np.float64]

ADDED = 0.5
RESAMPLES = 1000
_STEPS = 10_000
_CLOSE = 1e-9


@dataclass(frozen=True)
class Range:
    """A value and the middle 95 % of it over the resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Two packs that were compared."""

    first: str
    second: str
    first_votes: int
    second_votes: int
    neither: int
    chance: Range
    """That the first is preferred, by the model."""


@dataclass(frozen=True)
class Standing:
    """Of one pack, over all its comparisons."""

    pack: str
    score: Range
    points: float
    """Votes for it, those for neither as halves."""
    votes: int


@dataclass(frozen=True)
class Scores:
    """What the votes say; packs from the best on."""

    standings: list[Standing]
    pairs: list[Pair]


def score(packs: Sequence[str], votes: Sequence[Vote], resamples: int = RESAMPLES, seed: int = 0) -> Scores:
    """Scores of ``packs`` from at least one vote.

    Each resample draws as many clips as there are, with replacement, and of each as many votes as it has: votes on one
    clip are not independent.
    """
    points = _points(packs, votes)
    fitted = strengths(np.concatenate([points.sum(axis=0)[None], _resampled(votes, points, resamples, seed)]))
    total = points.sum(axis=0)
    standings = [
        Standing(pack, _range(fitted[:, i]), float(total[i].sum()), round(total[i].sum() + total[:, i].sum()))
        for i, pack in enumerate(packs)
    ]
    standings.sort(key=lambda standing: -standing.score.value)
    return Scores(standings, _pairs(packs, votes, fitted, [standing.pack for standing in standings]))


def strengths(points: Floats) -> Floats:
    """Scores [R, n] of R tables [R, n, n] of points: entry (i, j) is what i got against j."""
    count = points.shape[-1]
    points = points + ADDED * (1.0 - np.eye(count))
    met, won = points + points.transpose(0, 2, 1), points.sum(axis=2)
    weight = np.ones(points.shape[:2])
    for _ in range(_STEPS):
        new = won / (met / (weight[:, :, None] + weight[:, None, :])).sum(axis=2)
        new /= np.exp(np.log(new).mean(axis=1, keepdims=True))
        change = np.abs(np.log(new / weight)).max()
        weight = new
        if change < _CLOSE:
            break
    return np.log(weight)


def _points(packs: Sequence[str], votes: Sequence[Vote]) -> Floats:
    """Of each vote the table [n, n] of what it gives."""
    index = {pack: i for i, pack in enumerate(packs)}
    points = np.zeros((len(votes), len(packs), len(packs)))
    for at, vote in enumerate(votes):
        left, right = index[vote.left], index[vote.right]
        share = {"left": 1.0, "right": 0.0, "neither": 0.5}[vote.choice]
        points[at, left, right] = share
        points[at, right, left] = 1.0 - share
    return points


def _resampled(votes: Sequence[Vote], points: Floats, resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    clips = list(dict.fromkeys(vote.clip for vote in votes))
    of_clips = [points[[vote.clip == clip for vote in votes]] for clip in clips]
    tables = np.zeros((resamples, *points.shape[1:]))
    for _ in clips:
        chosen = rng.integers(len(clips), size=resamples)
        for at, of_clip in enumerate(of_clips):
            mine = chosen == at
            drawn = rng.integers(len(of_clip), size=(int(mine.sum()), len(of_clip)))
            tables[mine] += of_clip[drawn].sum(axis=1)
    return tables


def _pairs(packs: Sequence[str], votes: Sequence[Vote], fitted: Floats, ranked: Sequence[str]) -> list[Pair]:
    pairs = []
    for at, first in enumerate(ranked):
        for second in ranked[at + 1 :]:
            of_pair = [vote for vote in votes if {vote.left, vote.right} == {first, second}]
            if of_pair:
                ahead = fitted[:, packs.index(first)] - fitted[:, packs.index(second)]
                chosen = [vote.chosen for vote in of_pair]
                counts = (chosen.count(first), chosen.count(second), chosen.count(None))
                pairs.append(Pair(first, second, *counts, _range(1.0 / (1.0 + np.exp(-ahead)))))
    return pairs


def _range(values: Floats) -> Range:
    """Index 0 is what was voted, the rest are resamples."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Range(float(values[0]), float(low), float(high))
