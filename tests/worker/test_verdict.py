"""No single signal is believed: each way in which CellProfiler says too much or too little is caught."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cellpainting.cellprofiler.report import Ending, Report, ReportedImageSet
from cellpainting.cellprofiler.tables import Table, read_tables
from cellpainting.cellprofiler.verdict import find_culprits, find_failure, judge
from cellpainting.errors import CellProfilerFailed
from cellpainting.ledger import Cause, ImageSet, State

IMAGE_SETS = {number: ImageSet(shard=0, number=number, well=f"A0{number}") for number in (1, 2)}
REPORT = Report(
    ending=Ending("Complete"),
    image_sets=tuple(ReportedImageSet(number, {}, frozenset({Path(f"/images/{number}.tif")})) for number in (1, 2)),
    modules=("IdentifyPrimaryObjects", "ExportToSpreadsheet"),
    measured=frozenset({1, 2}),
)
STOPPED_AT_2 = replace(REPORT, measured=frozenset({1}), at_work=2, at_work_s=50.0)
KILLED, CRASHED = Ending("", exit_status=-9), Ending("", exit_status=-11)


def image_table(counts: dict[int, float]) -> Table:
    return Table("Image.csv", len(counts), frozenset(counts), True, counts)


def states(report: Report, tables: Sequence[Table]) -> list[State]:
    return [outcome.state for outcome in judge(report, tables, IMAGE_SETS)]


def test_good_run_is_done() -> None:
    assert find_failure(REPORT, 60) is None
    assert states(REPORT, [image_table({1: 5, 2: 7})]) == [State.DONE, State.DONE]


@pytest.mark.parametrize(
    ("ending", "cause", "reason"),
    [
        (Ending("absent"), Cause.PIPELINE_ERROR, "status 'absent'"),
        (Ending("Failure"), Cause.PIPELINE_ERROR, "status 'Failure'"),
        (Ending("", exit_status=1), Cause.PIPELINE_ERROR, "crashed (status 1)"),
        (CRASHED, Cause.PIPELINE_ERROR, "crashed (SIGSEGV)"),
        (KILLED, Cause.OUT_OF_MEMORY, "killed from outside"),
        (Ending("", timed_out=True), Cause.TIMEOUT, "timeout_s=60"),
    ],
)
def test_run_that_did_not_complete_is_failed(ending: Ending, cause: Cause, reason: str) -> None:
    failure = find_failure(replace(REPORT, ending=ending), 60)
    assert failure
    assert failure.cause is cause
    assert reason in failure.reason


def test_run_without_image_sets_has_cellprofiler_s_own_reason() -> None:
    nothing = Report(Ending("Failure"), errors=("The pipeline did not identify any image sets.",))
    failure = find_failure(nothing, 60)
    assert failure
    assert failure.reason == "the pipeline could not start: The pipeline did not identify any image sets."


@pytest.mark.parametrize(
    ("ending", "state", "cause"),
    [
        (CRASHED, State.QUARANTINED, Cause.PIPELINE_ERROR),
        (KILLED, State.FAILED, Cause.OUT_OF_MEMORY),
        (Ending("", timed_out=True), State.QUARANTINED, Cause.TIMEOUT),
    ],
)
def test_image_set_at_work_is_to_blame_for_the_end_of_the_process(ending: Ending, state: State, cause: Cause) -> None:
    (culprit,) = find_culprits(replace(STOPPED_AT_2, ending=ending), IMAGE_SETS, timeout_s=60)
    assert (culprit.image_set, culprit.state, culprit.cause) == (IMAGE_SETS[2], state, cause)


def test_nobody_is_to_blame_when_all_together_took_too_long() -> None:
    slow = replace(STOPPED_AT_2, ending=Ending("", timed_out=True), at_work_s=20.0)
    assert find_culprits(slow, IMAGE_SETS, timeout_s=60) == []


def test_nobody_is_to_blame_when_the_export_fails_after_all_were_measured() -> None:
    raised = replace(REPORT, ending=Ending("Failure"), measured=frozenset({1}), failed={2: "Crop: ValueError"})
    assert find_culprits(raised, IMAGE_SETS, timeout_s=60) == []


def test_image_set_that_raised_before_the_end_is_set_aside_with_the_one_at_work() -> None:
    image_sets = {**IMAGE_SETS, 3: ImageSet(shard=0, number=3)}
    report = replace(STOPPED_AT_2, ending=CRASHED, measured=frozenset(), failed={1: "Crop: ValueError"})
    culprits = find_culprits(report, image_sets, timeout_s=60)
    assert [(culprit.image_set.number, culprit.reason) for culprit in culprits] == [
        (1, "Crop: ValueError"),
        (2, "CellProfiler crashed while it measured it (SIGSEGV)"),
    ]


def test_image_set_at_which_a_module_raised_is_quarantined() -> None:
    raised = replace(REPORT, measured=frozenset({1}), failed={2: "Crop: ValueError"})
    assert states(raised, [image_table({1: 5})]) == [State.DONE, State.QUARANTINED]


def test_measured_image_set_without_a_row_is_failed() -> None:
    assert states(REPORT, [image_table({1: 5})]) == [State.DONE, State.FAILED]


def test_image_set_whose_last_module_did_not_run_is_failed() -> None:
    half = replace(REPORT, measured=frozenset({2}))
    assert states(half, [image_table({1: 5, 2: 7})]) == [State.FAILED, State.DONE]


def test_image_set_in_which_nothing_was_found_has_no_cells() -> None:
    assert states(REPORT, [image_table({1: 0, 2: 7})]) == [State.NO_CELLS, State.DONE]


def test_rows_of_image_sets_that_nobody_planned_are_a_failure() -> None:
    with pytest.raises(CellProfilerFailed, match=r"not measured: \[3\]"):
        states(REPORT, [image_table({1: 5, 2: 7, 3: 1})])


def test_export_that_left_no_table_is_a_failure() -> None:
    with pytest.raises(CellProfilerFailed, match="left no table"):
        states(REPORT, [])


def test_pipeline_without_export_needs_no_table() -> None:
    assert states(replace(REPORT, modules=("SaveImages",)), []) == [State.DONE, State.DONE]


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
