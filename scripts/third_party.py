"""Print the libraries that are linked into the plugin and the program, with the texts of their licences."""

import json
import subprocess
import sys
from pathlib import Path

NAMES = ("licen", "copying", "notice", "copyright", "unlicense")


def main() -> int:
    """Each text once, after the libraries that it is of."""
    arguments = ["--locked", "--no-default-features", "--features", "program", "--filter-platform", sys.argv[1]]
    command = ["cargo", "metadata", "--format-version", "1", *arguments]
    metadata = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    texts: dict[str, list[str]] = {}
    without = []
    for package in _linked(metadata):
        title = f"{package['name']} {package['version']} ({package['license']})"
        found = _texts(Path(package["manifest_path"]).parent)
        without += [] if found else [title]
        for text in found:
            texts.setdefault(text, []).append(title)
    if without:
        print("Without a text of their own:\n" + "\n".join(without) + "\n")
    for text, titles in texts.items():
        print("\n".join(titles) + f"\n\n{text}\n\n{'-' * 80}\n")
    return 0


def _linked(metadata: dict) -> list[dict]:
    """Dependencies of the crate and theirs, without those that only build."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    seen, waiting = set(), [root]
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        linked = (deps for deps in nodes[at]["deps"] if any(kind["kind"] is None for kind in deps["dep_kinds"]))
        waiting.extend(dependency["pkg"] for dependency in linked)
    packages = [package for package in metadata["packages"] if package["id"] in seen - {root}]
    return sorted(packages, key=lambda package: package["name"])


def _texts(folder: Path) -> list[str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().startswith(NAMES))
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


if __name__ == "__main__":
    sys.exit(main())
