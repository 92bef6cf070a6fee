"""The command line ``python -m dloral COMMAND …``.

A command is a module with a docstring (its first line is the help text), ``add_arguments(parser)`` and ``run(args)``.
Only the module of the command that is called gets imported, so that each needs no more than its own dependencies.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

from dloral.errors import UserError


class Command(NamedTuple):
    """Where a command is, which extra of ``pyproject.toml`` it needs, and one line of help."""

    module: str
    extra: str
    help: str


COMMANDS = {
    "evaluate": Command("dloral.evaluate.command", "evaluate", "measure packs and other upscalers on clips"),
    "study": Command("dloral.study.command", "evaluate", "let people compare packs blindly"),
    "train": Command("dloral.train.command", "train", "train a model"),
    "export": Command("dloral.export.command", "train", "export a trained model as a pack"),
    "skeleton": Command(
        "dloral.skeleton.command", "train", "take the weights out of a pack, or fill them in at random"
    ),
    "quantise": Command("dloral.export.quantise", "train", "give a pack a form in 8 bits"),
    "weights": Command("dloral.train.weights_command", "train", "keep a run's averaged weights alone, in a small file"),
    "inspect": Command("dloral.export.inspect", "train", "show what is in a pack"),
    "base": Command("dloral.bases.command", "bases", "make a base out of a public restorer, or of a run"),
    "recipe": Command("dloral.recipe.command", "train", "make a pack from scratch, step by step"),
    "teach": Command("dloral.teacher.command", "bases", "make the cache of a teacher's output"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0, or 1 after an error that was printed)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser()
    if given and given[0] in COMMANDS:
        module = _import(parser, given[0])
        module.add_arguments(commands[given[0]])
        args = parser.parse_args(given)
        try:
            module.run(args)
        except (UserError, OSError) as error:
            print(f"dloral {given[0]}: {error}", file=sys.stderr)
            return 1
        return 0
    parser.parse_args(given)
    return 0


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(prog="python -m dloral", description="The models of the element dloralvsr.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    return parser, {
        name: subparsers.add_parser(
            name,
            help=command.help,
            description=command.help,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        for name, command in COMMANDS.items()
    }


def _import(parser: argparse.ArgumentParser, name: str) -> ModuleType:
    command = COMMANDS[name]
    try:
        return importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "dloral":
            raise
        parser.error(
            f"{name} needs the Python package {error.name!r}, which is not installed: "
            f"in a checkout, pip install -e 'models[{command.extra}]'"
        )
