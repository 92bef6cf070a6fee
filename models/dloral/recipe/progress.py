"""Which steps of a recipe are done: kept in the folder that they write to."""

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from dloral.errors import UserError

FILE = "recipe.toml"


class Progress:
    """The commands that have ended well, in order."""

    def __init__(self, folder: Path, commands: Sequence[Sequence[str]]) -> None:
        """Read what is done of ``commands``; raises :class:`UserError` if other commands were run in ``folder``."""
        self.path = folder / FILE
        self.lines = [shlex.join(command) for command in commands]
        self.done = 0
        if not self.path.exists():
            return
        try:
            done = tomllib.loads(self.path.read_text("utf-8"))["done"]
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
            raise UserError(f"{self.path} is not as python -m dloral recipe writes it ({error})") from error
        for number, line in enumerate(done):
            if self.lines[number : number + 1] != [line]:
                raise UserError(
                    f"step {number + 1} was run in {folder} as `{line}`, which is not this recipe's with these "
                    "arguments: give them as they were, or another --out"
                )
        self.done = len(done)

    def finish_step(self) -> None:
        """Remember that the next command has ended well."""
        self.done += 1
        aside = self.path.with_name(f"{FILE}.part")
        aside.write_text(tomli_w.dumps({"done": self.lines[: self.done]}), "utf-8")
        aside.rename(self.path)
