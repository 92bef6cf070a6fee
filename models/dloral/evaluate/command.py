"""Measure packs and other upscalers on clips with ground truth."""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dloral.errors import UserError
from dloral.evaluate.clips import LEVELS, Clip, find_clips
from dloral.evaluate.measure import Instant, Perceptual, frame_count, measure_clip
from dloral.evaluate.methods import BICUBIC, METHODS, Method, make_method
from dloral.evaluate.pictures import write_comparison
from dloral.evaluate.scores import Row
from dloral.evaluate.table import against_bicubic, markdown, write_csv

Picture = NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    parser.add_argument("--pack", type=Path, help="model pack to measure")
    parser.add_argument("--clips", type=Path, required=True, help="folder of ground-truth clips NAME.mp4")
    parser.add_argument("--lq", type=Path, required=True, help="folder of their low-quality twins NAME.LEVEL.mp4")
    parser.add_argument("--levels", type=_names(LEVELS), default=list(LEVELS), help="levels, with commas")
    parser.add_argument("--method", type=_names(METHODS), help="of " + ",".join(METHODS) + " (default: all given)")
    parser.add_argument("--peers", type=Path, help="folder of other upscalers' files, for realesrgan, fsrcnn, espcn")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of clips, with commas")
    parser.add_argument("--max-frames", type=_positive, help="measure the first frames only, for a quick look")
    parser.add_argument("--backbone", type=Path, help="network of the perceptual distance (default: shared folder's)")
    parser.add_argument("--no-perceptual", action="store_true", help="leave out the perceptual distance (and PyTorch)")
    parser.add_argument("--csv", type=Path, help="write all numbers to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file as well")
    parser.add_argument(
        "--png", type=Path, help="write side-by-side details of each clip's middle frame to this folder"
    )
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="threads")


def run(args: argparse.Namespace) -> None:
    """Measure, print the tables and write the files that are asked for."""
    clips = find_clips(args.clips, args.lq, args.levels, args.only)
    names = _chosen_methods(args)
    methods = {name: make_method(name, pack=args.pack, peers=args.peers, threads=args.jobs) for name in names}
    perceptual = None if args.no_perceptual else load_perceptual(args.backbone)
    with _single_threaded_opencv():
        rows = _measure(args, clips, methods, perceptual)
    text = markdown(rows) + "\n\n" + "\n".join(f"- {line}" for line in against_bicubic(rows)) + "\n"
    print(text)
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.csv:
        write_csv(args.csv, rows)


def load_perceptual(backbone: Path | None) -> Perceptual:
    """The perceptual distance as a function of u8 pictures."""
    try:
        import torch

        from dloral.perceptual import PerceptualDistance
    except ModuleNotFoundError as error:
        raise UserError(
            f"the perceptual distance needs the Python package {error.name!r}: pip install it, or add --no-perceptual"
        ) from error
    # Frames are measured side by side; threads inside of each would only be in each other's way.
    torch.set_num_threads(1)
    distance = PerceptualDistance(backbone)

    def measure(pictures: list[Picture], truth: Picture) -> list[float]:
        tensors = [torch.tensor(p).permute(2, 0, 1)[None].float() / 255 for p in (*pictures, truth)]
        return distance.measure(tensors[:-1], tensors[-1])

    return measure


def _measure(
    args: argparse.Namespace, clips: list[Clip], methods: dict[str, Method], perceptual: Perceptual | None
) -> list[Row]:
    counts = {clip.name: frame_count(clip, args.max_frames) for clip in clips}
    rows: list[Row] = []
    with (
        ThreadPoolExecutor(args.jobs) as pool,
        tqdm(total=sum(counts.values()), unit="frame", disable=None) as bar,
    ):
        for clip in clips:
            bar.set_description(clip.name)

            def on_frame(instant: Instant, clip: Clip = clip) -> None:
                bar.update()
                if args.png and instant.index == counts[clip.name] // 2:
                    write_comparison(args.png, clip.name, instant)

            rows += measure_clip(
                clip, methods, pool=pool, perceptual=perceptual, max_frames=args.max_frames, on_frame=on_frame
            )
    return rows


def _chosen_methods(args: argparse.Namespace) -> list[str]:
    """Methods asked for, else those that something is given for; bicubic first, because all is compared with it."""
    names = list(args.method or [BICUBIC, "lanczos"])
    if args.method is None:
        names += ["pack"] if args.pack else []
        names += ["realesrgan"] if args.peers else []
    return list(dict.fromkeys([BICUBIC, *names]))


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _names(allowed: tuple[str, ...]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        given = text.split(",")
        if unknown := [name for name in given if name not in allowed]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(allowed)}")
        return given

    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: it has to be a whole number from 1 on")
    return int(text)
