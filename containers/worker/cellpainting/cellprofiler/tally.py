"""How far a shard is: its log's lines of image sets, counted through all of its processes."""

from collections.abc import Iterable
from threading import Lock

from cellpainting.cellprofiler.process import Event
from cellpainting.ledger import ImageSet
from cellpainting.shard_log import ShardLog


class Tally:
    """Counts image sets that were measured, of all that the shard has; none twice."""

    def __init__(self, log: ShardLog, total: int) -> None:
        self._log = log
        self._total = total
        self._measured: set[int] = set()
        self._lock = Lock()

    def expect(self, total: int) -> None:
        """Say how many there are, of a folder whose image sets were not known before."""
        self._total = total
        self._log.tell(f"{total} image sets to measure")

    def keep(self, image_sets: Iterable[ImageSet]) -> None:
        """Count those that an earlier attempt measured."""
        self._measured.update(image_set.number for image_set in image_sets)

    def follow(self, image_set: ImageSet, event: Event) -> None:
        """Tell of an image set that was measured, or that failed."""
        if event["event"] == "failed":
            told = f"image set {image_set.number} failed in {event['module']}: {event['reason']}"
            self._log.complain(told, image_set)
        if event["event"] != "measured":
            return
        with self._lock:
            self._measured.add(image_set.number)
            done = len(self._measured)
        told = f"image set {image_set.number} measured in {event['seconds']:.1f} s ({done} of {self._total})"
        self._log.tell(told, image_set)

    def set_aside(self, image_set: ImageSet, reason: str) -> None:
        """Tell of an image set that is not measured, so that its group's others can be."""
        self._log.complain(f"set aside: {image_set.label}: {reason}", image_set)
