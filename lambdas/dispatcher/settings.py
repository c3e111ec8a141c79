"""The function's environment, read once."""

import json
import os
from dataclasses import dataclass

from cellpainting.errors import InvalidField


@dataclass(frozen=True)
class Settings:
    """What the deployment lists: the bucket, the queues (the first is the default), a job definition per runtime."""

    bucket: str
    job_queues: tuple[str, ...]
    job_definitions: dict[str, str]

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read BUCKET, JOB_QUEUES and JOB_DEFINITIONS; a missing one stops the function at its start."""
        return cls(
            bucket=os.environ["BUCKET"],
            job_queues=tuple(json.loads(os.environ["JOB_QUEUES"])),
            job_definitions=json.loads(os.environ["JOB_DEFINITIONS"]),
        )

    def queue(self, named: str | None) -> str:
        """The ARN of the queue that a request names, or the default one.

        Raises
        ------
        InvalidField
            If the deployment does not list it.
        """
        return _listed("job_queue", named, self.job_queues) if named else self.job_queues[0]

    def definition(self, named: str | None, runtime: str) -> str:
        """The ARN of the job definition that a request names, or the runtime's own.

        Raises
        ------
        InvalidField
            If the deployment does not list it.
        """
        own = self.job_definitions[runtime]
        return _listed("job_definition", named, (own,)) if named else own


def _listed(field: str, named: str, arns: tuple[str, ...]) -> str:
    for arn in arns:
        if named in _names(arn):
            return arn
    raise InvalidField(field, named, f"this deployment lists only {', '.join(arns)}")


def _names(arn: str) -> frozenset[str]:
    """How one resource may be called: by ARN or by name, with or without its revision."""
    without_revision = arn.rpartition(":")[0] if arn.rpartition(":")[2].isdigit() else arn
    return frozenset({arn, without_revision, arn.rpartition("/")[2], without_revision.rpartition("/")[2]})
