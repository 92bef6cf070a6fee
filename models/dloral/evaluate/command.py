"""Measure packs and other upscalers on clips, with ground truth or without."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Never

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dloral.arguments import positive
from dloral.errors import UserError
from dloral.evaluate.bootstrap import differences
from dloral.evaluate.clips import LEVELS, Clip, find_clips, find_no_reference, read_frames
from dloral.evaluate.distances import load_distances
from dloral.evaluate.measure import Distance, Instant, frame_count, measure_clip
from dloral.evaluate.methods import BICUBIC, METHODS, PACK, SELF_PAIRED, Method, make_method, name_packs, self_paired
from dloral.evaluate.no_reference import measure_no_reference, no_reference_frames
from dloral.evaluate.reading import markdown as text_table
from dloral.evaluate.reading import read_text, require_tools
from dloral.evaluate.report.page import write_report
from dloral.evaluate.report.speed import FRAMES as TIMED
from dloral.evaluate.report.speed import Speed, measure_speed
from dloral.evaluate.scores import Row
from dloral.evaluate.table import KEPT_LEVEL, against_bicubic, kept_figures, markdown, with_intervals, write_csv
from dloral.evaluate.visualisation import Visualisations
from dloral.packs import find_pack
from dloral.quality import write_quality

Picture = NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    parser.add_argument("--pack", nargs="+", default=[], help="model packs to measure, by name or folder")
    parser.add_argument(
        "--clips", type=Path, help="folder of ground-truth clips NAME.mp4 (without: E*warp and flicker only)"
    )
    parser.add_argument(
        "--lq", type=Path, required=True, help="folder of their low-quality versions NAME.LEVEL.mp4, or of any clips"
    )
    parser.add_argument("--levels", type=_names(LEVELS), default=list(LEVELS), help="levels, with commas")
    parser.add_argument("--method", type=_names(METHODS), help="of " + ",".join(METHODS) + " (default: all given)")
    parser.add_argument("--baselines", type=Path, help="folder of other upscalers' files: realesrgan, fsrcnn, espcn")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of clips, with commas")
    parser.add_argument("--max-frames", type=positive, help="measure the first frames only, for a quick look")
    parser.add_argument("--backbone", type=Path, help="network of the perceptual distance (default: shared folder's)")
    parser.add_argument("--no-perceptual", action="store_true", help="leave out the perceptual distance (and PyTorch)")
    parser.add_argument(
        "--squeezenet", type=Path, help="compressed_SqueezeNet.net: adds the distance of a network that no loss uses"
    )
    parser.add_argument(
        "--quality", type=Path, help="write the figures that a pack keeps to this file, for export's and quantise's"
    )
    parser.add_argument("--csv", type=Path, help="write all numbers to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file as well")
    parser.add_argument(
        "--png", type=Path, help="write details of each clip's middle frame and temporal profiles to this folder"
    )
    parser.add_argument("--row", type=int, help="row of the temporal profiles (default: a detailed one)")
    parser.add_argument(
        "--html", type=Path, help="write one page with tables, plots, sliders and videos to this file; it times methods"
    )
    parser.add_argument(
        "--text", action="store_true", help="read small moving text with tesseract, of clips that are made for it"
    )
    parser.add_argument("--video", type=Path, help="write side-by-side videos to this folder")
    parser.add_argument(
        "--bootstrap", type=positive, metavar="N", help="add 95 %% intervals from N resamples of clips and frames"
    )
    parser.add_argument("--against", help="method that intervals are against (default: the first of several packs)")
    parser.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="threads")


def run(args: argparse.Namespace) -> None:
    """Measure, print the tables and write the files that are asked for."""
    packs = name_packs([find_pack(pack) for pack in args.pack]) if args.pack else {}
    names = _chosen_methods(args, packs)
    against = _reference(args, names, packs)
    if args.quality and (len(packs) != 1 or args.clips is None or KEPT_LEVEL not in args.levels):
        raise UserError(f"--quality keeps one pack's figures at level {KEPT_LEVEL}: give --clips and one --pack")
    if args.html and args.html.is_dir():
        raise UserError(f"--html {args.html} is a folder: give a file, such as {args.html / 'report.html'}")
    if args.text:
        require_tools()
    clips = None if args.clips is None else find_clips(args.clips, args.lq, args.levels, args.only)
    without_truth = find_no_reference(args.lq, args.only) if clips is None else []
    methods = {name: make_method(name, packs=packs, baselines=args.baselines, threads=args.jobs) for name in names}
    distances = (
        {} if clips is None else load_distances(args.backbone, args.squeezenet, perceptual=not args.no_perceptual)
    )
    speed = _speed(methods, _first_input(clips, without_truth), args.jobs) if args.html else None
    visualisations = Visualisations(args.png, args.video, args.row, page=args.html is not None)
    with _single_threaded_opencv():
        if clips is None:
            rows = _measure_no_reference(args, without_truth, methods, visualisations)
        else:
            rows = _measure(args, clips, methods, distances, visualisations)
    text = markdown(rows) + "\n\n" + "\n".join(f"- {line}" for line in against_bicubic(rows)) + "\n"
    intervals = differences(rows, against, args.bootstrap) if args.bootstrap else {}
    if intervals:
        text += "\n" + with_intervals(intervals, against) + "\n"
    if args.text:
        text += "\n" + text_table(read_text(methods))
    print(text)
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.csv:
        write_csv(args.csv, rows)
    if speed:
        write_report(args.html, rows, visualisations.views, speed, intervals, against)
    if args.quality:
        write_quality(args.quality, kept_figures(rows, next(iter(packs))))


def _measure(
    args: argparse.Namespace,
    clips: list[Clip],
    methods: dict[str, Method],
    distances: dict[str, Distance],
    visualisations: Visualisations,
) -> list[Row]:
    counts = [frame_count(clip, args.max_frames) for clip in clips]
    rows: list[Row] = []
    with ThreadPoolExecutor(args.jobs) as pool, tqdm(total=sum(counts), unit="frame", disable=None) as bar:
        for clip, count in zip(clips, counts, strict=True):
            with _watched(visualisations, bar, clip.name, clip.truth, count) as on_frame:
                rows += measure_clip(
                    clip, methods, pool=pool, distances=distances, max_frames=args.max_frames, on_frame=on_frame
                )
    return rows


def _measure_no_reference(
    args: argparse.Namespace, clips: list[Path], methods: dict[str, Method], visualisations: Visualisations
) -> list[Row]:
    counts = [no_reference_frames(path, args.max_frames) for path in clips]
    rows: list[Row] = []
    with ThreadPoolExecutor(args.jobs) as pool, tqdm(total=sum(counts), unit="frame", disable=None) as bar:
        for path, count in zip(clips, counts, strict=True):
            with _watched(visualisations, bar, path.stem, path, count) as on_frame:
                rows += measure_no_reference(path, methods, pool=pool, max_frames=args.max_frames, on_frame=on_frame)
    return rows


@contextmanager
def _watched(
    visualisations: Visualisations, bar: "tqdm[Never]", name: str, source: Path, frames: int
) -> Iterator[Callable[[Instant], None]]:
    """What is called for every frame of a clip: it moves the bar and writes what is there to be seen."""
    bar.set_description(name)
    with visualisations.of_clip(name, source, frames) as clip_sights:

        def on_frame(instant: Instant) -> None:
            bar.update()
            clip_sights.add(instant)

        yield on_frame


def _first_input(clips: Sequence[Clip] | None, without_truth: Sequence[Path]) -> Path:
    return without_truth[0] if clips is None else next(iter(clips[0].low_quality.values()))


def _speed(methods: Mapping[str, Method], path: Path, threads: int) -> Speed:
    return measure_speed(methods, list(islice(read_frames(path), TIMED + 1)), path.stem, threads)


def _chosen_methods(args: argparse.Namespace, packs: Mapping[str, Path]) -> list[str]:
    """Methods asked for, else those that something is given for; bicubic first, because all is compared with it.

    ``pack`` stands for all the packs, and ``self_paired`` for all of them as well.
    """
    given = {PACK: packs, "realesrgan": args.baselines}
    names = args.method or [BICUBIC, "lanczos", *(name for name, value in given.items() if value)]
    of_packs = {PACK: list(packs), SELF_PAIRED: [self_paired(pack) for pack in packs]} if packs else {}
    spread = [method for name in names for method in of_packs.get(name, [name])]
    return list(dict.fromkeys([BICUBIC, *spread]))


def _reference(args: argparse.Namespace, names: Sequence[str], packs: Mapping[str, Path]) -> str:
    reference = args.against or (next(iter(packs)) if len(packs) > 1 else BICUBIC)
    if reference not in names:
        raise UserError(f"--against {reference}: measured are {', '.join(names)}")
    return str(reference)


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
