"""What is written for the eye while clips are measured: details, temporal profiles, videos."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dloral.evaluate.clips import frame_rate
from dloral.evaluate.measure import Instant
from dloral.evaluate.pictures import write_comparison
from dloral.evaluate.profile import Profile
from dloral.evaluate.video import SideBySide


@dataclass(frozen=True)
class Sights:
    """What is asked for; None leaves it out."""

    pictures: Path | None
    """Folder of details and temporal profiles."""
    videos: Path | None
    row: int | None = None
    """Row of the profiles, in output pixels; None: the most detailed one."""

    @contextmanager
    def of_clip(self, name: str, source: Path, frames: int) -> Iterator["ClipSights"]:
        """Open what belongs to one clip; when it is left without an error, files are complete."""
        with ExitStack() as stack:
            video = stack.enter_context(SideBySide(self.videos, name, frame_rate(source))) if self.videos else None
            sights = ClipSights(self.pictures, name, frames // 2, Profile(self.row), video)
            yield sights
            if self.pictures:
                sights.profile.write(self.pictures, name)


@dataclass(frozen=True)
class ClipSights:
    """Those of one clip."""

    pictures: Path | None
    name: str
    middle: int
    """Index of the frame that details are shown of."""
    profile: Profile
    video: SideBySide | None

    def add(self, instant: Instant) -> None:
        """Take one moment."""
        if self.pictures:
            self.profile.add(instant)
            if instant.index == self.middle:
                write_comparison(self.pictures, self.name, instant)
        if self.video:
            self.video.add(instant)
