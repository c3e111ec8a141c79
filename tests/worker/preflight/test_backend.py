"""A backend is looked at before it is built: its CSVs are counted, and what could not be used of them is named."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cellpainting.backend.report import REPORT
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import GroupResult, ImageSet, Manifest, Outcome, State, StoredFile, write_plan
from cellpainting.preflight import Preflight, Severity, check_request
from cellpainting.preflight.outlook import TableFiles
from cellpainting.preflight.report import print_preflights, to_document
from cellpainting.storage import FolderStorage, StoredObject
from tests.worker.preflight.plates import about

ANALYSIS = "p/analysis/B1/P1"
REQUEST = {"job_type": "build_backend", "analysis": ANALYSIS, "output": "p/backend", "batch": "B1", "plate": "P1"}
TABLES = ("Image", "Cells", "Nuclei")
SITES = ("P1-A01-1", "P1-A01-2", "P1-A02-1")
RUN = "plate-1"
MEASURED = {"pipeline": "p/a.cppipe", "load_data": "p/load_data.csv", "output": "p/analysis/B1", "run": RUN}
KEYS = RunKeys(RUN)


def put_site(bucket: FolderStorage, site: str, tables: Sequence[str] = TABLES) -> tuple[StoredFile, ...]:
    """The CSVs of one folder, 10 bytes each."""
    keys = [f"{ANALYSIS}/{site}/{table}.csv" for table in tables]
    for key in keys:
        bucket.write(key, b"x" * 10)
    return tuple(StoredFile.of(bucket.stat(key)) for key in keys)


@pytest.fixture
def bucket(tmp_path: Path) -> FolderStorage:
    """Three folders with the CSVs of an image set each, and what else an analysis leaves."""
    bucket = FolderStorage(tmp_path / "bucket")
    for site in SITES:
        put_site(bucket, site)
        bucket.write(f"{ANALYSIS}/{site}/outlines/{site}.png", b"outlines")
    bucket.write(f"{ANALYSIS}/Experiment.csv", b"x" * 10)
    return bucket


def look(bucket: FolderStorage, **fields: Any) -> Preflight:
    document = {**REQUEST, **fields}
    return check_request(RunRecord.of(parse_job(document), document), bucket)


def problems(preflight: Preflight) -> list[str]:
    return [finding.problem for finding in preflight.findings]


def printed(preflight: Preflight) -> str:
    text = StringIO()
    print_preflights([preflight], Console(file=text, width=200))
    return text.getvalue()


def test_files_of_each_table_are_counted_and_none_is_read(bucket: FolderStorage) -> None:
    class Unread(FolderStorage):
        def read(self, key: str) -> bytes:
            raise AssertionError(f"{key} was read")

    preflight = look(Unread(bucket.root), job_vcpu=2)
    assert (preflight.findings, preflight.exit_status) == ((), 0)
    outlook = preflight.outlook
    assert (outlook.image_sets, outlook.groups, outlook.shards, outlook.vcpus) == (None, 1, 1, 2)
    assert (outlook.files, outlook.size_bytes) == (9, 90)
    assert outlook.tables == tuple(TableFiles(name, 3, 30) for name in TABLES)


def test_counts_are_a_table_for_people_and_a_list_for_programs(bucket: FolderStorage) -> None:
    preflight = look(bucket)
    text = printed(preflight)
    assert "│ Nuclei │ 3     │ 30 bytes │" in text
    assert "?: only the worker can tell" in text
    (document,) = json.loads(json.dumps(to_document([preflight])))["requests"]
    assert document["would_run"]["tables"][0] == {"name": "Image", "files": 3, "size_bytes": 30}


def test_only_the_tables_that_are_asked_for_are_counted(bucket: FolderStorage) -> None:
    outlook = look(bucket, compartments=["Cells"]).outlook
    assert [table.name for table in outlook.tables] == ["Image", "Cells"]
    assert outlook.files == 6


@pytest.mark.parametrize("names", [("image", "CELLS"), ("MyExpt_Image", "MyExpt_Cells")])
def test_csvs_may_be_written_in_any_case_and_with_a_prefix(tmp_path: Path, names: tuple[str, str]) -> None:
    bucket = FolderStorage(tmp_path)
    put_site(bucket, "all", names)
    preflight = look(bucket)
    assert preflight.findings == ()
    assert [(table.name, table.files) for table in preflight.outlook.tables] == [("Image", 1), ("Cells", 1)]


@pytest.mark.parametrize(
    ("tables", "problem"),
    [((), "there is no CSV"), (("Cells", "Nuclei"), "no folder has an Image.csv")],
)
def test_without_any_table_of_image_sets_nothing_could_succeed(
    tmp_path: Path, tables: tuple[str, ...], problem: str
) -> None:
    bucket = FolderStorage(tmp_path)
    put_site(bucket, "P1-A01-1", tables)
    preflight = look(bucket)
    assert about(preflight.findings, problem) == [bucket.uri(ANALYSIS)]
    assert preflight.exit_status == 2
    assert "nothing of it could succeed" in printed(preflight)


def test_folder_of_objects_without_their_image_sets_costs_itself_only(bucket: FolderStorage) -> None:
    bucket.delete(f"{ANALYSIS}/P1-A01-2/Image.csv")
    preflight = look(bucket)
    assert about(preflight.findings, "no Image.csv") == [f"{ANALYSIS}/P1-A01-2"]
    assert (preflight.exit_status, preflight.outlook.files) == (1, 6)
    assert "a part of it could not succeed" in printed(preflight)


def test_results_that_lie_inside_the_analysis_are_not_counted(bucket: FolderStorage) -> None:
    for name in ("P2.csv", REPORT):
        bucket.write(f"{ANALYSIS}/backend/B1/P2/{name}", b"made of another plate's CSVs")
    preflight = look(bucket, output=f"{ANALYSIS}/backend")
    assert (preflight.findings, preflight.outlook.files) == ((), 9)


def test_csv_that_differs_from_another_by_case_only_is_named(bucket: FolderStorage) -> None:
    put_site(bucket, "P1-A01-1", ["CELLS"])
    preflight = look(bucket)
    (left_out,) = about(preflight.findings, "but for its case")
    assert left_out.casefold() == f"{ANALYSIS}/P1-A01-1/cells.csv".casefold()
    assert preflight.exit_status == 1


def test_a_preflight_needs_nothing_of_what_only_the_worker_has() -> None:
    script = "import sys, cellpainting.cli.main; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_table_that_is_asked_for_and_nowhere_is_an_error(bucket: FolderStorage) -> None:
    preflight = look(bucket, compartments=["Cells", "Speckles"])
    assert about(preflight.findings, "the tables are Cells, Nuclei") == ["Speckles"]
    assert preflight.exit_status == 1
    assert look(bucket, compartments=["Speckles"]).exit_status == 2


def test_what_is_in_a_file_of_all_tables_is_not_known(bucket: FolderStorage) -> None:
    put_site(bucket, "P1-A03-1", ("Image", "Object"))
    preflight = look(bucket, compartments=["Cells", "Speckles"])
    assert preflight.findings == ()
    assert [table.name for table in preflight.outlook.tables] == ["Image", "Cells", "Object"]


def test_names_of_the_ingest_configuration_are_those_that_are_looked_for(bucket: FolderStorage) -> None:
    bucket.write("p/config.ini", b"[filenames]\nimage = Sites.csv\n")
    put_site(bucket, "P1-A03-1", ("Sites", "Cells"))
    preflight = look(bucket, ingest_config="p/config.ini")
    assert about(preflight.findings, "no Sites.csv") == [f"{ANALYSIS}/{site}" for site in SITES]


@pytest.mark.parametrize(("text", "problem"), [(None, "is not there"), (b"image: [", "is no ingest configuration")])
def test_ingest_configuration_that_cannot_be_read_stops_all(
    bucket: FolderStorage, text: bytes | None, problem: str
) -> None:
    if text is not None:
        bucket.write("p/config.ini", text)
    preflight = look(bucket, ingest_config="p/config.ini")
    assert problem in problems(preflight)[0]
    assert preflight.exit_status == 2


class MeasuredRun:
    """A run that has measured the three sites, site by site, each a group and a shard."""

    def __init__(self, bucket: FolderStorage) -> None:
        self.bucket = bucket
        self.image_sets = [
            ImageSet(shard, 1, f"P1/{site}", plate="P1", well=site[3:6], site=site[-1])
            for shard, site in enumerate(SITES)
        ]
        bucket.write(KEYS.request, json.dumps(MEASURED).encode())
        bucket.write(KEYS.plan, write_plan(self.image_sets))

    def finish(self, shard: int, state: State = State.DONE) -> None:
        outputs = put_site(self.bucket, SITES[shard])
        outcome = Outcome(self.image_sets[shard], state)
        group = GroupResult(f"P1/{SITES[shard]}", (outcome,), (), outputs, {"Cells.csv": 1}, 1.0, 1.0)
        manifest = Manifest(shard, (group,), None, "", (), "4.2.8.1", "", 1.0, 1.0)
        self.bucket.write(KEYS.shard(shard), manifest.to_json())


@pytest.fixture
def run(tmp_path: Path) -> MeasuredRun:
    return MeasuredRun(FolderStorage(tmp_path / "bucket"))


def test_of_a_run_what_its_manifests_list_is_counted_without_a_look_at_the_folder(run: MeasuredRun) -> None:
    class Unlisted(FolderStorage):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            assert prefix.startswith(KEYS.folder)
            return super().list(prefix)

    for shard in range(3):
        run.finish(shard)
    put_site(run.bucket, "of another run")
    preflight = look(Unlisted(run.bucket.root), analysis=f"runs/{RUN}/")
    assert (preflight.findings, preflight.exit_status) == ((), 0)
    assert (preflight.outlook.image_sets, preflight.outlook.files) == (3, 9)


def test_image_sets_of_a_run_that_are_not_done_are_counted_in_a_warning(run: MeasuredRun) -> None:
    run.finish(0)
    run.finish(1, State.QUARANTINED)
    preflight = look(run.bucket, analysis=f"runs/{RUN}")
    (finding,) = preflight.findings
    assert (finding.severity, finding.subject) == (Severity.WARNING, "plate-1: 2 of 3 image sets")
    assert (preflight.exit_status, preflight.outlook.image_sets) == (0, 1)


def test_image_sets_of_other_plates_may_be_left(run: MeasuredRun) -> None:
    other = ImageSet(3, 1, "P2/P2-A01-1", plate="P2", well="A01", site="1")
    run.bucket.write(KEYS.plan, write_plan([*run.image_sets, other]))
    for shard in range(3):
        run.finish(shard)
    assert look(run.bucket, analysis=f"runs/{RUN}").findings == ()


def test_run_without_any_result_is_an_error(run: MeasuredRun) -> None:
    preflight = look(run.bucket, analysis=f"runs/{RUN}")
    assert "has no results yet" in problems(preflight)[0]
    assert preflight.exit_status == 2


def test_plate_of_which_nothing_is_done_is_an_error(run: MeasuredRun) -> None:
    other = ImageSet(0, 1, "P2/P2-A01-1", plate="P2", well="A01", site="1")
    run.image_sets[0] = other
    run.bucket.write(KEYS.plan, write_plan(run.image_sets))
    run.finish(0)
    preflight = look(run.bucket, analysis=f"runs/{RUN}")
    assert "none of the 2 image sets of the plate 'P1' is done" in problems(preflight)[0]
    assert preflight.exit_status == 2


def test_plate_that_the_run_has_not_is_an_error_that_names_those_it_has(run: MeasuredRun) -> None:
    run.finish(0)
    preflight = look(run.bucket, analysis=f"runs/{RUN}", plate="P7")
    assert "no image set of the plate 'P7', its plates are: P1" in problems(preflight)[0]
    assert preflight.exit_status == 2


def test_run_that_does_not_exist_is_an_error(bucket: FolderStorage) -> None:
    preflight = look(bucket, analysis="runs/plate-7")
    assert "there is no run 'plate-7'" in problems(preflight)[0]
    assert preflight.exit_status == 2


def test_run_of_another_type_is_an_error(bucket: FolderStorage) -> None:
    bucket.write(RunKeys("backend-1").request, json.dumps(REQUEST).encode())
    preflight = look(bucket, analysis="runs/backend-1")
    assert "of the type build_backend, which measures nothing" in problems(preflight)[0]
    assert preflight.exit_status == 2


def test_progress_is_told_once_the_files_are_listed(bucket: FolderStorage) -> None:
    told: list[tuple[int, int]] = []
    record = RunRecord.of(parse_job(REQUEST), REQUEST)
    check_request(record, bucket, lambda done, total: told.append((done, total)))
    assert told == [(len(list(bucket.list(ANALYSIS))),) * 2]
