"""Tables of results: Markdown to read, CSV to work on."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dloral.evaluate.bootstrap import RELATIVE, Interval
from dloral.evaluate.methods import BICUBIC
from dloral.evaluate.scores import GROUND_TRUTH, MEASURES, Measure, Row, mean_rows

KEPT_LEVEL = "medium"
KEPT = ("haarpsi", "gmsd", "ssim", "psnr", "tof", "perceptual")
"""Figures that go into a pack's manifest."""


def markdown(rows: Sequence[Row]) -> str:
    """One table per level, the means first, then clip by clip."""
    levels = list(dict.fromkeys(row.level for row in rows))
    parts = []
    for level in levels:
        of_level = [row for row in rows if row.level == level]
        parts.append(f"### {level}\n\n{_table([*mean_rows(of_level), *of_level])}")
    return "\n\n".join(parts)


def against_bicubic(rows: Iterable[Row]) -> list[str]:
    """For each level and method a sentence: the means compared with bicubic's."""
    means = mean_rows(rows)
    plain = {row.level: row.values for row in means if row.method == BICUBIC}
    return [
        f"{row.level}, {row.method} against {BICUBIC}: " + ", ".join(_differences(row.values, plain[row.level]))
        for row in means
        if row.method not in (BICUBIC, GROUND_TRUTH) and row.level in plain
    ]


def with_intervals(intervals: Mapping[tuple[str, str], Mapping[str, Interval]], reference: str) -> str:
    """One table per level: differences of the methods' means from ``reference``'s, with their 95 % intervals."""
    parts = []
    for level in dict.fromkeys(level for level, _ in intervals):
        of_level = {method: values for (at, method), values in intervals.items() if at == level}
        headings, lines = interval_cells(of_level)
        rule = ["---", *("--:" for _ in headings[1:])]
        table = "\n".join("| " + " | ".join(line) + " |" for line in [headings, rule, *lines])
        parts.append(f"### {level}, against {reference} (95 % intervals)\n\n{table}")
    return "\n\n".join(parts)


def interval_cells(methods: Mapping[str, Mapping[str, Interval]]) -> tuple[list[str], list[list[str]]]:
    """Headings and lines of one level's table: method -> measure -> difference."""
    used = [measure for measure in MEASURES if any(measure.key in values for values in methods.values())]
    lines = [[method, *(_interval(values, measure) for measure in used)] for method, values in methods.items()]
    return ["method", *(_difference_heading(measure) for measure in used)], lines


def _difference_heading(measure: Measure) -> str:
    return f"{measure.heading.removesuffix(' px')} %" if measure.key in RELATIVE else measure.heading


def _interval(values: Mapping[str, Interval], measure: Measure) -> str:
    if measure.key not in values:
        return "-"
    value, digits = values[measure.key], 1 if measure.key in RELATIVE else measure.digits
    return f"{value.value:+.{digits}f} [{value.low:+.{digits}f}, {value.high:+.{digits}f}]"


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """All rows, then the means, with full precision; a measure that does not apply is an empty cell."""
    aside = path.with_name(f"{path.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "level", "method", "frames", *(measure.key for measure in MEASURES)])
        for row in [*rows, *mean_rows(rows)]:
            cells = [row.values.get(measure.key, "") for measure in MEASURES]
            writer.writerow([row.clip, row.level, row.method, row.frames, *cells])
    aside.rename(path)


def kept_figures(rows: Iterable[Row], pack: str) -> Iterator[tuple[str, float, int]]:
    """Name, value and digits of the means that a pack keeps, its own and bicubic's."""
    means = {row.method: row.values for row in mean_rows(rows) if row.level == KEPT_LEVEL}
    for measure in MEASURES:
        if measure.key in KEPT and measure.key in means[pack]:
            yield f"{measure.key}_{KEPT_LEVEL}", means[pack][measure.key], measure.digits
            yield f"{measure.key}_{KEPT_LEVEL}_bicubic", means[BICUBIC][measure.key], measure.digits


def _table(rows: Sequence[Row]) -> str:
    used = [measure for measure in MEASURES if any(measure.key in row.values for row in rows)]
    lines = [["clip", "method", *(measure.heading for measure in used)]]
    for row in rows:
        cells = [f"{row.values[m.key]:.{m.digits}f}" if m.key in row.values else "-" for m in used]
        lines.append([row.clip, row.method, *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], "-" * widths[1], *("-" * (width - 1) + ":" for width in widths[2:])]
    return "\n".join(_line(line, widths) for line in [lines[0], rule, *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [cells[0].ljust(widths[0]), cells[1].ljust(widths[1])]
    aligned += [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "| " + " | ".join(aligned) + " |"


def _differences(values: dict[str, float], plain: dict[str, float]) -> list[str]:
    absolute = {"haarpsi": ("HaarPSI", 4, ""), "ssim": ("SSIM", 4, ""), "psnr": ("PSNR", 2, " dB")}
    relative = {
        "gmsd": "GMSD",
        "squeezenet": "SqueezeNet distance",
        "warp_error": "E*warp",
        "tof": "tOF",
        "perceptual": "perceptual distance",
        "flicker": "flicker",
    }
    texts = [
        f"{name} {values[key] - plain[key]:+.{digits}f}{unit}"
        for key, (name, digits, unit) in absolute.items()
        if key in values and key in plain
    ]
    shares = {key: 100 * (values[key] / plain[key] - 1) for key in relative if key in values and plain.get(key)}
    return texts + [f"{relative[key]} {share:+.1f} %" for key, share in shares.items()]
