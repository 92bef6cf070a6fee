"""Properties in the documentation are those of the element, and the other way round."""

import re
from dataclasses import dataclass, field

from markdown import Document, Problem

# Of every GStreamer element, or of the class that dloralvsr derives from.
INHERITED = {"name", "parent", "qos"}

_PROPERTY = re.compile(r"  ([a-z][a-z0-9-]*) +: ")
_VALUE = re.compile(r"\s+\(\d+\): (\S+)")
_USE = re.compile(r"\bdloralvsr((?:\s+[\w-]+=[^\s!]*)+)")


@dataclass
class Properties:
    """Names of properties, and the values of those that have a list of them."""

    values: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, inspection: str) -> "Properties":
        """Read what gst-inspect-1.0 prints."""
        properties = cls()
        name = None
        for line in inspection.partition("Element Properties:")[2].splitlines():
            if begun := _PROPERTY.match(line):
                name = begun[1]
                properties.values[name] = set()
            elif (value := _VALUE.match(line)) and name:
                properties.values[name].add(value[1])
            elif line and not line.startswith(" "):
                break
        return properties

    def own(self) -> set[str]:
        return set(self.values) - INHERITED

    def fault(self, name: str, value: str) -> str | None:
        if name not in self.values:
            return f"dloralvsr has no property {name}"
        known = self.values[name]
        if known and value and value not in known and not value.isdigit():
            return f"{name} takes no {value}: {', '.join(sorted(known))}"
        return None


def check_uses(document: Document, properties: Properties) -> list[Problem]:
    """Properties and values after `dloralvsr` that the element does not have."""
    problems = []
    for line, text in _pipelines(document):
        for use in _USE.finditer(text):
            for word in use[1].split():
                name, _, value = word.partition("=")
                if fault := properties.fault(name, value.strip("\"'")):
                    problems.append(Problem(document.path, line, fault))
    return problems


def _pipelines(document: Document) -> list[tuple[int, str]]:
    texts = document.code_spans()
    for block in document.blocks:
        # A line that ends in a backslash goes on in the next one.
        begun = None
        for number, line in enumerate(block.lines, block.line):
            first, text = begun or (number, "")
            begun = (first, text + line.rstrip("\\")) if line.endswith("\\") else None
            if begun is None:
                texts.append((first, text + line))
    return texts


def check_documented(document: Document, properties: Properties) -> list[Problem]:
    """Properties that no row of the document's tables begins with."""
    rows = [line.split("|")[1] for _, line in document.prose if line.startswith("|")]
    documented = set(re.findall(r"`([a-z-]+)`", " ".join(rows)))
    missing = sorted(properties.own() - documented)
    return [Problem(document.path, 1, f"the property {name} is in no table") for name in missing]
