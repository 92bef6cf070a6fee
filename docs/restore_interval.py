#!/usr/bin/env python3
"""What restore-interval and temporal-blend do to the quality: the tables of docs/live.md.

Frames go through the element itself, with each setting; the measures are those of `dloral evaluate`.

    python docs/restore_interval.py CLIPS/val CLIPS/val-lq MODEL FRAMES [INTERVAL[:BLEND]...]

Needs the package dloral with its extra `evaluate`, and the built plugin in GST_PLUGIN_PATH.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import cv2
import numpy as np

from dloral.evaluate.clips import Picture, find_clips
from dloral.evaluate.measure import measure_clip
from dloral.evaluate.methods import BICUBIC, SCALE, Method, make_method
from dloral.evaluate.table import markdown

LEVEL = "medium"
RATE = 25


def main(truths: Path, degraded: Path, model: str, count: int, settings: list[str]) -> None:
    """Print the tables of all clips and their mean."""
    cv2.setNumThreads(1)
    methods = {BICUBIC: make_method(BICUBIC, packs={}, baselines=None, threads=1)}
    methods |= {setting: element(model, setting) for setting in settings}
    rows = []
    with ThreadPoolExecutor(1) as pool:
        for clip in find_clips(truths, degraded, [LEVEL]):
            rows += measure_clip(clip, methods, pool=pool, distances={}, max_frames=count)
    print(markdown(rows))


def element(model: str, setting: str) -> Method:
    """The element, as a method, with a restore interval and perhaps a blend."""
    interval, _, blend = setting.partition(":")

    def restore(frames: Iterable[Picture]) -> Iterator[Picture]:
        frames = list(frames)
        height, width, _ = frames[0].shape
        # Rows of frames lie close together, and not rounded up to four bytes.
        rows = f"plane-strides=<{width * 3}> plane-offsets=<0>"
        parse = f"rawvideoparse format=rgb width={width} height={height} framerate={RATE}/1 {rows}"
        vsr = f"dloralvsr model={model} execution-provider=cpu restore-interval={interval} temporal-blend={blend or 0}"
        line = f"fdsrc blocksize={width * height * 3} ! {parse} ! {vsr} ! fdsink"
        command = ["gst-launch-1.0", "-q", *line.split()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            stdin, stdout = process.stdin, process.stdout
            assert stdin is not None
            assert stdout is not None

            def feed() -> None:
                with stdin:
                    for frame in frames:
                        stdin.write(frame.tobytes())

            feeder = Thread(target=feed)
            feeder.start()
            for _ in frames:
                data = stdout.read(width * height * 3 * SCALE**2)
                yield np.frombuffer(data, np.uint8).reshape(height * SCALE, width * SCALE, 3)
            feeder.join()

    return restore


if __name__ == "__main__":
    truths, degraded, model, count, *given = sys.argv[1:]
    main(Path(truths), Path(degraded), model, int(count), given or ["1", "2", "4"])
