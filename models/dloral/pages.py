"""Pages that open anywhere: one HTML file with its style and script inside, made from the templates beside a module."""

from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined


def render(package: str, name: str, **values: Any) -> str:
    """The page of the template ``NAME.html`` in ``package``, with ``NAME.css`` and all scripts beside it inside.

    What ``values`` hold is text: where the template shows it, it is escaped.
    """
    folder = resources.files(package)
    template, style = ((folder / f"{name}.{ending}").read_text(encoding="utf-8") for ending in ("html", "css"))
    scripts = sorted((file for file in folder.iterdir() if file.name.endswith(".js")), key=lambda file: file.name)
    script = "\n".join(file.read_text(encoding="utf-8") for file in scripts)
    environment = Environment(loader=BaseLoader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(template).render(style=style, script=script, **values)


def write_aside(path: Path, text: str) -> None:
    """Write a file that is whole as soon as it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.rename(path)
