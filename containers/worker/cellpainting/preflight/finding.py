"""One thing that is wrong, or may be, with a request."""

from dataclasses import dataclass
from enum import StrEnum

from cellpainting.errors import CellPaintingError


class Severity(StrEnum):
    """An error is what cannot succeed, a warning what would succeed and may not be what was meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """`problem` and `remedy` say the same of all findings of a kind, `subject` is what this one is about.

    `image_sets` are the numbers of the load data's rows, from 0, that an error keeps from being measured; None means
    that it keeps all of them, and none that only the worker can tell which.
    """

    severity: Severity
    subject: str
    problem: str
    remedy: str
    image_sets: tuple[int, ...] | None = None

    @classmethod
    def of_error(cls, subject: str, error: CellPaintingError) -> "Finding":
        """What made planning stop; the messages of errors end in their remedy."""
        problem, separator, remedy = str(error).rpartition("; ")
        return cls(Severity.ERROR, subject, problem if separator else remedy, remedy if separator else "correct it")

    @property
    def stops_all(self) -> bool:
        """Whether nothing could succeed."""
        return self.severity is Severity.ERROR and self.image_sets is None
