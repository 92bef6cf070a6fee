"""Draws docs/data-flow.svg and docs/window.svg: what becomes of a frame, and of which frames it is made.

    python docs/make_drawings.py

Needs Python alone. Boxes lie on a grid, and arrows lead from the middle of one box's side to that of another's.
"""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FONT = "font-family='DejaVu Sans, Arial, sans-serif'"
INK, LINE = "#1f2933", "#52606d"
FILLS = {"host": "#e4ecf7", "graph": "#fdeccf", "data": "#ffffff", "kept": "#e3f1e1"}


@dataclass(frozen=True)
class Box:
    """A box with lines of text; ``kind`` chooses its colour. Position and size are in pixels."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    lines: tuple[str, ...]

    def svg(self) -> str:
        """The box as it is drawn."""
        middle = self.x + self.width / 2
        first = self.y + self.height / 2 - 8 * (len(self.lines) - 1)
        texts = [
            f"<text x='{middle:g}' y='{first + 16 * at:g}' text-anchor='middle' dominant-baseline='central' "
            f"font-size='{13 if at == 0 else 11}' fill='{INK}'>{line}</text>"
            for at, line in enumerate(self.lines)
        ]
        frame = (
            f"<rect x='{self.x}' y='{self.y}' width='{self.width}' height='{self.height}' rx='6' "
            f"fill='{FILLS[self.kind]}' stroke='{LINE}'/>"
        )
        return frame + "".join(texts)

    def side(self, name: str) -> tuple[float, float]:
        """The middle of a side."""
        middle = self.x + self.width / 2, self.y + self.height / 2
        return {
            "left": (self.x, middle[1]),
            "right": (self.x + self.width, middle[1]),
            "top": (middle[0], self.y),
            "bottom": (middle[0], self.y + self.height),
        }[name]


def arrow(begin: tuple[float, float], end: tuple[float, float], corner: tuple[float, float] | None = None) -> str:
    """A straight arrow, or one with a corner."""
    points = [begin, corner, end] if corner else [begin, end]
    way = " L ".join(f"{x:g} {y:g}" for x, y in points)
    return f"<path d='M {way}' fill='none' stroke='{LINE}' stroke-width='1.5' marker-end='url(#head)'/>"


def drawing(width: int, height: int, parts: list[str]) -> str:
    """The whole file of so many pixels."""
    head = (
        "<defs><marker id='head' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='7' markerHeight='7' "
        f"orient='auto-start-reverse'><path d='M 0 0 L 10 5 L 0 10 z' fill='{LINE}'/></marker></defs>"
    )
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"{FONT}>\n<rect width='100%' height='100%' fill='white'/>\n{head}\n{body}\n</svg>\n"
    )


def data_flow() -> str:
    """What becomes of one frame."""
    frame = Box(20, 90, 120, 56, "host", ("frame", "YUV or RGB, W&#215;H"))
    encoder = Box(200, 90, 110, 56, "graph", ("encoder", "encoder.onnx"))
    latent = Box(370, 90, 110, 56, "data", ("latent", "and guide"))
    before = Box(370, 210, 110, 56, "kept", ("the same of", "the frame before"))
    restorer = Box(540, 60, 210, 206, "graph", ("", ""))
    decoder = Box(810, 90, 110, 56, "graph", ("decoder", "decoder.onnx"))
    picture = Box(980, 90, 130, 56, "host", ("picture", "4W&#215;4H, colour fix"))
    steps = [
        Box(560, 100, 170, 28, "data", ("flow between the guides",)),
        Box(560, 134, 170, 28, "data", ("warp of the latent before",)),
        Box(560, 168, 170, 28, "data", ("cross-frame retrieval",)),
        Box(560, 202, 170, 50, "data", ("one step of the prior", "C-LoRA and D-LoRA merged")),
    ]
    title = f"<text x='645' y='82' text-anchor='middle' font-size='13' fill='{INK}'>restorer (restorer.onnx)</text>"
    bypass = Box(370, 10, 210, 30, "host", ("bicubic enlargement",))
    parts = [box.svg() for box in (bypass, frame, encoder, latent, before, restorer, *steps, decoder, picture)]
    arrows = [
        arrow(frame.side("right"), encoder.side("left")),
        arrow(encoder.side("right"), latent.side("left")),
        arrow(latent.side("right"), (restorer.x, latent.side("right")[1])),
        arrow(before.side("right"), (restorer.x, before.side("right")[1])),
        arrow(latent.side("bottom"), before.side("top")),
        arrow((restorer.x + restorer.width, decoder.side("left")[1]), decoder.side("left")),
        arrow(decoder.side("right"), picture.side("left")),
        arrow(frame.side("top"), bypass.side("left"), (frame.side("top")[0], bypass.side("left")[1])),
        arrow(bypass.side("right"), picture.side("top"), (picture.side("top")[0], bypass.side("right")[1])),
    ]
    note = (
        f"<text x='790' y='18' text-anchor='middle' font-size='11' fill='{INK}'>"
        "where there is no time, or restoring failed</text>"
        f"<text x='425' y='184' text-anchor='start' font-size='11' fill='{INK}' dx='8'>kept</text>"
    )
    return drawing(1130, 286, [*parts, title, note, *arrows])


def window() -> str:
    """Of which frames each output frame is made."""
    times = ("n &#8722; 1", "n", "n + 1")
    parts: list[str] = []
    columns = [90 + 250 * at for at in range(3)]
    frames = [Box(x, 20, 130, 44, "host", (f"frame {time}",)) for x, time in zip(columns, times, strict=True)]
    latents = [Box(x, 106, 130, 44, "data", (f"latent {time}",)) for x, time in zip(columns, times, strict=True)]
    outputs = [Box(x, 208, 130, 44, "host", (f"output {time}",)) for x, time in zip(columns, times, strict=True)]
    parts += [box.svg() for box in (*frames, *latents, *outputs)]
    for frame, latent, output in zip(frames, latents, outputs, strict=True):
        parts.append(arrow(frame.side("bottom"), latent.side("top")))
        parts.append(arrow(latent.side("bottom"), output.side("top")))
    for earlier, later in zip(latents, outputs[1:], strict=False):
        begin, end = earlier.side("right"), later.side("left")
        parts.append(
            f"<path d='M {begin[0]:g} {begin[1]:g} C {begin[0] + 60:g} {begin[1]:g} {end[0] - 60:g} {end[1]:g} "
            f"{end[0]:g} {end[1]:g}' fill='none' stroke='{LINE}' stroke-width='1.5' marker-end='url(#head)'/>"
        )
    cut = outputs[0]
    parts.append(
        f"<text x='{cut.x + 65}' y='{cut.y + 62}' text-anchor='middle' font-size='11' fill='{INK}'>"
        "first frame, scene cut, seek: paired with itself</text>"
    )
    return drawing(760, 290, parts)


def main() -> None:
    """Write both files beside this one."""
    (HERE / "data-flow.svg").write_text(data_flow(), encoding="utf-8")
    (HERE / "window.svg").write_text(window(), encoding="utf-8")


if __name__ == "__main__":
    main()
