"""The page itself: tables, plots and clips."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dloral.evaluate.bootstrap import Interval
from dloral.evaluate.report.collect import JPEG_QUALITY, LOOP_SIDE, ClipView
from dloral.evaluate.report.plots import Axis, Point, scatter
from dloral.evaluate.report.speed import FRAMES, Speed
from dloral.evaluate.scores import GROUND_TRUTH, MEASURES, Row, mean_rows
from dloral.evaluate.table import KEPT_LEVEL, against_bicubic, interval_cells
from dloral.pages import render, write_aside

QUALITY = ("haarpsi", "psnr", "flicker")
"""The first of these that was measured stands for quality."""


@dataclass(frozen=True)
class Table:
    """Headings and cells, as text."""

    title: str
    headings: list[str]
    lines: list[list[str]]


@dataclass(frozen=True)
class Plot:
    """A title and an SVG element."""

    title: str
    svg: str


def write_report(
    path: Path,
    rows: Sequence[Row],
    views: Sequence[ClipView],
    speed: Speed,
    intervals: Mapping[tuple[str, str], Mapping[str, Interval]],
    reference: str,
) -> None:
    """Write the page to ``path``; ``intervals`` are differences from the method ``reference``, and may be empty."""
    levels = list(dict.fromkeys(row.level for row in rows))
    page = render(
        "dloral.evaluate.report",
        "report",
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        methods=[name for name in dict.fromkeys(row.method for row in rows) if name != GROUND_TRUTH],
        levels=levels,
        open=KEPT_LEVEL if KEPT_LEVEL in levels else levels[0],
        means={
            level: _table("Means over the clips", (r for r in mean_rows(rows) if r.level == level)) for level in levels
        },
        clips={level: _table("Clip by clip", (row for row in rows if row.level == level)) for level in levels},
        differences={level: _differences(intervals, level, reference) for level in levels},
        sentences={level: against_bicubic([row for row in rows if row.level == level]) for level in levels},
        plots={level: plots([row for row in mean_rows(rows) if row.level == level], speed) for level in levels},
        views={level: [view for view in views if view.level == level] for level in levels},
        speed=speed,
        timed=FRAMES,
        loop_side=LOOP_SIDE,
        jpeg_quality=JPEG_QUALITY,
        truth=GROUND_TRUTH,
    )
    write_aside(path, page)


def plots(means: Sequence[Row], speed: Speed) -> list[Plot]:
    """Of one level: quality against speed, and E*warp against sharpness where there is ground truth."""
    drawn = []
    measure = next(
        (m for key in QUALITY for m in MEASURES if m.key == key and any(key in r.values for r in means)), None
    )
    if measure:
        points = [
            Point(row.method, speed.milliseconds[row.method], row.values[measure.key])
            for row in means
            if row.method in speed.milliseconds and measure.key in row.values
        ]
        svg = scatter(points, Axis("milliseconds a frame", log=True), Axis(measure.heading))
        drawn.append(Plot("Quality against speed", svg))
    steady = [
        Point(row.method, row.values["sharpness"], row.values["warp_error"])
        for row in means
        if {"sharpness", "warp_error"} <= row.values.keys()
    ]
    if steady:
        drawn.append(Plot("E*warp against sharpness", scatter(steady, Axis("sharpness"), Axis("E*warp ↓"))))
    return drawn


def _table(title: str, rows: Iterable[Row]) -> Table:
    kept = list(rows)
    used = [measure for measure in MEASURES if any(measure.key in row.values for row in kept)]
    lines = [
        [row.clip, row.method, *(f"{row.values[m.key]:.{m.digits}f}" if m.key in row.values else "-" for m in used)]
        for row in kept
    ]
    return Table(title, ["clip", "method", *(measure.heading for measure in used)], lines)


def _differences(
    intervals: Mapping[tuple[str, str], Mapping[str, Interval]], level: str, reference: str
) -> Table | None:
    of_level = {method: values for (at, method), values in intervals.items() if at == level}
    if not of_level:
        return None
    headings, lines = interval_cells(of_level)
    return Table(f"Differences from {reference} with their 95 % intervals", headings, lines)
