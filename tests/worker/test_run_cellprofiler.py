"""A shard is believed only when everything agrees; what is good is kept, what is bad is named."""

import csv
import hashlib
import io
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.errors import MissingInput
from cellpainting.ledger import Manifest, State
from tests.conftest import Plate, write_site

FLAGGED_PIPELINE = Path(__file__).parents[1] / "data" / "flagged.cppipe"  # spots, and FlagImage where there are none

pytestmark = pytest.mark.cellprofiler


def states(manifest: Manifest) -> dict[str, State]:
    return {outcome.image_set.well: outcome.state for outcome in manifest.outcomes}


def reasons(manifest: Manifest) -> dict[str, str]:
    return {outcome.image_set.well: outcome.reason for outcome in manifest.outcomes}


def wells_in_image_table(plate: Plate) -> list[str]:
    text = plate.bucket.read("plate/results/Image.csv").decode()
    return [row["Metadata_Well"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def test_all_image_sets_of_a_good_plate_are_done_and_accounted_for(plate: Plate, cellprofiler: CellProfiler) -> None:
    write_site(plate.images, "A04", spots=False)
    manifest = plate.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "done", "A03": "done", "A04": "no_cells"}
    assert manifest.is_success
    (group,) = manifest.groups
    assert group.rows == {"Image.csv": 4, "Nuclei.csv": 9}
    assert manifest.cellprofiler_version.startswith("4.2.8")
    assert manifest.peak_memory_mib > 100
    assert {file.key: file.size for file in group.inputs} == {
        f"plate/images/{path.name}": path.stat().st_size for path in plate.images.iterdir()
    }
    ledger = plate.ledger()
    assert ledger.is_complete
    assert sum(ledger.counts.values()) == len(ledger.outcomes) == 4


def test_folder_with_spaces_and_signs_in_its_name_is_accounted_for(plate: Plate, cellprofiler: CellProfiler) -> None:
    folder = "Plate #7 (50%) ä/Measurement 1"
    write_site(plate.root / folder, "A01")
    manifest = plate.asking(input=folder + "/", output="results 7/").run(cellprofiler)
    assert manifest.is_success, manifest.reason
    assert manifest.outcomes[0].image_set.files.startswith(f"{folder}/P1_A01_s1_DNA.tif | ")
    assert [file.key for file in manifest.outputs] == [
        "results 7/Experiment.csv",
        "results 7/Image.csv",
        "results 7/Nuclei.csv",
    ]


def test_failure_on_the_second_image_set_keeps_the_others_and_names_it(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    write_site(plate.images, "A02", illum_size=32)
    manifest = plate.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "quarantined", "A03": "done"}
    assert "CorrectIlluminationApply" in reasons(manifest)["A02"]
    assert not manifest.is_success
    assert wells_in_image_table(plate) == ["A01", "A03"]
    assert manifest.groups[0].rows["Nuclei.csv"] == 6


def test_truncated_tiff_is_named_and_its_image_set_is_not_measured(plate: Plate, cellprofiler: CellProfiler) -> None:
    damaged = plate.images / "P1_A02_s1_DNA.tif"
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    manifest = plate.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "input_damaged", "A03": "done"}
    assert reasons(manifest)["A02"].startswith("P1_A02_s1_DNA.tif: the TIFF is truncated")
    assert wells_in_image_table(plate) == ["A01", "A03"]


def test_unknown_module_is_refused_instead_of_being_left_out(plate: Plate, cellprofiler: CellProfiler) -> None:
    pipeline = plate.root / "plate" / "spots.cppipe"
    pipeline.write_text(pipeline.read_text().replace("CorrectIlluminationApply:[", "CorrectEverything:["))
    manifest = plate.run(cellprofiler)
    assert "CorrectEverything" in manifest.reason
    assert manifest.outputs == ()
    assert not (plate.root / "plate" / "results").exists()


def test_image_set_that_the_pipeline_itself_ends_early_is_done_and_says_so(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    write_site(plate.images, "A02", spots=False)
    plate.bucket.write("plate/flagged.cppipe", FLAGGED_PIPELINE.read_bytes())
    manifest = plate.asking(pipeline="plate/flagged.cppipe").run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "done", "A03": "done"}
    assert reasons(manifest) == {"A01": "", "A02": "ended early by FlagImage, as the pipeline says", "A03": ""}
    assert wells_in_image_table(plate) == ["A01", "A02", "A03"]


def test_when_every_image_set_fails_each_keeps_its_own_reason(plate: Plate, cellprofiler: CellProfiler) -> None:
    (plate.images / "P1_A01_s1_DNA.tif").write_bytes(b"")
    for well in ("A02", "A03"):
        write_site(plate.images, well, illum_size=32)
    manifest = plate.run(cellprofiler)
    assert states(manifest) == {"A01": "input_damaged", "A02": "quarantined", "A03": "quarantined"}
    assert reasons(manifest)["A01"] == "P1_A01_s1_DNA.tif: the file is empty (0 bytes)"
    assert "CorrectIlluminationApply" in reasons(manifest)["A02"]
    assert not manifest.is_success


def test_log_of_the_shard_is_kept_beside_its_manifest(plate: Plate, cellprofiler: CellProfiler) -> None:
    plate.run(cellprofiler)
    log = plate.bucket.read(plate.record.keys.log(0)).decode()
    assert "cpb: 3 image sets to measure" in log
    assert "module IdentifyPrimaryObjects" in log


def test_pipeline_that_is_gone_is_named_in_manifest_and_log(plate: Plate, cellprofiler: CellProfiler) -> None:
    (shard,) = plate.plan().shards
    (plate.root / "plate" / "spots.cppipe").unlink()
    manifest = plate.run_shard(shard, cellprofiler)
    assert "plate/spots.cppipe is not there" in manifest.reason
    assert "plate/spots.cppipe is not there" in plate.bucket.read(plate.record.keys.log(0)).decode()


def test_empty_input_folder_is_named(plate: Plate, cellprofiler: CellProfiler) -> None:
    manifest = plate.asking(input="plate/nothing/").run(cellprofiler)
    assert "plate/nothing is empty" in manifest.reason


def test_images_that_no_rule_of_the_pipeline_matches_are_a_failure(plate: Plate, cellprofiler: CellProfiler) -> None:
    write_site(plate.root / "others", "A01")
    for path in (plate.root / "others").iterdir():
        path.rename(path.with_name(path.name.replace("DNA", "RNA")))
    manifest = plate.asking(input="others/").run(cellprofiler)
    assert "could not start: The pipeline did not identify any image sets" in manifest.groups[0].reason
    assert manifest.outcomes == ()


def test_timeout_stops_cellprofiler_and_says_so(plate: Plate, cellprofiler: CellProfiler) -> None:
    manifest = plate.asking(timeout_s=1).run(cellprofiler)
    assert "timeout_s=1 seconds" in manifest.reason


def test_shard_that_is_done_is_not_done_again_unless_forced(plate: Plate, cellprofiler: CellProfiler) -> None:
    first = plate.run(cellprofiler)
    assert plate.run(cellprofiler) == first
    forced = plate.asking(force=True).run(cellprofiler)
    assert forced.is_success
    assert forced != first


def test_corrected_image_is_measured_on_the_next_run_and_stale_results_go(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    write_site(plate.images, "A02", illum_size=32)
    failed = plate.run(cellprofiler)
    stale = plate.root / "plate" / "results" / "Stale.csv"
    stale.write_text("ImageNumber\n1\n")
    manifest = failed.to_json().replace(b"results/Nuclei.csv", b"results/Stale.csv")
    plate.bucket.write(plate.record.keys.shard(0), manifest)
    write_site(plate.images, "A02")
    assert plate.run(cellprofiler).is_success
    assert wells_in_image_table(plate) == ["A01", "A02", "A03"]
    assert not stale.exists()


def test_results_of_an_earlier_run_go_even_when_the_attempt_between_was_interrupted(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    keys = plate.record.keys
    first = plate.run(cellprofiler)
    plate.bucket.write("plate/results/Stale.csv", b"ImageNumber\n1\n")
    interrupted = first.to_json().replace(b"results/Nuclei.csv", b"results/Stale.csv")
    interrupted = interrupted.replace(b"P1_A01_s1_DNA", b"P1_A01_s1_RNA")  # so that it is done again
    plate.bucket.write(keys.progress(0), interrupted)
    plate.bucket.delete(keys.shard(0))
    assert plate.run(cellprofiler).is_success
    assert not (plate.root / "plate" / "results" / "Stale.csv").exists()


def test_file_that_appears_in_the_manifest_is_in_the_bucket_with_its_checksum(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    for file in plate.run(cellprofiler).outputs:
        content = plate.bucket.read(file.key)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.checksum)
    with pytest.raises(MissingInput):
        plate.bucket.read("plate/results/done")
