#!/usr/bin/env python3
"""What a pause before a piece of work costs it: CPU time of a frame behind 200 ms of sleep, and without.

    python docs/idle.py [PACK]

The graphs of a pack are called from plain Python, with threads that sleep while they wait, and beside them work that
has nothing to do with this project: where both take more CPU time behind a pause, it is the machine that is slower.
Needs onnxruntime and NumPy.
"""

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

# Or it reports its use to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

PAUSE = 0.2
ROUNDS, FRAMES = 4, 20
HEIGHT, WIDTH = 180, 320

Work = Callable[[], object]


def graphs(pack: Path, threads: int) -> Work:
    """A frame, paired with itself, through the three graphs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    encoder, restorer, decoder = (
        onnxruntime.InferenceSession(pack / f"{graph}.onnx", options, providers=["CPUExecutionProvider"])
        for graph in ("encoder", "restorer", "decoder")
    )
    frame = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)

    def work() -> object:
        latent, guide = encoder.run(None, {"frame": frame})
        pair = {"latent": latent, "guide": guide, "latent_prev": latent, "guide_prev": guide}
        return decoder.run(None, {"restored": restorer.run(None, pair)[0], "frame": frame})

    return work


def arithmetic() -> Work:
    """Sums in one small array, which stays in the first cache."""
    values = np.ones(4096, np.float32)
    return lambda: [values.sum() for _ in range(6000)]


def copies() -> Work:
    """Copies of 16 MB, which no cache of one core holds."""
    source = np.ones(2**24, np.uint8)
    target = np.empty_like(source)

    def work() -> None:
        for _ in range(12):
            np.copyto(target, source)

    return work


def measure(work: Work, pause: float) -> tuple[float, float]:
    """CPU time of one piece of work, ms, and its page faults; medians."""
    times, faults = [], []
    for _ in range(FRAMES):
        time.sleep(pause)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
        work()
        times.append((time.process_time() - started) * 1e3)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before.ru_minflt)
    return statistics.median(times), statistics.median(faults)


def main() -> None:
    """Print the table."""
    pack = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "models" / "tiny"
    works = {
        "graphs, two threads": graphs(pack, 2),
        "graphs, one thread": graphs(pack, 1),
        "sums in the first cache": arithmetic(),
        "copies of 16 MB": copies(),
    }
    print("| work | CPU ms, no pause | CPU ms behind a pause | ratio | page faults |")
    print("|---|--:|--:|--:|--:|")
    for name, work in works.items():
        measure(work, 0.0)
        rounds = [(measure(work, 0.0), measure(work, PAUSE)) for _ in range(ROUNDS)]
        plain, paused = (statistics.median(pair[at][0] for pair in rounds) for at in (0, 1))
        ratio = statistics.median(behind[0] / without[0] for without, behind in rounds)
        faults = "{:.0f} and {:.0f}".format(*(statistics.median(pair[at][1] for pair in rounds) for at in (0, 1)))
        print(f"| {name} | {plain:.1f} | {paused:.1f} | {ratio:.2f} | {faults} |", flush=True)


if __name__ == "__main__":
    main()
