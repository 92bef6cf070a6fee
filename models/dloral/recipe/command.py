"""Make a pack from scratch: every step of a recipe in turn; the same command continues where it stopped."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dloral.errors import UserError
from dloral.recipe.progress import Progress
from dloral.recipe.steps import Values, load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m dloral recipe``."""
    parser.add_argument("recipe", help="name in models/recipes, or path of a .toml file")
    parser.add_argument("--data", type=Path, nargs="+", help="folders of clean training clips and stills")
    parser.add_argument("--bases", type=Path, help="folder of the public restorers' ncnn files or wheels")
    parser.add_argument("--clips", type=Path, help="folder of validation clips, which are not trained on")
    parser.add_argument("--lq", type=Path, help="folder of their low-quality versions")
    parser.add_argument("--out", type=Path, required=True, help="folder of everything that is made")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, and run none")


def run(args: argparse.Namespace) -> None:
    """Run the steps that are not done yet."""
    recipe = load_recipe(args.recipe)
    values = _values(args)
    if missing := recipe.names() - set(values):
        raise UserError(f"the recipe {recipe.name} needs {', '.join(f'--{name}' for name in sorted(missing))}")
    commands = recipe.commands(values)
    if args.dry_run:
        print("\n".join(f"python -m dloral {shlex.join(command)}" for command in commands))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    progress = Progress(args.out, commands)
    while progress.done < len(commands):
        _run_step(progress.done + 1, len(commands), commands[progress.done])
        progress.finish_step()
    print(f"{args.out}: all {len(commands)} steps of {recipe.name} are done")


def _values(args: argparse.Namespace) -> Values:
    given: dict[str, Sequence[Path] | None] = {
        "data": args.data,
        "bases": args.bases and [args.bases],
        "clips": args.clips and [args.clips],
        "lq": args.lq and [args.lq],
        "out": [args.out],
    }
    return {name: [str(path) for path in paths] for name, paths in given.items() if paths}


def _run_step(number: int, count: int, command: Sequence[str]) -> None:
    """A process of its own: one step's threads and memory are none of the next one's."""
    print(f"== step {number} of {count}: {shlex.join(command)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "dloral", *command], check=False).returncode
    if status != 0:
        raise UserError(f"step {number} of {count} ended with status {status}: the same command goes on with it")
