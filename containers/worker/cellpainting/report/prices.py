"""What computing costs, as an estimate: an On-Demand price, so that Spot is cheaper."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """US dollars for an hour of one vCPU with its share of memory, in MiB."""

    usd: float
    memory_mib: int
    note: str

    def of(self, seconds: float, vcpus: int, memory_mib: float) -> float:
        """The price of a job: of its vCPUs, or of as many as have its memory."""
        return self.usd * seconds / 3600 * max(vcpus, memory_mib / self.memory_mib)


# m6i.xlarge, Linux, us-east-1: $0.192 an hour for 4 vCPUs and 16 GiB.
ON_DEMAND = Price(
    0.048, 4096, "Prices are estimates: m6i On-Demand in us-east-1, $0.048 per vCPU (4 GiB) and hour; no storage."
)
