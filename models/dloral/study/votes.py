"""Votes as the page saves them: JSON, one file for each sitting."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dloral.errors import UserError

FORMAT = "dloral study votes 1"
CHOICES = ("left", "right", "neither")


@dataclass(frozen=True)
class Vote:
    """One choice between two restored versions of a clip."""

    clip: str
    left: str
    right: str
    choice: str
    """One of ``CHOICES``."""

    @property
    def chosen(self) -> str | None:
        """The pack that was preferred, None for neither."""
        return {"left": self.left, "right": self.right}.get(self.choice)


@dataclass(frozen=True)
class Sitting:
    """What one person chose."""

    study: str
    sitting: str
    voter: str
    packs: tuple[str, ...]
    votes: tuple[Vote, ...]


def read_votes(path: Path) -> Sitting:
    """Read one file; raises :class:`UserError` if it is not of the format."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also what is not UTF-8
        raise UserError(f"{path} holds no votes: {error}") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise UserError(f'{path} holds no votes: its "format" has to be "{FORMAT}"')
    try:
        return _sitting(table)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged votes: {error}") from error


def join(sittings: Sequence[Sitting]) -> tuple[tuple[str, ...], list[Vote]]:
    """Packs and all votes of one study; of a sitting that is there twice, the one with more votes counts.

    Raises :class:`UserError` if the files are of several studies or hold no vote.
    """
    if len({sitting.study for sitting in sittings}) > 1:
        raise UserError("the votes are of several studies: give those of one")
    latest: dict[str, Sitting] = {}
    for sitting in sittings:
        known = latest.get(sitting.sitting)
        if known is None or len(known.votes) < len(sitting.votes):
            latest[sitting.sitting] = sitting
    votes = [vote for sitting in latest.values() for vote in sitting.votes]
    if not votes:
        raise UserError("there are no votes in the files")
    return sittings[0].packs, votes


def _sitting(table: dict[str, Any]) -> Sitting:
    packs = tuple(_text(pack) for pack in table["packs"])
    votes = tuple(_vote(vote, packs) for vote in table["votes"])
    return Sitting(_text(table["study"]), _text(table["sitting"]), _text(table["voter"]), packs, votes)


def _vote(table: dict[str, Any], packs: Sequence[str]) -> Vote:
    vote = Vote(**{key: _text(table[key]) for key in ("clip", "left", "right", "choice")})
    if vote.left not in packs or vote.right not in packs or vote.left == vote.right:
        raise ValueError(f"{vote.left} and {vote.right} are not two of {', '.join(packs)}")
    if vote.choice not in CHOICES:
        raise ValueError(f"the choice {vote.choice!r} is not one of {', '.join(CHOICES)}")
    return vote


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
