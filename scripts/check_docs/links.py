"""Relative links lead to files, and their anchors to headings."""

from pathlib import Path
from urllib.parse import unquote

from markdown import Document, Problem


def check(document: Document) -> list[Problem]:
    """The links of a document that lead nowhere."""
    found = ((line, target, _fault(document, target)) for line, target in document.links())
    return [Problem(document.path, line, f"the link {target} {fault}") for line, target, fault in found if fault]


def _fault(document: Document, target: str) -> str | None:
    if "://" in target or target.startswith("mailto:"):
        return None
    name, _, anchor = unquote(target).partition("#")
    path = document.path.parent / name if name else document.path
    if not path.exists():
        return "leads to no file"
    if anchor and path.suffix == ".md" and anchor not in _anchors(document, path):
        return f"leads to no heading of {path.name}"
    return None


def _anchors(document: Document, path: Path) -> set[str]:
    return document.anchors() if path == document.path else Document.read(path).anchors()
