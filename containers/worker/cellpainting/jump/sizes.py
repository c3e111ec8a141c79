"""What a selection would fetch and take on disk, before anything is fetched: a few files are asked for their size."""

import math
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cellpainting.errors import MissingInput
from cellpainting.jobs import DownloadImages
from cellpainting.storage import Sources

WORKERS = 32  # requests on their way at once
JUMP_SIDE_PX = 1080  # of most sources' images, where no crop says how large they are
# Bytes per pixel of the PNG files that are written: the mean of eight fluorescent images of two JUMP plates.
BYTES_PER_PIXEL = {8: 0.33, 16: 1.29}
CONFIDENCE = 1.96  # standard errors to either side that hold the truth in 95 of 100 cases


@dataclass(frozen=True)
class Estimate:
    """A number of bytes, and how far off it is at most in 95 of 100 cases; 0 when all files were asked."""

    size_bytes: float
    margin_bytes: float


@dataclass(frozen=True)
class Sizes:
    """What a selection comes to. `fetched` is None if no file that was asked for is there; `missing` are such files."""

    files: int
    asked: int
    missing: tuple[str, ...]
    fetched: Estimate | None
    written_bytes: float


def estimate_sizes(
    files: Mapping[str, int], asked: Mapping[str, Sequence[str]], job: DownloadImages, sources: Sources
) -> Sizes:
    """Estimate from the sizes of some files; `files` counts all of them by source, `asked` names some of each.

    Raises
    ------
    StorageUnavailable
        If the storage cannot be reached.
    """
    places = [place for named in asked.values() for place in named]
    with ThreadPoolExecutor(WORKERS) as workers:
        sizes = dict(zip(places, workers.map(lambda place: _size(place, sources), places), strict=True))
    known = {source: [size for place in named if (size := sizes[place]) is not None] for source, named in asked.items()}
    total = sum(files.values())
    return Sizes(
        files=total,
        asked=len(places),
        missing=tuple(place for place in places if sizes[place] is None),
        fetched=_sum(files, known) if all(known.values()) and known else None,
        written_bytes=total * _written_bytes(job),
    )


def _size(place: str, sources: Sources) -> int | None:
    storage, key = sources.of(place)
    try:
        return storage.stat(key).size
    except MissingInput:
        return None


def _sum(files: Mapping[str, int], known: Mapping[str, Sequence[int]]) -> Estimate:
    """Each source's mean times its files; the errors of sources add up as those of independent samples do."""
    size = sum(files[source] * statistics.fmean(sizes) for source, sizes in known.items())
    variances = (_variance(files[source], sizes) for source, sizes in known.items())
    return Estimate(size, CONFIDENCE * math.sqrt(sum(variances)))


def _variance(count: int, sizes: Sequence[int]) -> float:
    if len(sizes) < 2 or len(sizes) >= count:
        return 0.0
    return count * (count - len(sizes)) * statistics.variance(sizes) / len(sizes)


def _written_bytes(job: DownloadImages) -> float:
    bits = 16 if job.scaling == "none" else 8
    return (job.crop_height_px or JUMP_SIDE_PX) * (job.crop_width_px or JUMP_SIDE_PX) * BYTES_PER_PIXEL[bits]
