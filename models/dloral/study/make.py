"""Makes the folder of a study: each clip as each pack restores it, and the page."""

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Never

from tqdm import tqdm

from dloral.evaluate.clips import SCALE, frame_rate, read_frames
from dloral.evaluate.no_reference import no_reference_frames
from dloral.evaluate.video import VideoWriter
from dloral.export.folder import fresh_folder
from dloral.pages import render, write_aside
from dloral.runner import PackRunner
from dloral.study.scores import RESAMPLES
from dloral.study.votes import FORMAT

MARK = "study.json"
"""What the page knows, beside it; a folder that has it is a study."""
PAGE = "index.html"
_MEDIA = "videos"


def make_study(
    folder: Path, packs: Mapping[str, Path], clips: Sequence[Path], *, max_frames: int, threads: int
) -> None:
    """Write the study to ``folder``, which may be one already.

    Videos have names that do not tell the pack. Raises :class:`UserError` if a pack or a clip cannot be read.
    """
    runners = {name: PackRunner(pack, threads=threads) for name, pack in packs.items()}
    counts = [no_reference_frames(clip, max_frames) for clip in clips]
    own, total = (MARK, PAGE, _MEDIA), sum(counts)
    with fresh_folder(folder, MARK, "a study", own) as fresh, tqdm(total=total, unit="frame", disable=None) as bar:
        (fresh / _MEDIA).mkdir()
        entries = [{"name": clip.stem, "videos": _restore(clip, runners, fresh, max_frames, bar)} for clip in clips]
        study = {"study": secrets.token_hex(8), "format": FORMAT, "packs": list(packs), "clips": entries}
        (fresh / MARK).write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
        write_aside(fresh / PAGE, render("dloral.study", "study", study=study, resamples=RESAMPLES))


def _restore(
    clip: Path, runners: Mapping[str, PackRunner], folder: Path, max_frames: int, bar: "tqdm[Never]"
) -> list[str]:
    """Addresses of the videos in the order of the packs, seen from ``folder``."""
    low = list(islice(read_frames(clip), max_frames))
    height, width = low[0].shape[:2]
    names = [f"{_MEDIA}/{secrets.token_hex(6)}.mp4" for _ in runners]
    streams = [runner.restore(low) for runner in runners.values()]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(VideoWriter(folder / name, width * SCALE, height * SCALE, frame_rate(clip)))
            for name in names
        ]
        bar.set_description(clip.stem)
        for _ in low:
            for stream, writer in zip(streams, writers, strict=True):
                writer.write(next(stream))
            bar.update()
    return names
