"""How far a download is, for its log and for whoever watches."""

import time
from collections.abc import Callable

from cellpainting.download.image_set import Made
from cellpainting.shard_log import ShardLog

EVERY_S = 10.0  # between two lines of the log

Tell = Callable[[int, int, int], None]  # image sets done, of how many, and bytes fetched


class Tally:
    """Counts image sets that were done, of all that a shard has, and what was fetched for them."""

    def __init__(self, log: ShardLog, tell: Tell, done: int, total: int) -> None:
        self._log, self._tell = log, tell
        self._done, self._total = done, total
        self._started = self._told_at = time.monotonic()
        self._images, self._fetched_bytes = 0, 0

    def count(self, made: Made) -> None:
        """Take down an image set; one that is not whole is told of at once."""
        self._done += 1
        self._images += len(made.inputs)
        self._fetched_bytes += made.fetched_bytes
        self._tell(self._done, self._total, self._fetched_bytes)
        if made.errors:
            outcome = made.outcome
            image_set = outcome.image_set
            self._log.complain(f"not done: {image_set.label}: {outcome.state.value}: {outcome.reason}", image_set)
        if time.monotonic() - self._told_at >= EVERY_S:
            self.summarise()

    def summarise(self) -> None:
        """Tell how far it is, and how fast."""
        self._told_at = time.monotonic()
        seconds = max(self._told_at - self._started, 1e-3)
        self._log.tell(
            f"image sets done ({self._done} of {self._total}): {self._images / seconds:.0f} images/s, "
            f"{self._fetched_bytes / seconds / 1e6:.0f} MB/s fetched"
        )
