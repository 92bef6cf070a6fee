"""A screen without a monitor: an Xvfb of our own, whose picture can be read and whose pointer can be moved."""

import os
import struct
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import barcode

WIDTH, HEIGHT = 1280, 720
# Of a file in the format of xwd: how many numbers its head begins with, and where what is needed stands among them.
HEAD = 25
SIZE_OF_HEAD, BITS, LINE, COLORS = 0, 11, 12, 19
COLOR_BYTES = 12


class Screen(AbstractContextManager):
    """An X server in a folder, which programs started from here use."""

    def __init__(self, folder: Path) -> None:
        self.memory = folder / "Xvfb_screen0"
        self.messages = (folder / "xvfb.err").open("wb")
        read_end, write_end = os.pipe()
        self.server = subprocess.Popen(
            [
                *("Xvfb", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(folder)),
                *("-nolisten", "tcp", "-displayfd", str(write_end)),
            ],
            pass_fds=[write_end],
            stderr=self.messages,
        )
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb has not started: {(folder / 'xvfb.err').read_text()}")
        os.environ["DISPLAY"] = f":{number}"

    def __exit__(self, *_: object) -> None:
        self.server.terminate()
        self.server.wait()
        self.messages.close()

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Return the red, green and blue of a pixel."""
        blue, green, red = self._row(y)[4 * x : 4 * x + 3]
        return red, green, blue

    def code(self, width: int) -> int | None:
        """Return the bar code of a picture of this width in the upper left corner."""
        return barcode.read([self._row(line)[1::4] for line in barcode.middles(width)], width)

    def brightest(self, top: int, bottom: int, width: int) -> int:
        """Return the brightest blue between two lines."""
        return max(max(self._row(line)[: 4 * width : 4]) for line in range(top, bottom))

    def _row(self, line: int) -> bytes:
        with self.memory.open("rb") as memory:
            head = struct.unpack(f">{HEAD}I", memory.read(4 * HEAD))
            if head[BITS] != 32:
                raise RuntimeError(f"{head[BITS]} bits a pixel in place of 32")
            memory.seek(head[SIZE_OF_HEAD] + head[COLORS] * COLOR_BYTES + line * head[LINE])
            return memory.read(head[LINE])

    def input(self, *words: str | int) -> None:
        """Have xdotool move the pointer, or press a key."""
        subprocess.run(["xdotool", *map(str, words)], check=True)
