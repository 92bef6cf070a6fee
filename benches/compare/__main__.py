"""Time dloralvsr's core beside what else there is, on the same clip, in turns, in one run.

From the root of the repository, with the package ``dloral`` installed and nothing else running:

    cargo build --release --no-default-features --example compare_worker
    python benches/compare --baselines ../shared/peers --json compare.json

Every method restores the same frames, some at a time, and then the next method has its turn; a round is one turn of
each. Printed are the median of each method's milliseconds per frame, and the median over the rounds of its time over
that of the floor (the pack's graphs alone) in the same round, which a machine that others use disturbs least.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import clip
import torch_baselines
import upscalers

from dloral.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
FLOOR = "graphs alone (floor)"


def main() -> int:
    """Compare at every size; the exit status."""
    options = _parse()
    results = []
    try:
        for size in options.size:
            width, height = (int(side) for side in size.split("x"))
            frames = _clip(options, width, height)
            results.append(_compare(options, frames))
            _print(results[-1])
    except UserError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def _clip(options: argparse.Namespace, width: int, height: int) -> clip.Clip:
    if options.clip is None:
        return clip.draw(width, height, options.clip_frames)
    return clip.read(options.clip, width, height, options.clip_frames)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/compare", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--size", nargs="+", default=["160x90", "320x180", "640x360"], help="WIDTHxHEIGHT of the frames"
    )
    parser.add_argument("--pack", type=Path, default=ROOT / "models" / "tiny")
    parser.add_argument("--provider", choices=["cpu", "cuda", "tensorrt"], default="cpu", help="of the core and floor")
    parser.add_argument("--threads", type=int, default=0, help="of every method; 0: all cores")
    parser.add_argument("--clip", type=Path, help="a video, read by FFmpeg's program; without it one is drawn")
    parser.add_argument("--clip-frames", type=int, default=24, help="of the clip, which is played again and again")
    parser.add_argument("--frames", type=int, default=12, help="of one turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--baselines", type=Path, help="folder of FSRCNN, ESPCN and Real-ESRGAN")
    parser.add_argument("--without", nargs="+", default=[], metavar="NAME", help="methods to leave out")
    parser.add_argument("--torch", action="store_true", help="the Stable Diffusion 2.1 baselines too (needs a GPU)")
    parser.add_argument("--json", type=Path, help="write the results to this file too")
    return parser.parse_args()


def _compare(options: argparse.Namespace, frames: clip.Clip) -> dict[str, object]:
    methods: dict[str, upscalers.Method] = {}
    left_out: dict[str, str] = {}

    def add(name: str, make: upscalers.Maker) -> None:
        if name in options.without:
            left_out[name] = "asked for by --without"
            return
        try:
            methods[name] = make()
        except upscalers.MissingError as missing:
            left_out[name] = str(missing)

    with frames.on_disk() as path:
        worker = upscalers.worker_command(ROOT, options, path, frames)
        add(FLOOR, lambda: upscalers.Worker("floor", worker))
        add("dloralvsr core", lambda: upscalers.Worker("core", worker))
        add("dloralvsr, two frames in flight", lambda: upscalers.Worker("pipelined", worker))
        add("plain Python", lambda: upscalers.plain_python(options.pack, options.threads, frames))
        add("FFmpeg lanczos", lambda: upscalers.ffmpeg_lanczos(path, frames))
        for name in ("fsrcnn", "espcn", "realesrgan"):
            add(name, lambda name=name: upscalers.baseline(name, options.baselines, options.threads, frames))
        if options.torch:
            add("PyTorch, reference", lambda: torch_baselines.reference(frames))
            add("PyTorch, best", lambda: torch_baselines.best(frames))
        for method in methods.values():
            method(2)
        times: dict[str, list[float]] = {name: [] for name in methods}
        for _ in range(options.rounds):
            for name, method in methods.items():
                times[name].append(method(options.frames) / options.frames)
        for method in methods.values():
            if isinstance(method, upscalers.Worker):
                method.close()
    return {
        "size": [frames.width, frames.height],
        "provider": options.provider,
        "rounds": options.rounds,
        "frames_per_turn": options.frames,
        "methods": {name: _summary(values, times.get(FLOOR)) for name, values in times.items()},
        "left_out": left_out,
    }


def _summary(seconds: list[float], floor: list[float] | None) -> dict[str, float | None]:
    ratios = [own / of for own, of in zip(seconds, floor, strict=True)] if floor else []
    return {
        "ms_per_frame": statistics.median(seconds) * 1e3,
        "frames_per_second": 1 / statistics.median(seconds),
        "times_the_floor": statistics.median(ratios) if ratios else None,
    }


def _print(result: dict[str, object]) -> None:
    width, height = result["size"]  # type: ignore[misc]
    print(f"\n{width}x{height}, {result['rounds']} rounds of {result['frames_per_turn']} frames\n")
    print(f"| {'method':24} | ms a frame | frames/s | times the floor |\n|{'-' * 26}|--:|--:|--:|")
    for name, row in result["methods"].items():  # type: ignore[attr-defined]
        ratio = "" if row["times_the_floor"] is None else f"{row['times_the_floor']:.3f}"
        print(f"| {name:24} | {row['ms_per_frame']:10.2f} | {row['frames_per_second']:8.1f} | {ratio:>15} |")
    for name, reason in result["left_out"].items():  # type: ignore[attr-defined]
        print(f"{name} was left out: {reason}")


if __name__ == "__main__":
    sys.exit(main())
