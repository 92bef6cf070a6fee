"""A time of the monotonic clock as a bar code in the upper rows of a picture, which survives scaling and coding."""

import time

COLUMNS = 20
ROWS = 2
DARK, BRIGHT = 32, 224
TIME_BITS = 32
CHECK_BITS = COLUMNS * ROWS - TIME_BITS


def now() -> int:
    """Return milliseconds of the clock that all processes of this machine share."""
    return time.monotonic_ns() // 1_000_000 % (1 << TIME_BITS)


def height_of(width: int) -> int:
    """Return how many lines the code takes: its cells are squares."""
    return ROWS * width // COLUMNS


def lines(stamp: int, width: int) -> bytes:
    """Return the code's luma, line by line without padding."""
    value = stamp << CHECK_BITS | check(stamp)
    edges = [width * column // COLUMNS for column in range(COLUMNS + 1)]
    heights = [width * row // COLUMNS for row in range(ROWS + 1)]
    drawn = b""
    for row in range(ROWS):
        bits = [value >> (COLUMNS * ROWS - 1 - row * COLUMNS - column) & 1 for column in range(COLUMNS)]
        line = b"".join(
            bytes([BRIGHT if bit else DARK]) * (edges[column + 1] - edges[column]) for column, bit in enumerate(bits)
        )
        drawn += line * (heights[row + 1] - heights[row])
    return drawn


def read(rows: list[bytes], width: int) -> int | None:
    """Return the time in a picture, given the luma in the middle of each row of cells; none where it cannot be read."""
    value = 0
    for row in rows:
        for column in range(COLUMNS):
            centre = width * (2 * column + 1) // (2 * COLUMNS)
            value = value << 1 | (row[centre] > (DARK + BRIGHT) // 2)
    stamp = value >> CHECK_BITS
    return stamp if check(stamp) == value & (1 << CHECK_BITS) - 1 else None


def middles(width: int) -> list[int]:
    """Return the lines in the middle of each row of cells."""
    return [width * (2 * row + 1) // (2 * COLUMNS) for row in range(ROWS)]


def check(stamp: int) -> int:
    """Return a sum that a row of wrong bits does not keep."""
    return (sum(stamp.to_bytes(4, "big")) * 7 + 0x5A) % (1 << CHECK_BITS)
