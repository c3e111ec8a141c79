"""How far a shard is: its log's lines of image sets, counted through all of its processes."""

from collections.abc import Iterable
from threading import Lock

from cellpainting.cellprofiler.process import Event
from cellpainting.ledger import ImageSet
from cellpainting.shard_log import ShardLog


class Tally:
    """Counts image sets that were measured, of all that the shard has; none twice."""

    def __init__(self, log: ShardLog, total: int) -> None:
        self.tell = log.tell
        self._total = total
        self._measured: set[int] = set()
        self._lock = Lock()

    def expect(self, total: int) -> None:
        """Say how many there are, of a folder whose image sets were not known before."""
        self._total = total
        self.tell(f"{total} image sets to measure")

    def keep(self, image_sets: Iterable[ImageSet]) -> None:
        """Count those that an earlier attempt measured."""
        self._measured.update(image_set.number for image_set in image_sets)

    def follow(self, image_set: ImageSet, event: Event) -> None:
        """Tell of an image set that was measured, or that failed."""
        if event["event"] == "failed":
            self.tell(f"image set {image_set.number} failed in {event['module']}: {event['reason']}")
        if event["event"] != "measured":
            return
        with self._lock:
            self._measured.add(image_set.number)
            done = len(self._measured)
        self.tell(f"image set {image_set.number} measured in {event['seconds']:.1f} s ({done} of {self._total})")
