"""No single signal is believed: each way in which CellProfiler says too much or too little is caught."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.cellprofiler.process import Ended
from cellpainting.cellprofiler.report import Report, ReportedImageSet
from cellpainting.cellprofiler.tables import Table, read_tables
from cellpainting.cellprofiler.verdict import Evidence, judge, require_completion
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import ImageSet, State

FILES = {number: (Path(f"/images/{number}.tif"),) for number in (1, 2)}
PLANNED = [ImageSet(shard=0, number=number, well=f"A0{number}") for number in (1, 2)]
REPORT = Report(
    version="4.2.8.1",
    image_sets=tuple(ReportedImageSet(number, {}, files) for number, files in FILES.items()),
    modules=("IdentifyPrimaryObjects", "ExportToSpreadsheet"),
    measured=frozenset({1, 2}),
)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """A run in which everything went well."""
    (tmp_path / "done").write_text("Complete\n")
    return Evidence(Ended(0, False, 500.0), 60, tmp_path / "done", REPORT, {})


def image_table(counts: dict[int, float]) -> Table:
    return Table("Image.csv", len(counts), frozenset(counts), True, counts)


def states(evidence: Evidence, tables: Sequence[Table]) -> list[State]:
    return [outcome.state for outcome in judge(evidence, tables, PLANNED)]


def test_good_run_is_done(evidence: Evidence) -> None:
    require_completion(evidence)
    assert states(evidence, [image_table({1: 5, 2: 7})]) == [State.DONE, State.DONE]


@pytest.mark.parametrize(
    ("status", "timed_out", "done", "reason"),
    [
        (0, False, None, "done file 'absent'"),
        (0, False, "Failure\n", "done file 'Failure'"),
        (255, False, "Failure\n", "status 255"),
        (1, False, "Complete\n", "status 1"),
        (-9, False, None, "killed from outside"),
        (-9, True, None, "timeout_s=60"),
    ],
)
def test_run_that_did_not_complete_is_failed(
    evidence: Evidence, status: int, timed_out: bool, done: str | None, reason: str
) -> None:
    evidence.done_file.write_text(done) if done else evidence.done_file.unlink()
    with pytest.raises(CellProfilerFailed, match=reason):
        require_completion(replace(evidence, ended=Ended(status, timed_out, 1.0)))


def test_complete_with_exit_zero_and_no_image_set_is_failed(evidence: Evidence) -> None:
    nothing = replace(REPORT, image_sets=(), errors=("The pipeline did not identify any image sets.",))
    with pytest.raises(CellProfilerFailed, match="did not identify any image sets"):
        require_completion(replace(evidence, report=nothing))


def test_measured_image_set_without_a_row_is_failed(evidence: Evidence) -> None:
    assert states(evidence, [image_table({1: 5})]) == [State.DONE, State.FAILED]


def test_image_set_whose_last_module_did_not_run_is_failed(evidence: Evidence) -> None:
    half = replace(evidence, report=replace(REPORT, measured=frozenset({2})))
    assert states(half, [image_table({1: 5, 2: 7})]) == [State.FAILED, State.DONE]


def test_image_set_in_which_nothing_was_found_has_no_cells(evidence: Evidence) -> None:
    assert states(evidence, [image_table({1: 0, 2: 7})]) == [State.NO_CELLS, State.DONE]


def test_damaged_file_is_the_reason_of_its_image_set(evidence: Evidence) -> None:
    damaged = replace(
        evidence,
        damaged={FILES[2][0]: "the file is empty"},
        report=replace(REPORT, measured=frozenset({1}), failed={2: "Images: DamagedImage"}),
    )
    outcomes = judge(damaged, [image_table({1: 5})], PLANNED)
    assert [outcome.state for outcome in outcomes] == [State.DONE, State.INPUT_DAMAGED]
    assert outcomes[1].reason == "2.tif: the file is empty"


def test_rows_of_image_sets_that_nobody_planned_are_a_failure(evidence: Evidence) -> None:
    with pytest.raises(CellProfilerFailed, match=r"not measured: \[3\]"):
        states(evidence, [image_table({1: 5, 2: 7, 3: 1})])


def test_export_that_left_no_table_is_a_failure(evidence: Evidence) -> None:
    with pytest.raises(CellProfilerFailed, match="left no table"):
        states(evidence, [])


def test_pipeline_without_export_needs_no_table(evidence: Evidence) -> None:
    only_images = replace(evidence, report=replace(REPORT, modules=("SaveImages",)))
    assert states(only_images, []) == [State.DONE, State.DONE]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"ImageNumber,Count_Cells\n1,2\n2\n", "row 3 has 1 fields, the header 2"),
        (b"", "no column ImageNumber"),
        (b"ImageNumber,Metadata_Well\n1,\xff\xfe\n", "not a CSV in UTF-8"),
        (b"ImageNumber\none\n", "data row 1: .*'one'"),
    ],
)
def test_table_that_does_not_parse_is_named_with_its_row(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Image.csv").write_bytes(content)
    with pytest.raises(CellProfilerFailed, match=f"sub/Image.csv: {reason}"):
        read_tables(tmp_path)


def test_tables_of_several_objects_and_of_the_experiment_are_understood(tmp_path: Path) -> None:
    (tmp_path / "Experiment.csv").write_text('Key,Value\nPipeline,"several\nlines"\n')
    (tmp_path / "MyExpt_Image.csv").write_text("ImageNumber,Count_Cells,Count_Nuclei\n1,2,3\n2,0,0\n")
    (tmp_path / "Combined.csv").write_text("Image,Cells,Nuclei\nImageNumber,ObjectNumber,Area\n1,1,7\n1,2,8\n")
    combined, image = read_tables(tmp_path)
    assert (combined.rows, combined.image_numbers, combined.is_image_table) == (2, frozenset({1}), False)
    assert image.is_image_table
    assert image.objects_per_image == {1: 5.0, 2: 0.0}
