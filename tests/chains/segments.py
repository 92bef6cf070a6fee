"""What the segments of HLS hold that a playlist has named."""

import contextlib
import subprocess
from itertools import groupby
from pathlib import Path


class Segments:
    """The segments of a playlist that changes; kept, as it drops them after a while."""

    def __init__(self, playlist: Path, kept: Path) -> None:
        self.playlist = playlist
        self.kept = kept
        self.kept.mkdir()

    def keep(self) -> None:
        """Keep what the playlist names now."""
        for line in self.playlist.read_text().splitlines() if self.playlist.exists() else []:
            if line and not line.startswith("#"):
                # What is there already, or was dropped just now.
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    (self.kept / line).hardlink_to(self.playlist.parent / line)

    def sizes(self) -> list[set[tuple[int, int]]]:
        """Return the sizes of the pictures in each segment, in the order of the names."""
        return [sizes_in(path) for path in sorted(self.kept.iterdir())]

    def fault(self) -> str:
        """Say where segments of one size do not follow upon those of another; nothing where they do."""
        sizes = self.sizes()
        mixed = [number for number, found in enumerate(sizes) if len(found) != 1]
        runs = [size for size, _ in groupby(sizes)]
        if mixed or len(runs) != 2:
            return f"segments {mixed or 'none'} hold other than one size; one after the other they have {runs}"
        return ""


def sizes_in(path: Path) -> set[tuple[int, int]]:
    """Return the sizes of the pictures in a segment, of each key frame one."""
    words = ("ffprobe", "-v", "error", "-skip_frame", "nokey", "-show_entries", "frame=width,height", "-of", "csv=p=0")
    found = subprocess.run([*words, str(path)], capture_output=True, text=True, check=True).stdout
    return {(int(width), int(height)) for width, height in (line.split(",")[:2] for line in found.splitlines() if line)}
