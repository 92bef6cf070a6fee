"""The methods on a CPU (and the core's worker on whatever provider): each restores frames of the clip in its turn."""

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from clip import Clip

from dloral.errors import UserError
from dloral.evaluate.baselines import make_baseline
from dloral.manifest import SCALE, read_manifest

Method = Callable[[int], float]
"""Restores as many frames, and gives the seconds that took."""
Maker = Callable[[], Method]


class MissingError(Exception):
    """What a method needs is not there; says what."""


class Worker:
    """``compare_worker``, which computes only in its turn."""

    def __init__(self, method: str, command: list[str]) -> None:
        command = [command[0], method, *command[1:]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None  # pipes were asked for
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        if self._output.readline().strip() != "ready":
            raise UserError(f"{' '.join(command)} did not start; it says why above")

    def __call__(self, frames: int) -> float:
        self._input.write(f"{frames}\n")
        self._input.flush()
        return float(self._output.readline())

    def close(self) -> None:
        """Ends the process."""
        self._input.close()
        self._process.wait()


def worker_command(root: Path, options: argparse.Namespace, path: Path, clip: Clip) -> list[str]:
    """The command of the worker, without its method; raises :class:`UserError` if it is not built."""
    program = root / "target" / "release" / "examples" / "compare_worker"
    if not program.is_file():
        raise UserError(f"there is no {program}: cargo build --release --no-default-features --example compare_worker")
    size = f"{clip.width}x{clip.height}"
    return [str(program), str(options.pack), options.provider, str(options.threads), str(path), size]


def plain_python(pack: Path, threads: int, clip: Clip) -> Method:
    """What a user of ONNX Runtime and OpenCV would write: BGR frames in, BGR frames out, every option left as it is."""
    manifest = read_manifest(pack)
    if manifest.upscaled_input or manifest.color_fix != "none":
        raise MissingError("its loop is for packs that take the frame itself and need no colour fix")
    # Behind dloral, which keeps it from reporting its use.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    providers = ["CPUExecutionProvider"]
    encoder, restorer, decoder = (
        onnxruntime.InferenceSession(pack / f"{graph}.onnx", options, providers=providers)
        for graph in ("encoder", "restorer", "decoder")
    )
    frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in clip.frames]
    factor = manifest.input_factor
    height, width = (manifest.padded(-(-side // factor)) * factor for side in (clip.height, clip.width))
    if (height // factor) * (width // factor) > manifest.restorer.tile**2 > 0:
        raise MissingError("its loop does not tile, and frames of this size need it")

    def restore(count: int) -> float:
        previous = None
        started = time.perf_counter()
        for at in range(count):
            frame = cv2.cvtColor(frames[at % len(frames)], cv2.COLOR_BGR2RGB)
            bottom, right = height - frame.shape[0], width - frame.shape[1]
            padded = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)[None]
            latent, guide = encoder.run(["latent", "guide"], {"frame": padded})
            before = previous or (latent, guide)
            inputs = {"latent": latent, "guide": guide, "latent_prev": before[0], "guide_prev": before[1]}
            inputs = {"restored": restorer.run(["restored"], inputs)[0]}
            if manifest.conditioned:
                inputs["frame"] = padded
            picture = decoder.run(["picture"], inputs)[0][0]
            cv2.cvtColor(picture[: frame.shape[0] * SCALE, : frame.shape[1] * SCALE], cv2.COLOR_RGB2BGR)
            previous = (latent, guide)
        return time.perf_counter() - started

    return restore


def ffmpeg_lanczos(path: Path, clip: Clip) -> Method:
    """FFmpeg's scaler, start of its process included; it plays the clip often enough for that not to count."""
    if shutil.which("ffmpeg") is None:
        raise MissingError("there is no program ffmpeg")
    played = 20
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{clip.width}x{clip.height}", "-i", str(path)]
    scale = ["-vf", f"scale={clip.width * SCALE}:{clip.height * SCALE}:flags=lanczos,format=rgb24"]

    def restore(count: int) -> float:
        frames = count * played
        loops = ["-stream_loop", str(-(-frames // len(clip.frames)))]
        command = ["ffmpeg", "-v", "error", *loops, *source, *scale, "-frames:v", str(frames), "-f", "null", "-"]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        return (time.perf_counter() - started) / played

    return restore


def baseline(name: str, folder: Path | None, threads: int, clip: Clip) -> Method:
    """A public upscaler that works frame by frame, from the files in ``folder``."""
    if folder is None:
        raise MissingError("--baselines was not given")
    try:
        upscale = make_baseline(name, folder, threads)
    except UserError as error:
        raise MissingError(str(error)) from error
    frames = [np.ascontiguousarray(frame) for frame in clip.frames]

    def restore(count: int) -> float:
        started = time.perf_counter()
        for at in range(count):
            upscale(frames[at % len(frames)])
        return time.perf_counter() - started

    return restore
