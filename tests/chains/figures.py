"""What the logs of a camera and a viewer say about the chain between them."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

# A frame that comes so much later than the median is late.
FRAME_MS = 40
NEAR_MS = 500


@dataclass(frozen=True)
class Frame:
    """A frame that was seen: when it was drawn, when it came, and how wide it was."""

    drawn: int
    came: int
    width: int


@dataclass(frozen=True)
class Figures:
    """A case in numbers; times in ms."""

    sent: int
    received: int
    late: int
    unreadable: int
    median: float
    p99: float
    outages: list[int]
    widths: list[int]


def figures(camera: Path, viewer: Path, events: list[int], connects_late: bool = False) -> Figures | None:
    """Count frames between the events that interrupt the stream; none where no frame was seen, or none after an event.

    What is drawn while a connection is interrupted cannot arrive: each stretch counts from the first frame that was
    seen to the last. Where a connection is made only once the stream is there, what was drawn until then does not
    count.
    """
    drawn = [int(line) for line in camera.read_text().split()]
    seen, unreadable = read(viewer)
    if connects_late and seen:
        seen = [frame for frame in seen if frame.drawn >= seen[0].came]
    stretches = split(seen, events)
    if not all(stretches):
        return None
    sent = sum(sum(part[0].drawn <= time <= part[-1].drawn for time in drawn) for part in stretches)
    latencies = sorted(frame.came - frame.drawn for frame in seen)
    median = quantile(latencies, 0.5)
    return Figures(
        sent=sent,
        received=len({frame.drawn for frame in seen}),
        late=sum(latency > median + FRAME_MS for latency in latencies),
        unreadable=unreadable,
        median=median,
        p99=quantile(latencies, 0.99),
        outages=[outage(seen, event) for event in events],
        widths=sorted({frame.width for frame in seen}),
    )


def read(viewer: Path) -> tuple[list[Frame], int]:
    """Return the frames that were seen, and how many could not be read."""
    lines = viewer.read_text().splitlines() if viewer.exists() else []
    frames = [Frame(*map(int, line.split())) for line in lines if line != "unreadable"]
    return frames, len(lines) - len(frames)


def split(seen: list[Frame], events: list[int]) -> list[list[Frame]]:
    """Cut where the events were, by when frames were drawn."""
    bounds = [0, *events, 1 << 62]
    return [[frame for frame in seen if low <= frame.drawn < high] for low, high in pairwise(bounds)]


def outage(seen: list[Frame], event: int) -> int:
    """Return the longest interval between frames near an event.

    That is not always the one across it: a parser keeps a frame until it sees the next one.
    """
    return max(
        (
            after.came - before.came
            for before, after in pairwise(seen)
            if before.drawn - NEAR_MS < event < after.drawn + NEAR_MS
        ),
        default=0,
    )


def quantile(values: list[int], share: float) -> float:
    """Return the value below which a share of the sorted ones lies."""
    return values[min(len(values) - 1, int(len(values) * share))]
