"""The checks find what is wrong in small documents that have one fault each, and nothing in sound ones."""

import os
import tempfile
import unittest
from pathlib import Path

import element
import links
import program
import runnable
from markdown import Document, Problem, slug

INSPECTION = """\
Factory Details:
  Rank                     none (0)

Element Properties:
  model               : Name of a model pack
                        String. Default: null
  name                : The name of the object
  overload            : What to do with late frames
                           (0): auto             - as it comes
                           (1): wait             - Restore every frame

Element Signals:
  other               : not a property
"""
PROPERTIES = element.Properties.of(INSPECTION)
OPTIONS = {"--help", "--height"}


class Checks(unittest.TestCase):
    """Each on a document in a folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def document(self, text: str, name: str = "page.md") -> Document:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return Document.read(path)

    def finds(self, problems: list[Problem], line: int, text: str) -> None:
        assert [problem.line for problem in problems] == [line], problems
        assert text in problems[0].text


class Links(Checks):
    """Files and headings."""

    def test_files(self) -> None:
        self.document("# There\n", "there.md")
        assert links.check(self.document("[a](there.md) [b](https://nowhere.invalid/x)\n")) == []
        self.finds(links.check(self.document("one\n\n[a](missing.md)\n")), 3, "missing.md leads to no file")
        self.finds(links.check(self.document("[over\nlines](missing.md)\n")), 1, "no file")

    def test_headings(self) -> None:
        self.document("# Of `code` (1.0)\n\n## Twice\n\n## Twice\n", "there.md")
        sound = "# Here\n\n[a](#here) [b](there.md#of-code-10) [c](there.md#twice-1)\n"
        assert links.check(self.document(sound)) == []
        self.finds(links.check(self.document("[a](there.md#once)\n")), 1, "no heading")
        self.finds(links.check(self.document("# Here\n\n[a](#there)\n")), 3, "no heading")

    def test_code_holds_no_links_and_no_headings(self) -> None:
        assert links.check(self.document("`[a](b)`\n\n    [a](b)\n\n```\n# No\n[a](b)\n```\n")) == []
        self.finds(links.check(self.document("[a](#no)\n\n```\n# No\n```\n")), 1, "no heading")

    def test_anchors_are_github_s(self) -> None:
        assert slug("What *it* does, and `x=1`") == "what-it-does-and-x1"
        assert slug("[Link](a.md) — 2") == "link--2"


class Element(Checks):
    """Properties and their values."""

    def test_properties_are_read(self) -> None:
        assert PROPERTIES.values == {"model": set(), "name": set(), "overload": {"auto", "wait"}}

    def uses(self, text: str) -> list[Problem]:
        return element.check_uses(self.document(text), PROPERTIES)

    def test_uses(self) -> None:
        sound = (
            "Text:\n\n    gst-launch-1.0 a b=c ! dloralvsr model=x overload=wait ! d e=f\n\nand `dloralvsr name=x`.\n"
        )
        assert self.uses(sound) == []
        self.finds(self.uses("```\na ! dloralvsr colour=x ! b\n```\n"), 2, "no property colour")
        self.finds(self.uses("Text:\n\n    a ! \\\n        dloralvsr model=x tile=1 ! b\n"), 3, "no property tile")
        self.finds(self.uses("a\n\nb `dloralvsr tile=1 ! b`\n"), 3, "no property tile")
        self.finds(self.uses("    a ! dloralvsr overload=stop\n"), 1, "overload takes no stop")

    def test_all_are_documented(self) -> None:
        def missing(text: str) -> list[Problem]:
            return element.check_documented(self.document(text), PROPERTIES)

        assert missing("| `model`, `overload` | x |\n") == []
        self.finds(missing("| `model` | `overload` |\n"), 1, "property overload")


class Program(Checks):
    """Options."""

    def uses(self, text: str, name: str = "page.md") -> list[Problem]:
        return program.check_uses(self.document(text, name), OPTIONS)

    def test_uses(self) -> None:
        sound = (
            "    dloralvsr --height 1080 a b # --not-one\n    other --option\n\nand `--option`, `dloralvsr --help`.\n"
        )
        assert self.uses(sound) == []
        self.finds(self.uses("    scripts/run.sh --width 3 a b\n"), 1, "no option --width")
        self.finds(self.uses("with `dloralvsr --wide`\n"), 1, "no option --wide")
        self.finds(self.uses("with `--wide`\n", "files.md"), 1, "no option --wide")

    def test_all_are_named(self) -> None:
        def check(text: str) -> list[Problem]:
            return program.check_complete(Path("page"), text, OPTIONS)

        assert check("--help --height") == []
        assert check(".B \\-\\-help\n.B \\-\\-height") == []
        assert check("complete -l help\ncomplete -s h -l height") == []
        self.finds(check("--help"), 1, "--height is missing")
        self.finds(check("--help --height --wide"), 1, "no option --wide")


class Runnable(Checks):
    """Blocks with the marker."""

    def run_blocks(self, text: str) -> list[Problem]:
        clip = self.folder / "clip"
        clip.write_text("clip", encoding="utf-8")
        return runnable.check(self.document(text), self.folder, clip, os.environ)

    def test_marked_blocks_are_run(self) -> None:
        assert self.run_blocks("<!-- runnable -->\n\n    test -f input.mp4\n    ls videos/\n") == []
        self.finds(self.run_blocks("a\n\n<!-- runnable -->\n\n    false\n    true\n"), 5, "status 1")
        self.finds(self.run_blocks("<!-- runnable -->\n```\necho why; exit 3\n```\n"), 3, "    why")
        self.finds(self.run_blocks("<!-- runnable -->\n\n    true\n\n<!-- runnable -->\n\n    false\n"), 7, "status 1")

    def test_others_are_not(self) -> None:
        assert self.run_blocks("a:\n\n    false\n\n```\nfalse\n```\n") == []
        assert self.run_blocks("<!-- runnable -->\n\nbetween\n\n    false\n") == []


if __name__ == "__main__":
    unittest.main()
