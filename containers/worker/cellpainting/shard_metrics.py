"""What a shard comes to while it is at work, as metrics: once a minute, and at its end."""

import time
from collections import Counter
from threading import Lock

from cellpainting.cost.prices import shipped_prices
from cellpainting.job_output import print_figures
from cellpainting.jobs import RunRecord
from cellpainting.ledger import GroupResult, Manifest, State
from cellpainting.metrics import Metric, embed

EVERY_S = 60.0  # CloudWatch counts by the minute


class ShardMetrics:
    """Counts image sets, computing time, its price and memory since it last told of them: sums of all are right.

    `vcpus` and `memory_mib` are the container's. What an earlier attempt did is not counted again.
    """

    def __init__(self, record: RunRecord, vcpus: int, memory_mib: int) -> None:
        self._record = record
        self._vcpus, self._memory_mib = vcpus, memory_mib
        self._price = shipped_prices().on_demand
        self._since = time.monotonic()
        self._states: Counter[State] = Counter()
        self._not_begun = 0
        self._peak_memory_mib = 0.0
        self._lock = Lock()

    def count(self, result: GroupResult) -> None:
        """Take down a group that has ended in this attempt."""
        with self._lock:
            self._states.update(outcome.state for outcome in result.outcomes)
            self._peak_memory_mib = max(self._peak_memory_mib, result.peak_memory_mib)
            if time.monotonic() - self._since >= EVERY_S:
                self._tell()

    def count_all(self, manifest: Manifest) -> None:
        """Take down a shard that is always done as a whole."""
        for result in manifest.groups:
            self.count(result)

    def lose(self, image_sets: int) -> None:
        """Take down image sets that no group tells of, as the shard failed before."""
        self._not_begun += image_sets

    def tell(self) -> None:
        """Tell of what was not told yet; the shard is over."""
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        states, self._states = self._states, Counter()
        not_done = sum(count for state, count in states.items() if not state.is_success)
        values = {
            Metric.IMAGE_SETS_DONE: states[State.DONE],
            Metric.IMAGE_SETS_WITHOUT_CELLS: states[State.NO_CELLS],
            Metric.IMAGE_SETS_FAILED: not_done + self._not_begun,
            Metric.VCPU_SECONDS: round(seconds * self._vcpus, 3),
            Metric.ESTIMATED_USD: round(self._price.of(seconds, self._vcpus, self._memory_mib), 8),
            **({Metric.PEAK_MEMORY_MIB: self._peak_memory_mib} if self._peak_memory_mib else {}),
        }
        self._not_begun, self._peak_memory_mib = 0, 0.0
        document = embed(values, {"JobType": self._record.job.job_type}, also_in_all=(Metric.IMAGE_SETS_FAILED,))
        print_figures({**document, **self._programs})

    @property
    def _programs(self) -> dict[str, str]:
        """The pipeline or recipe that the request names."""
        named = ((name, self._record.document.get(name)) for name in ("pipeline", "recipe"))
        return {name: value for name, value in named if isinstance(value, str)}
