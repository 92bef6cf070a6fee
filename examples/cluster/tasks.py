"""Parts as tasks of Ray."""

import os
import sys
import time
from pathlib import Path

import parts
import ray
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
    options = {"runtime_env": environment, "log_to_driver": False, "logging_level": "error"}
    if not address:
        ray.init(num_cpus=cpus, include_dashboard=False, **options)
        return
    try:
        ray.init(address, **options)
    except (ConnectionError, RayError) as error:
        raise UserError(f"there is no Ray cluster at {address} ({error}): start it with ray start") from error
