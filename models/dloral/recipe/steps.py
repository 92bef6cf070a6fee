"""A recipe's file, and its lines as commands."""

import shlex
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dloral.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
"""Of this repository's recipes."""

Values = Mapping[str, Sequence[str]]
"""What the names in braces stand for: one word or several."""


@dataclass(frozen=True)
class Recipe:
    """The steps of a recipe, each a line for ``python -m dloral``, with names in braces for what the user gives."""

    name: str
    steps: tuple[str, ...]

    def names(self) -> set[str]:
        """The names in braces."""
        fields = (name for step in self.steps for _, name, _, _ in string.Formatter().parse(step))
        return {name for name in fields if name}

    def commands(self, values: Values) -> list[list[str]]:
        """The arguments of every step; ``values`` has all the names."""
        return [_arguments(step, values) for step in self.steps]


def load_recipe(given: str) -> Recipe:
    """A recipe by its name or by the path of its file; raises :class:`UserError` if it is none."""
    path = Path(given) if given.endswith(".toml") else FOLDER / f"{given}.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
        raise UserError(f"there is no recipe {given!r}: there are {known}, or give the path of a .toml file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML file: {error}") from error
    steps = table.get("steps")
    if set(table) != {"steps"} or not isinstance(steps, list) or not steps or not all(map(_is_line, steps)):
        raise UserError(f"{path} has to hold steps, a list of lines for python -m dloral, and nothing else")
    recipe = Recipe(path.stem, tuple(steps))
    try:
        recipe.commands({name: [""] for name in recipe.names()})
    except (ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path} has a line that cannot be read, with a quote or a brace too few ({error})") from error
    return recipe


def _is_line(step: object) -> bool:
    return isinstance(step, str) and bool(step.strip())


def _arguments(step: str, values: Values) -> list[str]:
    arguments: list[str] = []
    for word in shlex.split(step):
        name = word.removeprefix("{").removesuffix("}")
        if word == f"{{{name}}}":
            arguments += values[name]
        else:
            # Of a name inside a word there is one value: {out}/cache.
            arguments.append(word.format_map({name: " ".join(words) for name, words in values.items()}))
    return arguments
