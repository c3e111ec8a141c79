"""What a request may ask of AWS Batch, and what it may cost; what it leaves out is the job definition's."""

from dataclasses import dataclass

from cellpainting.jobs.fields import Fields

MIN_MEMORY_MIB = 512  # CellProfiler's own start-up, Java included, needs about 400 MiB
MAX_MEMORY_MIB = 24 * 1024 * 1024  # the largest EC2 instance there is
MAX_VCPUS = 896
MIN_BUDGET_USD, BUDGET_USD_BELOW = 0.01, 1_000_000


@dataclass(frozen=True)
class Resources:
    """Overrides of the job definition. `memory_mib` in MiB; None leaves the deployment's value. `budget_usd` is for how
    many US dollars the run may compute, all its stages together; None sets no bound.
    """

    memory_mib: int | None = None
    vcpus: int | None = None
    queue: str | None = None
    definition: str | None = None
    budget_usd: float | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "Resources":
        """Read `job_memory`, `job_vcpu`, `job_queue`, `job_definition` and `budget_usd`.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        return cls(
            memory_mib=fields.whole_number("job_memory", minimum=MIN_MEMORY_MIB, maximum=MAX_MEMORY_MIB),
            vcpus=fields.whole_number("job_vcpu", minimum=1, maximum=MAX_VCPUS),
            queue=fields.resource("job_queue"),
            definition=fields.resource("job_definition"),
            budget_usd=fields.number("budget_usd", minimum=MIN_BUDGET_USD, below=BUDGET_USD_BELOW),
        )
