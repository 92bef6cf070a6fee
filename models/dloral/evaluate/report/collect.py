"""What a page shows of one clip, taken while the clip is measured and kept as data that a page can hold."""

import base64
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dloral.evaluate.measure import Instant
from dloral.evaluate.methods import BICUBIC
from dloral.evaluate.pictures import detailed_places, details_sheet
from dloral.evaluate.profile import Profile
from dloral.evaluate.scores import GROUND_TRUTH
from dloral.evaluate.video import VideoWriter, grid

Picture = NDArray[np.uint8]

LOOP_SIDE = 360
"""Side in pixels of the square that a video shows of each picture, one to one: scaled down, flicker would not show."""
LOOP_FRAMES = 96
"""A page holds no more frames of a clip than these."""
JPEG_QUALITY = 95
_DETAILS = 2


@dataclass(frozen=True)
class ClipView:
    """One clip at one level, all pictures as ``data:`` addresses."""

    clip: str
    level: str
    frame: int
    """Index of the frame that pictures and details are of."""
    size: tuple[int, int]
    """Width and height of a picture in pixels."""
    pictures: dict[str, str]
    """Method -> the whole frame, JPEG without reduced chroma."""
    details: str
    profile: str
    row: int
    """Row of the profile, in pixels."""
    video: str
    frames: int
    """Of the video."""

    def shown(self) -> list[str]:
        """The pictures that the slider starts with: bicubic, the first that is to be judged, any ground truth."""
        own = [name for name in self.pictures if name not in (BICUBIC, "lanczos", "LQ", GROUND_TRUTH)]
        wanted = [BICUBIC, *own[:1], GROUND_TRUTH]
        return [name for name in wanted if name in self.pictures]


class ClipCollector:
    """Collects one clip, at all its levels; a context manager, because ffmpeg writes its videos meanwhile."""

    def __init__(self, clip: str, rate: str, middle: int, row: int | None) -> None:
        """``middle``: index of the frame whose pictures are kept; ``row``: of the profile, None: a detailed one."""
        self._clip, self._rate, self._middle = clip, rate, middle
        self._profile = Profile(row)
        self._place: tuple[int, int] | None = None
        self._instant: Instant | None = None
        self._frames = 0
        self._folder = tempfile.TemporaryDirectory(prefix="dloral-report-")
        self._writers: dict[str, VideoWriter] = {}

    def __enter__(self) -> "ClipCollector":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for writer in self._writers.values():
            writer.close(keep=False)
        self._folder.cleanup()

    def add(self, instant: Instant) -> None:
        """Take one moment."""
        self._profile.add(instant)
        if instant.index == self._middle:
            self._instant = instant
        if self._frames < LOOP_FRAMES:
            self._frames += 1
            for level in instant.low:
                self._add_to_video(level, instant)

    def views(self) -> list[ClipView]:
        """One per level; called once, when all moments are there."""
        for writer in self._writers.values():
            writer.close(keep=True)
        assert self._instant is not None  # a clip has at least one frame
        return [self._view(level, self._instant) for level in self._instant.low]

    def _view(self, level: str, instant: Instant) -> ClipView:
        columns = instant.columns(level)
        height, width = columns["LQ"].shape[:2]
        places = detailed_places(instant.guide(), _DETAILS)
        assert self._profile.row is not None  # set with the first moment
        return ClipView(
            clip=self._clip,
            level=level,
            frame=instant.index,
            size=(width, height),
            pictures={name: _encoded(Image.fromarray(picture), "jpeg") for name, picture in columns.items()},
            details=_encoded(details_sheet(columns, places), "png"),
            profile=_encoded(self._profile.sheet(level), "png"),
            row=self._profile.row,
            video=_address("video/mp4", self._writers[level].path.read_bytes()),
            frames=self._frames,
        )

    def _add_to_video(self, level: str, instant: Instant) -> None:
        if self._place is None:
            self._place = detailed_places(instant.guide(), 1, LOOP_SIDE)[0]
        y, x = self._place
        columns = {name: p[y : y + LOOP_SIDE, x : x + LOOP_SIDE] for name, p in instant.columns(level).items()}
        del columns["LQ"]
        # All have the smallest common size, which is even: frames are multiples of 4, and the side is.
        frame = grid(columns)
        if level not in self._writers:
            path = Path(self._folder.name) / f"{level}.mp4"
            self._writers[level] = VideoWriter(path, frame.shape[1], frame.shape[0], self._rate)
        self._writers[level].write(frame)


def _encoded(image: Image.Image, kind: str) -> str:
    data = io.BytesIO()
    if kind == "jpeg":
        image.save(data, "jpeg", quality=JPEG_QUALITY, subsampling=0)
    else:
        image.save(data, kind, optimize=True)
    return _address(f"image/{kind}", data.getvalue())


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
