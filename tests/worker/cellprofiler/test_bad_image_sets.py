"""A bad image set is named and set aside, and what it has to do with nothing else is kept."""

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.ledger import Cause, Manifest
from tests.conftest import Plate, write_site
from tests.worker.cellprofiler.conftest import averaging, misbehaving, published_rows, reasons, states, wells

pytestmark = pytest.mark.cellprofiler
BY_PLATE = {"group_by": ["Metadata_Plate"]}
BY_IMAGE_SET = {"group_by": ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]}


def causes(manifest: Manifest) -> dict[str, Cause | None]:
    return {outcome.image_set.well: outcome.cause for outcome in manifest.outcomes}


def measured_wells(plate: Plate, manifest: Manifest) -> list[str]:
    return [row["Metadata_Well"] for row in published_rows(plate, manifest, "Image.csv")]


def times_measured(plate: Plate, number: int) -> int:
    log = plate.bucket.read(plate.record.keys.log(0)).decode()
    return log.count(f"cpb: image set {number} measured")


@pytest.mark.parametrize("grouping", [BY_PLATE, BY_IMAGE_SET])
def test_truncated_empty_and_missing_images_and_a_well_without_cells_add_up(
    plate: Plate, cellprofiler: CellProfiler, grouping: dict[str, list[str]]
) -> None:
    write_site(plate.images, "A04")
    write_site(plate.images, "A05", spots=False)
    truncated = plate.images / "P1_A01_s1_DNA.tif"
    truncated.write_bytes(truncated.read_bytes()[:-1000])
    (plate.images / "P1_A02_s1_DNA.tif").write_bytes(b"")
    (plate.images / "P1_A03_s1_Illum.tif").unlink()
    asked = plate.with_load_data(wells(["A01", "A02", "A03", "A04", "A05"]), **grouping)
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {
        "A01": "input_damaged",
        "A02": "input_damaged",
        "A03": "input_missing",
        "A04": "done",
        "A05": "no_cells",
    }
    assert list(causes(manifest).values()) == ["input_damaged", "input_damaged", "input_missing", None, None]
    told = reasons(manifest)
    assert told["A01"].startswith("P1_A01_s1_DNA.tif: the TIFF is truncated")
    assert told["A02"] == "P1_A02_s1_DNA.tif: the file is empty (0 bytes)"
    assert "plate/images/P1_A03_s1_Illum.tif is not there" in told["A03"]
    assert measured_wells(plate, manifest) == ["A04", "A05"]
    assert sum(asked.ledger().counts.values()) == 5


def test_image_set_that_raises_is_quarantined_and_its_group_is_kept(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = misbehaving(plate.with_load_data(wells(["A01", "A02", "A03"]), **BY_PLATE), "A02=fail")
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "quarantined", "A03": "done"}
    assert reasons(manifest)["A02"] == "Misbehave: ValueError: no such luck"
    assert measured_wells(plate, manifest) == ["A01", "A03"]
    assert [times_measured(asked, number) for number in (1, 2, 3)] == [1, 0, 1]


def test_with_fail_a_bad_image_set_fails_its_group_and_no_other(plate: Plate, cellprofiler: CellProfiler) -> None:
    write_site(plate.images, "A01", plate="P2")
    image_sets = [*wells(["A01", "A02", "A03"]), ("P2", "A01", "1")]
    asked = misbehaving(plate.with_load_data(image_sets, on_bad_image_set="fail", **BY_PLATE), "A02=fail")
    bad, good = asked.run(cellprofiler).groups
    assert good.is_success
    assert {outcome.state for outcome in bad.outcomes} == {"failed"}
    assert bad.outcomes[0].reason == "P1-A02-1: Misbehave: ValueError: no such luck; and on_bad_image_set is 'fail'"
    assert bad.outputs == ()
    assert not (plate.root / "plate" / "results" / "P1").exists()


def test_with_fail_a_group_with_a_damaged_image_is_not_measured(plate: Plate, cellprofiler: CellProfiler) -> None:
    (plate.images / "P1_A02_s1_DNA.tif").write_bytes(b"")
    asked = plate.with_load_data(wells(["A01", "A02", "A03"]), on_bad_image_set="fail", **BY_PLATE)
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "failed", "A02": "input_damaged", "A03": "failed"}
    assert set(causes(manifest).values()) == {"input_damaged"}
    assert [times_measured(asked, number) for number in (1, 2, 3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("what", "timeout_s", "state", "cause", "reason"),
    [
        ("crash", 120, "quarantined", "pipeline_error", "crashed while it measured it (SIG"),
        ("be_killed", 120, "failed", "out_of_memory", "raise job_memory"),
        ("hang", 20, "quarantined", "timeout", "timeout_s=20 seconds were over"),
    ],
)
def test_image_set_that_ends_the_process_is_set_aside_and_the_rest_is_run_again(
    plate: Plate, cellprofiler: CellProfiler, what: str, timeout_s: int, state: str, cause: str, reason: str
) -> None:
    image_sets = plate.with_load_data(wells(["A01", "A02", "A03"]), timeout_s=timeout_s, **BY_PLATE)
    asked = misbehaving(image_sets, f"A02={what}")
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": state, "A03": "done"}
    assert causes(manifest)["A02"] == cause
    assert reason in reasons(manifest)["A02"]
    assert measured_wells(plate, manifest) == ["A01", "A03"]


@pytest.mark.parametrize("what", ["fail", "crash"])
def test_average_of_a_group_is_made_without_the_image_set_that_is_bad(
    plate: Plate, cellprofiler: CellProfiler, what: str
) -> None:
    asked = averaging(plate.with_load_data(wells(["A01", "A02", "A03"])), f"A02={what}")
    manifest = asked.run(cellprofiler)
    assert len(manifest.groups) == 1
    assert states(manifest) == {"A01": "done", "A02": "quarantined", "A03": "done"}
    table = plate.bucket.read("plate/results/Image.csv").decode()
    assert table.count("\n") == 3


def test_with_one_image_set_per_group_a_crash_costs_nothing_else(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = misbehaving(plate.with_load_data(wells(["A01", "A02", "A03"]), **BY_IMAGE_SET), "A02=crash")
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "quarantined", "A03": "done"}
    assert [times_measured(asked, number) for number in (1, 2, 3)] == [1, 0, 1]


def test_plain_folder_goes_on_without_the_image_set_that_crashes(plate: Plate, cellprofiler: CellProfiler) -> None:
    pipeline = plate.root / "plate" / "spots.cppipe"
    text = misbehaving(plate, "A02=crash").bucket.read("plate/misbehaving.cppipe").decode()
    module = text[text.index("Misbehave:") : text.index("ExportToSpreadsheet:")].replace(
        "module_num:5|", "module_num:7|"
    )
    spots = pipeline.read_text().replace("ModuleCount:7", "ModuleCount:8").replace("module_num:7|", "module_num:8|")
    pipeline.write_text(spots.replace("ExportToSpreadsheet:", module + "ExportToSpreadsheet:"))
    manifest = plate.asking(plugins="plate/plugins").run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "quarantined", "A03": "done"}


def test_process_that_holds_much_memory_is_replaced_between_groups(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = misbehaving(plate.with_load_data(wells(["A01", "A02", "A03"]), **BY_IMAGE_SET), "A01=keep_memory")
    manifest = asked.run(cellprofiler, memory_mib=1000)
    first, second, third = (group.peak_memory_mib for group in manifest.groups)
    assert first > 500 > second
    assert third < 500
