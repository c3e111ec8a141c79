"""How far the reading of a plate is, in words."""

import time

EVERY_S = 10.0  # between two lines of a log


class ReadingProgress:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._started = self._told_at = time.monotonic()

    def told(self, done: int, total: int, rows: int) -> str:
        """Bytes that were read, of how many, the rows in them, speed and time left."""
        speed = done / max(time.monotonic() - self._started, 1e-3)
        left = f", {(total - done) / speed:.0f} s left" if 0 < done < total else ""
        return f"read {done / 1e6:.0f} of {total / 1e6:.0f} MB, {rows} rows, {speed / 1e6:.0f} MB/s{left}"

    def is_due(self, done: int, total: int) -> bool:
        """Whether a log should have another line: now and then, and at the end."""
        now = time.monotonic()
        if done < total and now - self._told_at < EVERY_S:
            return False
        self._told_at = now
        return True
