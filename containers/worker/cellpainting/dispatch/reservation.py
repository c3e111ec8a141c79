"""What submissions of a run may take of its budget, `budget/<n>.json`, and what that leaves."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Reservation:
    """What one submission of a run, or of a stage of it, may take: US dollars for each of its shards."""

    run_id: str
    submission: int
    shards: tuple[int, ...]
    usd_each: float
    vcpus: int
    memory_mib: int
    is_measured: bool

    def to_json(self) -> bytes:
        """The content of `budget/<n>.json`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Reservation":
        """Read what `to_json` wrote."""
        document = json.loads(content)
        return cls(**{**document, "shards": tuple(document["shards"])})


@dataclass(frozen=True)
class Account:
    """US dollars of a run: spent, as manifests tell; on its way; and of that what only a default tells."""

    spent: float
    on_its_way: float
    guessed: float

    def left(self, usd: float) -> float:
        """What is left of a budget."""
        return usd - self.spent - self.on_its_way
