"""Restore a video on many machines with Ray (pip install ray).

    python restore_ray.py INPUT FOLDER OUTPUT --count N -- --model NAME --provider NAME [OPTIONS OF dloralvsr]

FOLDER holds the parts and is shared by all machines, and so is INPUT. The same command goes on where it was stopped.
"""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import parts
import plan as plans
import ray
from join import check_output, join
from media import UserError
from plan import Plan
from ray.exceptions import RayError

# How often a part is begun anew whose worker died.
RETRIES = 3


@ray.remote
def restore(folder: str, index: int) -> str | None:
    """Restore a part; why that could not be, if it could not."""
    try:
        parts.restore(Path(folder), index)
    except UserError as error:
        return str(error)
    return None


def restore_all(folder: Path, plan: Plan, cpus: float, gpus: float) -> None:
    """Restore the parts that are missing; raises :class:`UserError` once all the others are done."""
    missing = [index for index in range(len(plan.parts)) if not (folder / plan.name(index)).is_file()]
    progress = Progress(plan, missing)
    task = restore.options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
    waiting = {task.remote(str(folder), index): index for index in missing}
    faults = []
    while waiting:
        (done,), _ = ray.wait(list(waiting))
        index = waiting.pop(done)
        if fault := _fault(done, index):
            faults.append(fault)
            print(f"error: {fault}", file=sys.stderr)
        else:
            progress.count(index)
    if faults:
        raise UserError(f"{len(faults)} of {len(plan.parts)} parts are missing; the same command tries them again")


def _fault(done: ray.ObjectRef, index: int) -> str | None:
    try:
        return ray.get(done)
    except RayError as error:
        return f"part {index}: {str(error).strip().splitlines()[0]}"


class Progress:
    """A line for each part that is done."""

    def __init__(self, plan: Plan, missing: list[int]) -> None:
        self._plan = plan
        self._done = set(range(len(plan.parts))) - set(missing)
        self._frames = 0
        self._begun = time.monotonic()
        if self._done:
            print(f"{len(self._done)} of {len(plan.parts)} parts are there already", flush=True)

    def count(self, index: int) -> None:
        """A part has been restored."""
        self._done.add(index)
        self._frames += self._plan.parts[index].frames
        done = sum(self._plan.parts[at].frames for at in self._done)
        rate = self._frames / (time.monotonic() - self._begun)
        print(
            f"{len(self._done)} of {len(self._plan.parts)} parts, {done} of {self._plan.frames} frames, "
            f"{rate:.2f} frames/s",
            flush=True,
        )


def connect(address: str | None, cpus: int | None) -> None:
    """Join a cluster, or start Ray on this machine alone, where it listens on the loopback interface only."""
    # Workers on other machines get these scripts; the program they have installed.
    environment = {
        "working_dir": str(Path(__file__).resolve().parent),
        "env_vars": {name: os.environ[name] for name in ("DLORALVSR",) if name in os.environ},
    }
    if address:
        ray.init(address, runtime_env=environment, log_to_driver=False, logging_level="error")
    else:
        ray.init(
            num_cpus=cpus,
            runtime_env=environment,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            _node_ip_address="127.0.0.1",
        )


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
    connect(arguments.address, arguments.cpus)
    restore_all(folder, plan, arguments.cpus_per_part, arguments.gpus_per_part)
    print(f"{arguments.output}: {join(folder, arguments.output, arguments.encode)} frames")


if __name__ == "__main__":
    sys.exit(main())
