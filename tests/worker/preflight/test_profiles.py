"""Profiles are looked at before they are made: plates that have not what they need are named, and no table is read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cellpainting.errors import CellPaintingError
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.preflight import Preflight, Severity, check_request
from cellpainting.preflight.report import to_document
from cellpainting.storage import FolderStorage
from tests.worker.backend.plates import Watched
from tests.worker.preflight.plates import about
from tests.worker.profiled_plates import (
    BATCH,
    barcodes_text,
    config_text,
    external_text,
    platemap_text,
    put_metadata,
    put_profile,
)

CONFIG = "w/config_files/plates.yml"
MAP = f"w/metadata/platemaps/{BATCH}/platemap/map.txt"
BARCODES = f"w/metadata/platemaps/{BATCH}/barcode_platemap.csv"
EXTERNAL = "w/metadata/external_metadata/moa.tsv"
REQUEST = {"job_type": "make_profiles", "config": CONFIG}
PLATE = {"job_type": "make_profiles", "backend": f"w/backend/{BATCH}/P1", "platemap": MAP, "output": "w/profiles"}
WITH_EXTERNAL = b"annotate: {external: {file: moa.tsv, merge_column: broad_sample}}"


def put_backend(bucket: FolderStorage, plate: str) -> None:
    """Files of 10 bytes each, with the names of a backend's."""
    for name in ("Image", "Cells", "Nuclei"):
        bucket.write(f"w/backend/{BATCH}/{plate}/{name}.parquet", b"x" * 10)


@pytest.fixture
def bucket(tmp_path: Path) -> Watched:
    """A configuration of two plates, with their backends, which remembers what was read."""
    bucket = Watched(tmp_path / "bucket")
    bucket.write(CONFIG, config_text("P1", "P2"))
    put_metadata(bucket, "w", "P1", "P2")
    for plate in ("P1", "P2"):
        put_backend(bucket, plate)
    return bucket


def look(bucket: FolderStorage, request: dict[str, Any] = REQUEST, **fields: Any) -> Preflight:
    document = {**request, **fields}
    return check_request(RunRecord.of(parse_job(document), document), bucket)


def change(bucket: FolderStorage, old: bytes, new: bytes) -> None:
    """Edit the configuration."""
    text = bucket.read(CONFIG)
    assert old in text
    bucket.write(CONFIG, text.replace(old, new))


def told(preflight: Preflight) -> list[tuple[str, Severity]]:
    return [(finding.subject, finding.severity) for finding in preflight.findings]


@pytest.mark.parametrize(("request_of", "plates"), [(REQUEST, 2), (PLATE, 1)])
def test_plates_and_files_are_counted_and_no_table_is_read(
    bucket: Watched, request_of: dict[str, Any], plates: int
) -> None:
    preflight = look(bucket, request_of)
    assert (preflight.findings, preflight.exit_status) == ((), 0)
    outlook = preflight.outlook
    assert (outlook.image_sets, outlook.shards, outlook.groups) == (plates, 1, 1)
    assert (outlook.files, outlook.size_bytes) == (plates * 3, plates * 30)
    assert not [key for key in bucket.was_read if key.endswith(".parquet")]


def test_profile_that_is_there_already_is_what_is_counted(bucket: Watched) -> None:
    bucket.write(CONFIG, config_text("P1", "P2", aggregates="false"))
    put_profile(bucket, "w", "P1")
    preflight = look(bucket)
    assert told(preflight) == [(f"{BATCH}/P2", Severity.WARNING)]
    assert "P2.csv.gz is not there" in preflight.findings[0].problem
    assert preflight.outlook.files == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "plates.yml is not there"), (b"a: [", "is no YAML file"), (b"a: 1", "field 'pipeline'")],
)
def test_configuration_that_cannot_be_used_stops_all(bucket: Watched, text: bytes | None, problem: str) -> None:
    bucket.delete(CONFIG) if text is None else bucket.write(CONFIG, text)
    preflight = look(bucket)
    assert about(preflight.findings, problem) == ["plates"]
    assert preflight.exit_status == 2


def without_backend(bucket: FolderStorage, plate: str) -> None:
    for item in list(bucket.list(f"w/backend/{BATCH}/{plate}")):
        bucket.delete(item.key)


def without_row(bucket: FolderStorage, plate: str) -> None:
    bucket.write(BARCODES, barcodes_text(*({"P1", "P2"} - {plate})))


def with_platemap(bucket: FolderStorage, plate: str, text: bytes | None) -> None:
    bucket.write(BARCODES, bucket.read(BARCODES).replace(f"{plate},map".encode(), f"{plate},own".encode()))
    if text is not None:
        bucket.write(MAP.replace("map.txt", "own.txt"), text)


def without_platemap(bucket: FolderStorage, plate: str) -> None:
    with_platemap(bucket, plate, None)


def with_bad_platemap(bucket: FolderStorage, plate: str) -> None:
    with_platemap(bucket, plate, b"well_position\tbroad_sample\nA01\ta\nA01\tb\n")


def with_empty_platemap(bucket: FolderStorage, plate: str) -> None:
    with_platemap(bucket, plate, b"well_position\tbroad_sample\tcontrol_type\n")


DAMAGES = [
    (without_backend, "there is no backend at"),
    (without_row, "has no row for plate"),
    (without_platemap, "own.txt is not there"),
    (with_bad_platemap, "has 'A01' in lines 2, 3"),
    (with_empty_platemap, "a header and no row"),
]


@pytest.mark.parametrize(("damage", "problem"), DAMAGES)
def test_plate_that_lacks_something_is_a_warning_while_another_is_whole(
    bucket: Watched, damage: Any, problem: str
) -> None:
    damage(bucket, "P2")
    preflight = look(bucket)
    assert told(preflight) == [(f"{BATCH}/P2", Severity.WARNING)]
    assert about(preflight.findings, problem)
    assert (preflight.exit_status, preflight.is_hopeless) == (0, False)


@pytest.mark.parametrize(("damage", "problem"), [DAMAGES[0], DAMAGES[2], DAMAGES[3]])
def test_no_plate_that_is_whole_is_an_error(bucket: Watched, damage: Any, problem: str) -> None:
    for plate in ("P1", "P2"):
        damage(bucket, plate)
    preflight = look(bucket)
    assert told(preflight) == [(f"{BATCH}/{plate}", Severity.ERROR) for plate in ("P1", "P2")]
    assert len(about(preflight.findings, problem)) == 2
    assert preflight.exit_status == 2


def test_plate_without_negative_controls_is_a_warning_as_the_whole_plate_can_be_normal(bucket: Watched) -> None:
    for plate in ("P1", "P2"):
        with_platemap(bucket, plate, platemap_text(negative=()))
    preflight = look(bucket)
    assert told(preflight) == [(f"{BATCH}/{plate}", Severity.WARNING) for plate in ("P1", "P2")]
    assert len(about(preflight.findings, "has no negative control")) == 2
    assert preflight.exit_status == 0


def test_without_negative_controls_nothing_can_be_normalized_to_them(bucket: Watched) -> None:
    bucket.write(MAP, platemap_text(negative=()))
    change(bucket, b"normalize: {}\n", b"")
    assert look(bucket).exit_status == 2
    change(bucket, b"normalize_negcon: {}\n", b"normalize: {}\n")
    assert look(bucket).findings == ()


def test_negative_controls_may_be_told_by_external_metadata(bucket: Watched) -> None:
    change(bucket, b"annotate: {}", WITH_EXTERNAL)
    change(bucket, b"pipeline: small", b"pipeline: small\ncontrols: {column: moa, negative: [moa of DMSO]}")
    bucket.write(EXTERNAL, external_text())
    assert look(bucket).findings == ()
    bucket.write(EXTERNAL, external_text().replace(b"moa of DMSO", b"vehicle"))
    assert about(look(bucket).findings, "'moa of DMSO' is looked for") == [f"{BATCH}/P1", f"{BATCH}/P2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "moa.tsv is not there"),
        (b"broad_sample\tmoa\nDMSO\ta\nDMSO\tb\n", "has 'DMSO' in lines 2, 3"),
        (b"sample\tmoa\nDMSO\ta\n", "no column 'Metadata_broad_sample'"),
    ],
)
def test_external_metadata_that_cannot_be_used_stops_all(bucket: Watched, text: bytes | None, problem: str) -> None:
    change(bucket, b"annotate: {}", WITH_EXTERNAL)
    if text is not None:
        bucket.write(EXTERNAL, text)
    preflight = look(bucket)
    assert about(preflight.findings, problem) == ["plates"]
    assert preflight.exit_status == 2


def test_profiles_among_the_backends_stop_all(bucket: Watched) -> None:
    change(bucket, b"output_dir: profiles", b"output_dir: backend")
    preflight = look(bucket)
    assert about(preflight.findings, "where the backends are") == ["plates"]
    assert preflight.exit_status == 2


@pytest.mark.parametrize("missing", [MAP, f"w/backend/{BATCH}/P1/Image.parquet"])
def test_plate_whose_files_are_not_there_is_an_error(bucket: Watched, missing: str) -> None:
    bucket.delete(missing)
    preflight = look(bucket, PLATE)
    assert told(preflight) == [(f"{BATCH}/P1", Severity.ERROR)]
    assert preflight.exit_status == 2


def test_progress_is_told_plate_by_plate(bucket: Watched) -> None:
    heard: list[tuple[int, int]] = []
    record = RunRecord.of(parse_job(REQUEST), REQUEST)
    check_request(record, bucket, lambda done, total: heard.append((done, total)))
    assert heard == [(1, 2), (2, 2)]


def test_what_reads_platemaps_is_imported_for_profiles_alone() -> None:
    script = "import sys, cellpainting.cli.preflight; sys.exit(bool({'pandas', 'polars', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_what_reads_platemaps_it_is_told_what_to_install(
    bucket: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cellpainting.preflight.profiles", raising=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CellPaintingError, match=r"pandas is not installed.*pip install 'cellpainting\[profiling\]'"):
        look(bucket)


def test_all_of_it_can_be_printed_as_json(bucket: Watched) -> None:
    without_backend(bucket, "P2")
    (document,) = json.loads(json.dumps(to_document([look(bucket)])))["requests"]
    assert document["would_run"]["image_sets"] == 2
    assert [finding["subject"] for finding in document["findings"]] == [f"{BATCH}/P2"]
