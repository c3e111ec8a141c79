"""The one tree of errors. Each message says what is wrong, the value got, and the remedy.

Standard library only: the dispatcher Lambda imports it.
"""

from typing import Any, ClassVar

MOST_QUOTED = 500  # characters of a value


class CellPaintingError(Exception):
    """Root of every error this project raises on purpose."""

    exit_status: ClassVar[int] = 1


class InvalidRequest(CellPaintingError, ValueError):
    """A request that cannot be carried out as it is written. Nothing was spent on it."""

    exit_status = 2


class InvalidField(InvalidRequest):
    """One field of a request is missing, unknown or has a value that cannot be used."""

    def __init__(self, field: str, got: Any, remedy: str) -> None:
        super().__init__(f"field {_short(field)}: got {_short(got)}; {remedy}")
        self.field = field


def _short(value: Any) -> str:
    """A value as it was written; of one that no person would read to its end, the beginning."""
    text = repr(value)
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}... ({len(text)} characters)"


class NoImageSets(InvalidRequest):
    """Load data that is empty, or has nothing but a header."""


class MissingInput(CellPaintingError, FileNotFoundError):
    """A pipeline, folder or image that the request names is not in the storage."""


class CellProfilerNotFound(CellPaintingError, FileNotFoundError):
    """No usable CellProfiler on this machine."""


class CellProfilerFailed(CellPaintingError, RuntimeError):
    """CellProfiler ran and did not deliver what its own image-set list promised."""


class StarfishNotFound(CellPaintingError, FileNotFoundError):
    """No usable starfish on this machine."""


class StorageUnavailable(CellPaintingError, OSError):
    """The storage could not be reached or refused, after retries: the same shard may well succeed later."""

    exit_status = 75  # EX_TEMPFAIL: the one status that the job definition's retry rules try again


class StorageFull(CellPaintingError, OSError):
    """A disk that results are written to has no room left. What was written before it was full is whole."""


class DamagedImage(CellPaintingError, ValueError):
    """An image file that is not whole, or is not an image that can be used."""


class DamagedTable(CellPaintingError, ValueError):
    """A CSV of measurements that is not whole, or is not what its name says. The message is the reason."""


class DamagedFieldOfView(CellPaintingError, ValueError):
    """A file of a field of view that is not the one that its experiment, or the run that decoded it, tells of."""


class InvalidTable(InvalidRequest):
    """A table that a person wrote, such as a platemap, and that cannot be used; the message names file and line."""


class LocalCloudError(CellPaintingError, RuntimeError):
    """The local cloud could not be started or did not come to an end."""
