"""One shard of a `run_cellprofiler` job: fetch, run, check, upload, and the manifest last."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inputs import Images, find_damaged, list_images, place_images
from cellpainting.cellprofiler.process import Ended, environment, run_process
from cellpainting.cellprofiler.report import Report, read_report
from cellpainting.cellprofiler.results import publish
from cellpainting.cellprofiler.tables import read_tables
from cellpainting.cellprofiler.verdict import Evidence, judge, require_completion
from cellpainting.errors import CellPaintingError, MissingInput, StorageUnavailable
from cellpainting.image_digest import image_digest
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger import ImageSet, Manifest, Outcome, State, StoredFile, write_plan
from cellpainting.storage import Storage

DRIVER = Path(__file__).with_name("driver.py")

Log = Callable[[str], None]


@dataclass
class Shard:
    """A shard at work: what is known of it so far, which is what its manifest will say however it ends."""

    record: RunRecord
    number: int
    bucket: Storage
    images_from: Storage
    cellprofiler: CellProfiler
    log: Log
    started: float = field(default_factory=time.monotonic)
    pipeline: bytes = b""
    inputs: tuple[StoredFile, ...] = ()
    outputs: tuple[StoredFile, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    planned: tuple[ImageSet, ...] = ()
    peak_memory_mib: float = 0.0

    @property
    def job(self) -> RunCellProfiler:
        return self.record.job

    def manifest(self, reason: str = "") -> Manifest:
        """The manifest as things stand."""
        return Manifest(
            shard=self.number,
            outcomes=self.outcomes,
            inputs=self.inputs,
            outputs=self.outputs,
            pipeline_sha256=hashlib.sha256(self.pipeline).hexdigest(),
            cellprofiler_version=self.report.version,
            image_digest=image_digest(),
            rows=self.rows,
            seconds=round(time.monotonic() - self.started, 3),
            peak_memory_mib=round(self.peak_memory_mib, 1),
            reason=reason,
        )


def run(
    record: RunRecord,
    number: int,
    *,
    bucket: Storage,
    images_from: Storage,
    cellprofiler: CellProfiler,
    log: Log,
) -> Manifest:
    """Do one shard and leave its manifest in the bucket, whether it succeeded or not.

    A shard whose manifest says that all its image sets were measured, from the same inputs and pipeline, is not
    done again unless the request says `force`.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; no manifest is written and the shard may be tried again.
    """
    shard = Shard(record, number, bucket, images_from, cellprofiler, log)
    earlier = _earlier_manifest(shard)
    try:
        shard.pipeline = bucket.read(shard.job.pipeline)
        shard.inputs = list_images(images_from, shard.job.input)
        if earlier is not None and _is_done(shard, earlier):
            log(f"shard {number} is done already, from the same images and pipeline; 'force' does it again")
            return earlier
        _measure(shard, earlier)
        manifest = shard.manifest()
    except StorageUnavailable:
        raise
    except CellPaintingError as error:
        shard.outcomes = shard.outcomes or tuple(Outcome(p, State.FAILED, str(error)) for p in shard.planned)
        manifest = shard.manifest(reason=str(error))
    bucket.write(record.keys.shard(number), manifest.to_json())
    return manifest


def _earlier_manifest(shard: Shard) -> Manifest | None:
    with suppress(MissingInput):
        return Manifest.from_json(shard.bucket.read(shard.record.keys.shard(shard.number)))
    return None


def _is_done(shard: Shard, earlier: Manifest) -> bool:
    same_pipeline = earlier.pipeline_sha256 == hashlib.sha256(shard.pipeline).hexdigest()
    return earlier.is_success and earlier.inputs == shard.inputs and same_pipeline and not shard.job.force


def _measure(shard: Shard, earlier: Manifest | None) -> None:
    with tempfile.TemporaryDirectory(prefix="cpb-", dir=os.environ.get("CPB_SCRATCH")) as scratch_name:
        scratch = Path(scratch_name)
        shard.log(f"placing {len(shard.inputs)} files of {shard.images_from.uri(shard.job.input)}")
        images = place_images(shard.images_from, shard.job.input, shard.inputs, scratch)
        damaged = find_damaged(images)
        for path, reason in damaged.items():
            shard.log(f"damaged: {images.paths[path]}: {reason}")
        ended = _run_cellprofiler(shard, images, damaged, scratch)
        shard.peak_memory_mib = ended.peak_memory_mib
        evidence = Evidence(ended, shard.job.timeout_s, scratch / "done", shard.report, damaged)
        require_completion(evidence)
        tables = read_tables(scratch / "output")
        shard.outcomes = tuple(judge(evidence, tables, shard.planned))
        shard.rows = {table.name: table.rows for table in tables}
        shard.log(f"publishing results below {shard.bucket.uri(shard.job.output)}")
        shard.outputs = publish(shard.bucket, scratch / "output", shard.job.output, earlier)


def _run_cellprofiler(shard: Shard, images: Images, damaged: dict[Path, str], scratch: Path) -> Ended:
    report, damaged_list = scratch / "report.jsonl", scratch / "damaged.txt"
    pipeline = scratch / PurePosixPath(shard.job.pipeline).name
    for folder in ("output", "temporary"):
        (scratch / folder).mkdir()
    pipeline.write_bytes(shard.pipeline)
    damaged_list.write_text("\n".join(map(str, damaged)))
    report.touch()

    def follow(line: str) -> None:
        print(line, flush=True)
        if not shard.planned:
            _plan(shard, read_report(report), images)

    arguments = [str(shard.cellprofiler.python), str(DRIVER), str(report), str(damaged_list), "--"]
    arguments += ["-c", "-r", "--always-continue", "-p", str(pipeline), "-i", str(images.folder)]
    arguments += ["-o", str(scratch / "output"), "-t", str(scratch / "temporary"), "-d", str(scratch / "done")]
    ended = run_process(
        arguments,
        variables=environment(scratch),
        directory=scratch,
        timeout_s=shard.job.timeout_s,
        on_line=follow,
    )
    _plan(shard, read_report(report), images)
    return ended


def _plan(shard: Shard, report: Report, images: Images) -> None:
    """Write plan.csv as soon as CellProfiler has listed the image sets: before they are measured, not after."""
    shard.report = report
    if shard.planned or not report.image_sets:
        return
    shard.planned = tuple(
        ImageSet.of(shard.number, item.number, item.metadata, _keys(item.files, images)) for item in report.image_sets
    )
    shard.bucket.write(shard.record.keys.plan, write_plan(shard.planned))


def _keys(files: Sequence[Path], images: Images) -> list[str]:
    return [images.paths.get(file, str(file)) for file in files]
