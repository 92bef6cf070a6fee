"""Visualisations made while clips are measured: details, temporal profiles, videos, the clips of a page."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dloral.evaluate.clips import frame_rate
from dloral.evaluate.measure import Instant
from dloral.evaluate.pictures import write_comparison
from dloral.evaluate.profile import Profile
from dloral.evaluate.report.collect import ClipCollector, ClipView
from dloral.evaluate.video import SideBySide


@dataclass(frozen=True)
class Visualisations:
    """What is asked for; None leaves it out."""

    pictures: Path | None
    """Folder of details and temporal profiles."""
    videos: Path | None
    row: int | None = None
    """Row of the profiles, in output pixels; None: the most detailed one."""
    page: bool = False
    """Whether ``views`` are wanted."""
    views: list[ClipView] = field(default_factory=list)
    """Of the clips so far, what a page shows of them."""

    @contextmanager
    def of_clip(self, name: str, source: Path, frames: int) -> Iterator["ClipVisualisation"]:
        """Open what belongs to one clip; when it is left without an error, files are complete."""
        with ExitStack() as stack:
            rate, middle = frame_rate(source), frames // 2
            video = stack.enter_context(SideBySide(self.videos, name, rate)) if self.videos else None
            page = stack.enter_context(ClipCollector(name, rate, middle, self.row)) if self.page else None
            visualisations = ClipVisualisation(self.pictures, name, middle, Profile(self.row), video, page)
            yield visualisations
            if page:
                self.views.extend(page.views())
            if self.pictures:
                visualisations.profile.write(self.pictures, name)


@dataclass(frozen=True)
class ClipVisualisation:
    """What is made for one clip."""

    pictures: Path | None
    name: str
    middle: int
    """Index of the frame that details are shown of."""
    profile: Profile
    video: SideBySide | None
    page: ClipCollector | None

    def add(self, instant: Instant) -> None:
        """Take one moment."""
        if self.pictures:
            self.profile.add(instant)
            if instant.index == self.middle:
                write_comparison(self.pictures, self.name, instant)
        if self.video:
            self.video.add(instant)
        if self.page:
            self.page.add(instant)
