"""The parts of a Markdown file that the checks read: headings, links, inline code and code blocks."""

import re
from dataclasses import dataclass, field
from pathlib import Path

MARKER = "<!-- runnable -->"

_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass
class Block:
    """A block of code: the number of its first line, its lines without indentation, and whether it is to be run."""

    line: int
    lines: list[str] = field(default_factory=list)
    runnable: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass
class Document:
    """A file; prose and code are apart, and every part knows its line."""

    path: Path
    prose: list[tuple[int, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Document":
        document = cls(path)
        document._split(path.read_text(encoding="utf-8").splitlines())
        return document

    def _split(self, lines: list[str]) -> None:
        fence = None
        before = ""
        for number, line in enumerate(lines, 1):
            if fence is not None:
                if line.strip() == fence:
                    fence, before = None, ""
                else:
                    self.blocks[-1].lines.append(line)
            elif opened := re.match(r"(```+|~~~+)", line):
                fence = opened[1]
                self.blocks.append(Block(number + 1, runnable=before == MARKER))
            elif line.startswith("    ") and self._begins_code(before, number):
                self._indented(number, line, before == MARKER)
                before = "code"
            elif line.strip():
                self.prose.append((number, line))
                before = line.strip()
            elif before not in (MARKER, "code"):
                before = ""

    def _begins_code(self, before: str, number: int) -> bool:
        """Indented lines within a paragraph or a list are prose."""
        return before in ("", MARKER) or (before == "code" and self._is_next(number))

    def _is_next(self, number: int) -> bool:
        return bool(self.blocks) and number == self.blocks[-1].line + len(self.blocks[-1].lines)

    def _indented(self, number: int, line: str, runnable: bool) -> None:
        if runnable or not self._is_next(number):
            self.blocks.append(Block(number, runnable=runnable))
        self.blocks[-1].lines.append(line[4:])

    def anchors(self) -> set[str]:
        """What follows the `#` of a link to each heading."""
        seen: dict[str, int] = {}
        anchors = set()
        for _, line in self.prose:
            if heading := _HEADING.match(line):
                anchor = slug(heading[1])
                count = seen.get(anchor, 0)
                seen[anchor] = count + 1
                anchors.add(f"{anchor}-{count}" if count else anchor)
        return anchors

    def links(self) -> list[tuple[int, str]]:
        """Targets of links and pictures, each with its line."""
        text, starts = self._joined()
        text = _CODE.sub(lambda code: re.sub(r"[^\n]", "x", code[0]), text)
        return [(starts[text.count("\n", 0, link.start())], link[1]) for link in _LINK.finditer(text)]

    def code_spans(self) -> list[tuple[int, str]]:
        """Inline code, each with its line."""
        text, starts = self._joined()
        spans = _CODE.finditer(text)
        return [(starts[text.count("\n", 0, span.start())], " ".join(span[2].split())) for span in spans]

    def _joined(self) -> tuple[str, list[int]]:
        """The prose as one text, since links run over lines, and the line of the file for each of its lines."""
        return "\n".join(line for _, line in self.prose), [number for number, _ in self.prose]


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
