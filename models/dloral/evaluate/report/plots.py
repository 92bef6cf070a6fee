"""Plots of methods as points, drawn as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 560, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 16, 52
_LINE = 15
"""Height of a label in pixels: labels that would lie on one another are moved by it."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444", "#a05a2c")
"""Okabe and Ito's, which people who see colours differently can tell apart."""


@dataclass(frozen=True)
class Point:
    """One method."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Axis:
    """What an axis shows, and whether in decades."""

    label: str
    log: bool = False


@dataclass(frozen=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    log: bool
    start: float
    length: float

    def place(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + self.length * (at - low) / (high - low)


def scatter(points: Sequence[Point], x: Axis, y: Axis) -> str:
    """An SVG element with a labelled point for each method, coloured in their order; at least one point."""
    across = _scale([point.x for point in points], x, _LEFT, _WIDTH - _LEFT - _RIGHT)
    up = _scale([point.y for point in points], y, _HEIGHT - _BOTTOM, -(_HEIGHT - _TOP - _BOTTOM))
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(f"{y.label} against {x.label}")}">']
    parts += _axes(across, up, x.label, y.label)
    used: list[tuple[float, float]] = []
    for index, point in enumerate(points):
        column, row = across.place(point.x), up.place(point.y)
        colour = COLOURS[index % len(COLOURS)]
        title = f"{point.name}: {x.label} {point.x:.4g}, {y.label} {point.y:.4g}"
        parts.append(
            f'<circle cx="{column:.1f}" cy="{row:.1f}" r="6" fill="{colour}"><title>{escape(title)}</title></circle>'
        )
        parts.append(_label(point.name, column, row, colour, used))
    return "\n".join([*parts, "</svg>"])


def ticks(low: float, high: float, log: bool) -> list[float]:
    """Round values between ``low`` and ``high``, at least two of them."""
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [value for value in steps if low <= value <= high]
    unit = 10.0 ** math.floor(math.log10((high - low) / 2))
    step = next(unit * factor for factor in (5, 2, 1, 0.5) if (high - low) / (unit * factor) >= 3)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _scale(values: Sequence[float], axis: Axis, start: float, length: float) -> _Scale:
    """Values with room on both sides, so that no point lies on the frame."""
    low, high = min(values), max(values)
    if axis.log:
        # At least a decade, so that there are ticks and small differences do not look large.
        room = max(1.35, math.sqrt(10 * low / high))
        return _Scale(low / room, high * room, True, start, length)
    room = 0.15 * (high - low) or 0.1 * abs(high) or 1.0
    return _Scale(low - room, high + room, False, start, length)


def _axes(across: _Scale, up: _Scale, x_label: str, y_label: str) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{bottom - _TOP}" class="frame"/>']
    for value in ticks(across.low, across.high, across.log):
        at = across.place(value)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}" class="grid"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{value:.4g}</text>')
    for value in ticks(up.low, up.high, up.log):
        at = up.place(value)
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(y_label)}</text>'
    )
    return parts


def _label(name: str, column: float, row: float, colour: str, used: list[tuple[float, float]]) -> str:
    """The name beside its point, on the side where there is room, below labels that are there already."""
    width = 7.2 * len(name)
    left = column + 10 + width > _WIDTH - _RIGHT
    start = column - 10 - width if left else column + 10
    at = row + 4
    while any(abs(at - y) < _LINE and abs(start - x) < 7.2 * 14 for x, y in used):
        at += _LINE
    used.append((start, at))
    anchor, x = ("end", column - 10) if left else ("start", column + 10)
    return f'<text x="{x:.1f}" y="{at:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(name)}</text>'
