"""Restore a video on many machines with Ray (docs/scale.md says how it is installed).

    python restore_ray.py INPUT FOLDER OUTPUT --count N -- --model NAME --provider NAME [OPTIONS OF dloralvsr]

FOLDER holds the parts and is shared by all machines, and so is INPUT. The same command goes on where it was stopped.
"""

import argparse
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import parts
import plan as plans
from join import check_output, join
from media import UserError


def main() -> int:
    """The command line."""
    words, options = parts.command_line()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=parts.positive, required=True, help="number of parts")
    parser.add_argument("--cpus-per-part", type=float, default=1, help="CPUs that Ray reserves for a part")
    parser.add_argument("--gpus-per-part", type=float, default=0, help="GPUs that Ray reserves for a part")
    parser.add_argument("--address", help="of a Ray cluster; without it Ray is started on this machine alone")
    parser.add_argument("--cpus", type=parts.positive, help="CPUs of this machine to use, without --address")
    parser.add_argument("--encode", type=shlex.split, default=[], help="FFmpeg's options of the video's encoder")
    arguments = parser.parse_args(words)
    return parts.told(lambda: _restore(arguments, options))


def _restore(arguments: argparse.Namespace, options: list[str]) -> None:
    check_output(arguments.output, arguments.encode)
    folder = arguments.folder.resolve()
    plan = plans.make(arguments.input, arguments.count, options)
    plans.store(plan, folder)
    _prepare(alone=arguments.address is None)
    import tasks

    tasks.connect(arguments.address, arguments.cpus)
    tasks.restore_all(folder, plan, arguments.cpus_per_part, arguments.gpus_per_part)
    print(f"{arguments.output}: {join(folder, arguments.output, arguments.encode)} frames")


def _prepare(*, alone: bool) -> None:
    """Set what Ray reads when it is imported."""
    if find_spec("ray") is None:
        raise UserError(
            "this Python has no Ray: python3 -m venv ray && ray/bin/pip install ray, on every machine in the same "
            "version; then ray/bin/python in place of python3"
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if alone:
        # Meant for other systems; it makes Ray listen on the loopback interface only, where 127.0.0.1 as the node's
        # address does not.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


if __name__ == "__main__":
    sys.exit(main())
