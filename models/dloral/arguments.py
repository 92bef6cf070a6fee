"""Types of command line arguments that several commands take."""

import argparse
from collections.abc import Iterable

from dloral.errors import UserError


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: it has to be a whole number from 1 on")
    return int(text)


def refuse_given(arguments: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raise :class:`UserError` where one of the options ``names`` was given: it would not be looked at."""
    for name in names:
        if getattr(arguments, name) not in (None, ""):
            raise UserError(f"--{name.replace('_', '-')} {why}")
