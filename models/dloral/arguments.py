"""Types of command line arguments that several commands take."""

import argparse


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: it has to be a whole number from 1 on")
    return int(text)
