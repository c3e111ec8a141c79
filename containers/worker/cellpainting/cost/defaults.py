"""What work takes as long as nobody has measured it: by job type and, of CellProfiler, by what its pipeline does.

The seconds are those of docs/benchmarks.md, on a virtual machine with 2 cores of an Intel Xeon.
"""

from dataclasses import replace

from cellpainting.cost.usage import Usage
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs import (
    BuildBackend,
    DecodeFovs,
    DownloadImages,
    Job,
    MakeProfiles,
    MakeReport,
    MergeFovs,
    RunCellProfiler,
)
from cellpainting.pipelines import parse_pipeline
from cellpainting.storage.base import Storage

MB = 1_000_000

ANALYSIS = Usage(
    shard_s=5,
    image_set_s=96,
    reads=10,
    writes=7,
    written_bytes=7 * MB,
    source="default: the published a549 analysis took 96 s for a site of five channels, 1080 x 1080 pixels",
)
ILLUMINATION = Usage(
    shard_s=5,
    image_set_s=1.1,
    reads=5,
    writes=0,
    written_bytes=0,
    source="default: the published a549 illumination took 1.1 s for a site of five channels, 1080 x 1080 pixels",
)
WHOLE_IMAGES = Usage(
    shard_s=5,
    image_set_s=10,
    reads=5,
    writes=4,
    written_bytes=0.1 * MB,
    source="default: assumed for pipelines that find no objects (MeasureImageQuality takes 6 s of the a549 analysis)",
)
# The same work with a request's `accelerate`.
ACCELERATED = {
    ANALYSIS: replace(
        ANALYSIS,
        image_set_s=6.5,
        source="default: the published a549 analysis took 6.5 s, accelerated; five channels, 1080 x 1080 pixels",
    ),
    WHOLE_IMAGES: replace(
        WHOLE_IMAGES,
        image_set_s=3,
        source="default: assumed for pipelines that find no objects (MeasureImageQuality takes 1 s, accelerated)",
    ),
}
OTHERS: dict[type[Job], Usage] = {
    DownloadImages: Usage(
        shard_s=2,
        image_set_s=0.12,
        reads=5,
        writes=5,
        written_bytes=2 * MB,
        source="default: images of JUMP, five to a site, were made at 41 a second and vCPU",
    ),
    BuildBackend: Usage(
        shard_s=3,
        image_set_s=0.13,
        reads=5,
        writes=0,
        written_bytes=7 * MB,
        source="default: a plate of 3,456 sites took 64 ms a site on two vCPUs, with SQLite",
    ),
    MakeProfiles: Usage(
        shard_s=10,
        image_set_s=0,
        reads=5,
        writes=20,
        written_bytes=0,
        source="default: the profiles of a plate of 384 wells took 10 s",
    ),
    MakeReport: Usage(
        shard_s=4,
        image_set_s=0,
        reads=20,
        writes=1,
        written_bytes=0,
        source="default: the page of a plate of 384 wells took 3.6 s",
    ),
    DecodeFovs: Usage(
        shard_s=2,
        image_set_s=26,
        reads=32,
        writes=2,
        written_bytes=1 * MB,
        source="default: a field of 1,200 x 1,200 pixels, four rounds and channels, took starfish 26 s",
    ),
    MergeFovs: Usage(
        shard_s=5,
        image_set_s=0,
        reads=0,
        writes=2,
        written_bytes=1 * MB,
        source="default: three decoded fields were merged in 2.6 s",
    ),
}


def default_usage(job: Job, storage: Storage) -> Usage:
    """What a request of this kind takes by default. A pipeline that cannot be read counts as an analysis."""
    if not isinstance(job, RunCellProfiler):
        return OTHERS[type(job)]
    usage = _of_pipeline(job, storage)
    return ACCELERATED.get(usage, usage) if job.accelerate else usage


def _of_pipeline(job: RunCellProfiler, storage: Storage) -> Usage:
    try:
        pipeline = parse_pipeline(storage.read(job.pipeline), job.pipeline)
    except (InvalidRequest, MissingInput):
        return ANALYSIS
    if pipeline.aggregates:
        return ILLUMINATION
    finds_objects = any(module.enabled and module.name.startswith("Identify") for module in pipeline.modules)
    return ANALYSIS if finds_objects else WHOLE_IMAGES
