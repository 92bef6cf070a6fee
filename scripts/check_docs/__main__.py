"""Check the documentation against the files, the element and the program."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import element
import links
import program
import runnable
from markdown import Document, Problem

PATTERNS = (
    "README.md",
    "CHANGELOG.md",
    "docs/*.md",
    "examples/README.md",
    "examples/*/README.md",
    "measurements/*.md",
    "models/README.md",
    "models/*/MODEL_CARD.md",
)
# Its tables name every property of the element.
PROPERTIES = "docs/element.md"
# Each names every option of the program.
COMPLETE = ("packaging/dloralvsr.1", "packaging/completions/*")
DEMO = "examples/demo/demo.mp4"


def main() -> int:
    """Print what is wrong; the status is 1 where something is."""
    arguments = _arguments()
    root = Path(__file__).resolve().parents[2]
    documents = [Document.read(path) for pattern in PATTERNS for path in sorted(root.glob(pattern))]
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(arguments.built.resolve(), folder)
        problems = _read(documents, root, environment)
        if not arguments.no_run:
            problems += _run(documents, root, Path(folder), environment)
    for problem in problems:
        print(problem, file=sys.stderr)
    blocks = sum(block.runnable for document in documents for block in document.blocks)
    print(f"{len(documents)} documents, {blocks} runnable blocks, {len(problems)} problems")
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/check_docs.sh", description=__doc__)
    parser.add_argument("--built", type=Path, required=True, help="folder of the plugin and the program")
    parser.add_argument("--no-run", action="store_true", help="leave out the blocks that are marked as runnable")
    return parser.parse_args()


def _environment(built: Path, folder: str) -> dict[str, str]:
    """The plugin that was built, and no other: a registry of its own."""
    return os.environ | {
        "PATH": f"{built}{os.pathsep}{os.environ['PATH']}",
        "GST_PLUGIN_PATH": str(built),
        "GST_REGISTRY": f"{folder}/registry.bin",
    }


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def _read(documents: list[Document], root: Path, environment: dict[str, str]) -> list[Problem]:
    properties = element.Properties.of(_said(["gst-inspect-1.0", "dloralvsr"], environment))
    if not properties.own():
        sys.exit("error: gst-inspect-1.0 names no property of dloralvsr: was the plugin built?")
    options = program.options_of(_said(["dloralvsr", "--help"], environment))
    problems = []
    for document in documents:
        problems += links.check(document)
        problems += element.check_uses(document, properties)
        problems += program.check_uses(document, options)
    for path in (path for pattern in COMPLETE for path in sorted(root.glob(pattern))):
        problems += program.check_complete(path, path.read_text(encoding="utf-8"), options)
    return problems + element.check_documented(Document.read(root / PROPERTIES), properties)


def _run(documents: list[Document], root: Path, folder: Path, environment: dict[str, str]) -> list[Problem]:
    clip = folder / "clip.mp4"
    # Some frames of it are enough; four times this size is the 1080 lines that a block asks for.
    cut = ["-t", "0.4", "-vf", "scale=480:270", "-c:v", "libx264", "-c:a", "copy"]
    command = ["ffmpeg", "-v", "error", "-i", str(root / DEMO), *cut, str(clip)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    return [problem for document in documents for problem in runnable.check(document, root, clip, environment)]


if __name__ == "__main__":
    sys.exit(main())
