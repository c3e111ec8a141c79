"""What was measured and recorded is kept as long as it is made from what is there now; nothing else is."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.ledger import Manifest
from tests.conftest import Plate, write_site
from tests.local.conftest import wait_until
from tests.worker.cellprofiler.conftest import misbehaving, published_rows, states, wells

pytestmark = pytest.mark.cellprofiler
THREE_WELLS = wells(["A01", "A02", "A03"])


def measured_again(plate: Plate, earlier: Manifest, later: Manifest) -> set[str]:
    """The wells whose groups are not those of the earlier manifest."""
    return {
        group.outcomes[0].image_set.well
        for group, before in zip(later.groups, earlier.groups, strict=True)
        if group != before
    }


def recorded_image_sets(plate: Plate) -> set[str]:
    """The numbers of the image sets that an interrupted worker recorded as done."""
    progress = plate.root / plate.record.keys.progress(0)
    outcomes = Manifest.from_json(progress.read_bytes()).outcomes if progress.exists() else ()
    return {str(outcome.image_set.number) for outcome in outcomes}


def killed_at_random(plate: Plate, cellprofiler: CellProfiler, chance: random.Random) -> list[str]:
    """Start the worker, kill it after some image sets; returns which image sets it said were measured."""
    variables = {**os.environ, "CELLPROFILER": str(cellprofiler.command)}
    uri = plate.bucket.uri(plate.record.keys.request)
    command = ["cpb", "run", "--request", uri]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        lines: list[str] = []
        until = chance.randint(2, 4)
        for line in process.stdout or ():
            lines += [line.split()[3]] if " measured in " in line else []
            if len(lines) == until:
                process.kill()
    return lines


def test_worker_killed_three_times_leaves_nothing_lost_and_nothing_done_twice(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    names = [f"B{number:02d}" for number in range(1, 11)]
    for name in names:
        write_site(plate.images, name)
    asked = plate.with_load_data(wells(names))
    asked.write_request()
    chance = random.Random(3)  # noqa: S311 (no secret)
    recorded: set[str] = set()
    for _ in range(3):
        assert recorded.isdisjoint(killed_at_random(asked, cellprofiler, chance))
        assert recorded <= recorded_image_sets(asked)
        recorded = recorded_image_sets(asked)
    assert recorded
    manifest = asked.run(cellprofiler)
    assert manifest.is_success
    assert len(manifest.outcomes) == 10
    assert [row["Metadata_Well"] for row in published_rows(asked, manifest, "Image.csv")] == names
    assert not (asked.root / asked.record.keys.progress(0)).exists()


def test_changed_image_is_measured_again_and_no_other(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(THREE_WELLS)
    first = asked.run(cellprofiler)
    write_site(plate.images, "A02", brightness=90)
    second = asked.run(cellprofiler)
    assert second.is_success
    assert measured_again(asked, first, second) == {"A02"}
    assert asked.run(cellprofiler) == second


def test_changed_pipeline_measures_all_again(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(THREE_WELLS)
    first = asked.run(cellprofiler)
    pipeline = plate.root / "plate" / "spots_load_data.cppipe"
    pipeline.write_text(pipeline.read_text().replace("8,20", "6,20"))
    second = asked.run_shard(asked.plan().shards[0], cellprofiler)
    assert measured_again(asked, first, second) == {"A01", "A02", "A03"}


def test_changed_row_of_the_load_data_is_measured_again_and_no_other(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(THREE_WELLS)
    table = plate.root / "plate" / "load_data.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0] + ",Metadata_Dose", *(line + ",low" for line in lines[1:])]))
    first = asked.run(cellprofiler)
    table.write_text(table.read_text().replace("low", "high", 1))
    second = asked.run(cellprofiler)
    assert measured_again(asked, first, second) == {"A01"}
    assert [row["Metadata_Dose"] for row in published_rows(asked, second, "Image.csv")] == ["high", "low", "low"]


def test_what_was_not_done_is_done_again_when_the_request_is_sent_again(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    asked = plate.with_load_data(THREE_WELLS)
    (plate.images / "P1_A02_s1_DNA.tif").unlink()
    first = asked.run(cellprofiler)
    assert states(first) == {"A01": "done", "A02": "input_missing", "A03": "done"}
    write_site(plate.images, "A02")
    second = asked.run(cellprofiler)
    assert second.is_success
    assert measured_again(asked, first, second) == {"A02"}


def test_redrive_of_one_cause_leaves_other_causes_alone(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = misbehaving(plate.with_load_data(THREE_WELLS), "A02=fail A03=be_killed")
    first = asked.run(cellprofiler)
    assert states(first) == {"A01": "done", "A02": "quarantined", "A03": "failed"}
    second = asked.asking(redrive=["out_of_memory"]).run(cellprofiler)
    assert measured_again(asked, first, second) == {"A03"}


def test_force_measures_all_again_once(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(THREE_WELLS, force=True)
    first = asked.run(cellprofiler)
    forced = asked.run(cellprofiler)
    assert measured_again(asked, first, forced) == {"A01", "A02", "A03"}
    keys = asked.record.keys
    interrupted = Manifest.from_json(asked.bucket.read(keys.shard(0)))
    asked.bucket.write(keys.progress(0), interrupted.to_json())
    asked.bucket.delete(keys.shard(0))
    assert measured_again(asked, forced, asked.run(cellprofiler)) == set()


def test_results_that_the_new_run_does_not_make_are_deleted(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(THREE_WELLS)
    asked.run(cellprofiler)
    nuclei = plate.root / "plate" / "results" / "P1" / "analysis" / "P1-A01-1" / "Nuclei.csv"
    assert nuclei.exists()
    pipeline = plate.root / "plate" / "spots_load_data.cppipe"
    text = pipeline.read_text().replace("Export all measurement types?:Yes", "Export all measurement types?:No")
    text = text.replace("Data to export:Do not use", "Data to export:Image")
    pipeline.write_text(
        text.replace("Use the object name for the file name?:Yes", "Use the object name for the file name?:No")
    )
    manifest = asked.run_shard(asked.plan().shards[0], cellprofiler)
    assert manifest.is_success, manifest
    assert not nuclei.exists()


def test_worker_that_is_gone_takes_cellprofiler_with_it(
    plate: Plate, cellprofiler: CellProfiler, tmp_path: Path
) -> None:
    asked = misbehaving(plate.with_load_data(THREE_WELLS), "A01=hang")
    variables = {**os.environ, "CELLPROFILER": str(cellprofiler.command), "CPB_SCRATCH": str(tmp_path)}
    process = subprocess.Popen(
        ["cpb", "run", "--request", asked.write_request(), "--vcpus", "2"], env=variables, stdout=subprocess.DEVNULL
    )
    wait_until(lambda: len(drivers_of(tmp_path)) == 2, "two CellProfilers are at work")
    process.kill()
    process.wait()
    wait_until(lambda: not drivers_of(tmp_path), "they are gone")


def drivers_of(scratch: Path) -> list[str]:
    """The CellProfiler processes that work in a folder."""
    found = subprocess.run(["pgrep", "-f", f"driver.py .*{scratch}"], capture_output=True, text=True, check=False)
    return found.stdout.split()
