"""One shard of a `run_cellprofiler` job: fetch, run, check, upload, and the manifest last."""

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inputs import Images, find_damaged, place_images, require_visible
from cellpainting.cellprofiler.log import MARK, ShardLog
from cellpainting.cellprofiler.process import Ended, environment, run_process
from cellpainting.cellprofiler.report import Report, read_report
from cellpainting.cellprofiler.results import publish
from cellpainting.cellprofiler.tables import read_tables
from cellpainting.cellprofiler.verdict import Evidence, judge, judge_failed, require_completion
from cellpainting.errors import CellPaintingError, CellProfilerFailed, MissingInput, StorageUnavailable
from cellpainting.image_digest import image_digest
from cellpainting.jobs import RunCellProfiler, RunRecord
from cellpainting.ledger import (
    ImageSet,
    Manifest,
    Outcome,
    StoredFile,
    is_current,
    list_images,
    stat_pipeline,
    write_plan,
)
from cellpainting.storage import Storage

DRIVER = Path(__file__).with_name("driver.py")
SCRATCH = "CPB_SCRATCH"  # the folder for temporary files, where it is not the system's own


@dataclass
class Shard:
    """A shard at work: what is known of it so far, which is what its manifest will say however it ends."""

    record: RunRecord
    number: int
    bucket: Storage
    images_from: Storage
    cellprofiler: CellProfiler
    scratch: Path
    log: ShardLog
    image_digest: str
    started: float = field(default_factory=time.monotonic)
    pipeline: StoredFile | None = None
    pipeline_sha256: str = ""
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
            pipeline=self.pipeline,
            pipeline_sha256=self.pipeline_sha256,
            inputs=self.inputs,
            outputs=self.outputs,
            cellprofiler_version=self.report.version,
            image_digest=self.image_digest,
            rows=self.rows,
            seconds=round(time.monotonic() - self.started, 3),
            peak_memory_mib=round(self.peak_memory_mib, 1),
            reason=reason,
        )


def run(
    record: RunRecord, number: int, *, bucket: Storage, images_from: Storage, cellprofiler: CellProfiler
) -> Manifest:
    """Do one shard and leave its log and manifest in the bucket, whether it succeeded or not.

    A shard whose manifest says that all its image sets were measured, from the images and the pipeline that are
    there now, is not done again unless the request says `force`. Images are read from `images_from`: the bucket,
    or a file system that shows it.

    Raises
    ------
    StorageUnavailable
        If the bucket fails; no manifest is written and the shard may be tried again.
    """
    earlier = _manifest_at(record.keys.shard(number), bucket)
    job = record.job
    if earlier and not job.force and is_current(earlier, bucket, job.pipeline, job.input):
        print(f"{MARK}shard {number} is done, from the same images and pipeline; 'force' does it again", flush=True)
        return earlier
    earlier = _withdraw(earlier, record, number, bucket)
    with tempfile.TemporaryDirectory(prefix="cpb-", dir=os.environ.get(SCRATCH)) as folder:
        scratch = Path(folder).resolve()  # CellProfiler names files by their resolved paths
        log = ShardLog(scratch / "shard.log")
        shard = Shard(record, number, bucket, images_from, cellprofiler, scratch, log, image_digest())
        try:
            reason = _reason_of_failure(shard, earlier)
        finally:
            log.close()
        bucket.upload(log.path, record.keys.log(number))
        manifest = shard.manifest(reason)
        bucket.write(record.keys.shard(number), manifest.to_json())
        bucket.delete(record.keys.withdrawn(number))
    return manifest


def _manifest_at(key: str, bucket: Storage) -> Manifest | None:
    with suppress(MissingInput):
        return Manifest.from_json(bucket.read(key))
    return None


def _withdraw(earlier: Manifest | None, record: RunRecord, number: int, bucket: Storage) -> Manifest | None:
    """Take back the earlier manifest before its results are touched: if this attempt is interrupted, too, the ledger
    must not count what was measured from other images, or half written over. It is kept aside, since the results
    that it lists and the new run does not make are still to be deleted.
    """
    if earlier is None:
        return _manifest_at(record.keys.withdrawn(number), bucket)
    bucket.write(record.keys.withdrawn(number), earlier.to_json())
    bucket.delete(record.keys.shard(number))
    return earlier


def _reason_of_failure(shard: Shard, earlier: Manifest | None) -> str:
    """Do the work; empty when the shard as a whole went well."""
    try:
        _measure(shard, earlier)
    except StorageUnavailable:
        raise
    except CellPaintingError as error:
        shard.log.tell(f"failed: {error}")
        return str(error)
    return ""


def _measure(shard: Shard, earlier: Manifest | None) -> None:
    shard.pipeline = stat_pipeline(shard.bucket, shard.job.pipeline)
    shard.inputs = list_images(shard.bucket, shard.job.input)
    shard.log.tell(f"placing {len(shard.inputs)} files of {shard.images_from.uri(shard.job.input)}")
    images = place_images(shard.images_from, shard.job.input, shard.inputs, shard.scratch)
    require_visible(images.folder)
    damaged = find_damaged(images)
    for path, reason in damaged.items():
        shard.log.tell(f"damaged: {images.paths[path]}: {reason}")
    ended = _run_cellprofiler(shard, images, damaged)
    shard.peak_memory_mib = ended.peak_memory_mib
    evidence = Evidence(ended, shard.job.timeout_s, shard.scratch / "done", shard.report, damaged)
    results = shard.scratch / "output"
    try:
        require_completion(evidence)
        tables = read_tables(results)
        shard.outcomes = tuple(judge(evidence, tables, shard.planned))
    except CellProfilerFailed as error:
        shard.outcomes = tuple(judge_failed(evidence, str(error), shard.planned))
        raise
    shard.rows = {table.name: table.rows for table in tables}
    shard.log.tell(f"publishing results below {shard.bucket.uri(shard.job.output)}")
    shard.outputs = publish(shard.bucket, results, shard.job.output, earlier)


def _run_cellprofiler(shard: Shard, images: Images, damaged: dict[Path, str]) -> Ended:
    scratch = shard.scratch
    report, damaged_list = scratch / "report.jsonl", scratch / "damaged.txt"
    pipeline = scratch / PurePosixPath(shard.job.pipeline).name
    for folder in ("output", "temporary"):
        (scratch / folder).mkdir()
    content = shard.bucket.read(shard.job.pipeline)
    shard.pipeline_sha256 = hashlib.sha256(content).hexdigest()
    pipeline.write_bytes(content)
    damaged_list.write_text("\n".join(map(str, damaged)))
    report.touch()

    def follow(line: str) -> None:
        shard.log.relay(line)
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
    shard.report = read_report(report)
    _plan(shard, shard.report, images)
    return ended


def _plan(shard: Shard, report: Report, images: Images) -> None:
    """Write plan.csv as soon as CellProfiler has listed the image sets: before they are measured, not after."""
    if shard.planned or not report.image_sets:
        return
    shard.planned = tuple(
        ImageSet.of(shard.number, item.number, item.metadata, _keys(item.files, images)) for item in report.image_sets
    )
    shard.bucket.write(shard.record.keys.plan, write_plan(shard.planned))


def _keys(files: Sequence[Path], images: Images) -> list[str]:
    return [images.paths.get(file, str(file)) for file in files]
