"""What a run costs, stage by stage: the same figures before it and after it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cellpainting.cost.job_size import JobSize
from cellpainting.cost.prices import Prices

HOST_VCPUS = 16  # of the largest hosts that constants.py lists; instance-hours are told in these
GB = 2**30  # as AWS counts it


@dataclass(frozen=True)
class StageCost:
    """One stage of one plate, or a run that has no stages. `seconds` are of all its jobs; `source` says where they are
    known from. A stage whose image sets only its worker can tell has 0.
    """

    run_id: str
    name: str
    plate: str
    image_sets: int
    shards: int
    seconds: float
    size: JobSize
    reads: float
    writes: float
    written_bytes: float
    source: str

    @property
    def vcpu_hours(self) -> float:
        """Of its own vCPUs, or of as many as have its memory."""
        return self.seconds * self.size.paid_vcpus / 3600

    @property
    def seconds_per_image_set(self) -> float | None:
        """Of the whole job, start and end included."""
        return self.seconds / self.image_sets if self.image_sets else None


@dataclass(frozen=True)
class Money:
    """US dollars: for computing, on Spot and On-Demand, for requests to S3, and for what is stored, a month."""

    spot: float
    on_demand: float
    requests: float
    storage_month: float

    @classmethod
    def of(cls, stages: Iterable[StageCost], prices: Prices) -> "Money":
        """Price stages."""
        costs = list(stages)
        on_demand, spot = prices.on_demand, prices.spot
        reads, writes = sum(cost.reads for cost in costs), sum(cost.writes for cost in costs)
        return cls(
            spot=sum(spot.of(cost.seconds, cost.size.vcpus, cost.size.memory_mib) for cost in costs),
            on_demand=sum(on_demand.of(cost.seconds, cost.size.vcpus, cost.size.memory_mib) for cost in costs),
            requests=(reads * prices.usd["s3_get"] + writes * prices.usd["s3_put"]) / 1000,
            storage_month=sum(cost.written_bytes for cost in costs) / GB * prices.usd["s3_storage"],
        )


@dataclass(frozen=True)
class RunCost:
    """All stages of a run, in their order."""

    run_id: str
    stages: tuple[StageCost, ...]

    @property
    def plates(self) -> tuple[str, ...]:
        """Its plates, each once; of a run that is not about plates one without a name."""
        return tuple(dict.fromkeys(stage.plate for stage in self.stages))

    @property
    def image_sets(self) -> int:
        """Image sets of all plates: of each, those of its largest stage."""
        return sum(max(stage.image_sets for stage in self.stages if stage.plate == plate) for plate in self.plates)

    @property
    def vcpu_hours(self) -> float:
        """Of all stages."""
        return sum(stage.vcpu_hours for stage in self.stages)

    def by_name(self) -> dict[str, tuple[StageCost, ...]]:
        """The stages of all plates by name."""
        names = dict.fromkeys(stage.name for stage in self.stages)
        return {name: tuple(stage for stage in self.stages if stage.name == name) for name in names}


def to_document(cost: RunCost, prices: Prices) -> dict[str, Any]:
    """All of it, as JSON has it."""
    total = Money.of(cost.stages, prices)
    plates, image_sets = len(cost.plates), cost.image_sets
    return {
        "run": cost.run_id,
        "plates": plates,
        "image_sets": image_sets,
        "vcpu_hours": cost.vcpu_hours,
        "instance_hours": cost.vcpu_hours / HOST_VCPUS,
        "usd": vars(total),
        "usd_per_plate": {name: usd / plates for name, usd in vars(total).items()},
        "usd_per_image_set": {name: usd / image_sets for name, usd in vars(total).items()} if image_sets else None,
        "stages": [
            {
                "run": stage.run_id,
                "stage": stage.name,
                "plate": stage.plate,
                "image_sets": stage.image_sets,
                "shards": stage.shards,
                "seconds": round(stage.seconds, 3),
                "seconds_per_image_set": stage.seconds_per_image_set,
                "vcpus": stage.size.vcpus,
                "memory_mib": stage.size.memory_mib,
                "vcpu_hours": stage.vcpu_hours,
                "instance_hours": stage.vcpu_hours / HOST_VCPUS,
                "reads": round(stage.reads),
                "writes": round(stage.writes),
                "written_bytes": round(stage.written_bytes),
                "usd": vars(Money.of([stage], prices)),
                "source": stage.source,
            }
            for stage in cost.stages
        ],
    }
