"""Options in the documentation are those of the program `dloralvsr`, and the other way round."""

import re
from pathlib import Path

from markdown import Document, Problem

# In these files an option that stands by itself is one of the program's.
ABOUT_THE_PROGRAM = {"files.md"}

_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*)")
_COMMAND = re.compile(r"(?:\w+=\S* )*(?:\S*/)?(?:dloralvsr|run\.sh)\s+(.*)")


def options_of(text: str) -> set[str]:
    """The long options that a text names."""
    return set(_OPTION.findall(text))


def check_uses(document: Document, known: set[str]) -> list[Problem]:
    """Options after `dloralvsr` that the program does not have."""
    commands = [(line, text) for line, text in _commands(document) if text]
    unknown = [(line, option) for line, text in commands for option in sorted(options_of(text) - known)]
    return [Problem(document.path, line, f"dloralvsr has no option {option}") for line, option in unknown]


def _commands(document: Document) -> list[tuple[int, str | None]]:
    lines = [(block.line + at, line) for block in document.blocks for at, line in enumerate(block.lines)]
    commands = [(line, _arguments(text.partition(" #")[0])) for line, text in [*lines, *document.code_spans()]]
    if document.path.name in ABOUT_THE_PROGRAM:
        commands += [(line, text) for line, text in document.code_spans() if text.startswith("--")]
    return commands


def _arguments(command: str) -> str | None:
    found = _COMMAND.match(command)
    return found[1] if found else None


def check_complete(path: Path, text: str, known: set[str]) -> list[Problem]:
    """Options that a manual page or completion does not name, and those that it names wrongly."""
    # fish writes them as `-l name`, roff as `\-\-name`.
    named = options_of(re.sub(r"(?<=\s)-l (?=[a-z])", "--", text.replace("\\-", "-")))
    missing = [Problem(path, 1, f"the option {option} is missing") for option in sorted(known - named)]
    return missing + [Problem(path, 1, f"dloralvsr has no option {option}") for option in sorted(named - known)]
