"""Group after group in one CellProfiler is what one plain run of CellProfiler over the whole table is."""

from itertools import product
from pathlib import Path

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from tests.conftest import Plate, write_site
from tests.worker.cellprofiler.conftest import published_rows, rows, run_plainly, states, wells

pytestmark = pytest.mark.cellprofiler
TABLES = ("Image.csv", "Nuclei.csv")
THREE_WELLS = wells(("A01", "A02", "A03"))


def test_group_after_group_equals_one_plain_run(plate: Plate, cellprofiler: CellProfiler, tmp_path: Path) -> None:
    write_site(plate.images, "A04", spots=False)
    asked = plate.with_load_data([*THREE_WELLS, ("P1", "A04", "1")])
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "done", "A03": "done", "A04": "no_cells"}
    run_plainly(asked, tmp_path / "plain", cellprofiler, f"--data-file={plate.root / 'plate' / 'load_data.csv'}")
    for table in TABLES:
        assert published_rows(plate, manifest, table) == rows((tmp_path / "plain" / table).read_bytes())
    headers = {plate.bucket.read(file.key).split(b"\n")[0] for file in manifest.outputs if "Image" in file.key}
    assert headers == {(tmp_path / "plain" / "Image.csv").read_bytes().split(b"\n")[0]}


def test_two_processes_give_what_one_gives(plate: Plate, cellprofiler: CellProfiler) -> None:
    one = plate.with_load_data(THREE_WELLS, output="one").run(cellprofiler)
    two = plate.with_load_data(THREE_WELLS, output="two").run(cellprofiler, processes=2)
    assert [group.folder for group in two.groups] == [group.folder for group in one.groups]
    for table in TABLES:
        assert published_rows(plate, two, table) == published_rows(plate, one, table)


@pytest.mark.parametrize("group_by", [["Metadata_Plate"], ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]])
def test_plates_of_digits_and_sites_out_of_order_are_told_apart(
    plate: Plate, cellprofiler: CellProfiler, group_by: list[str], tmp_path: Path
) -> None:
    image_sets = [*product(["0042"], ["AA01", "B02"], ["1", "10", "11", "2"]), ("A7", "B02", "01")]
    for number, (name, well, site) in enumerate(image_sets):
        write_site(plate.images, well, plate=name, site=site, brightness=100 + 10 * number)
    asked = plate.with_load_data(image_sets, group_by=group_by)
    manifest = asked.run(cellprofiler)
    assert manifest.is_success, manifest
    assert [(o.image_set.plate, o.image_set.well, o.image_set.site) for o in manifest.outcomes] == image_sets
    run_plainly(asked, tmp_path / "plain", cellprofiler, f"--data-file={plate.root / 'plate' / 'load_data.csv'}")
    by_image = sorted(rows((tmp_path / "plain" / "Image.csv").read_bytes()), key=lambda row: row["FileName_DNA"])
    assert sorted(published_rows(plate, manifest, "Image.csv"), key=lambda row: row["FileName_DNA"]) == by_image


def test_images_below_folders_with_spaces_and_signs_are_found(plate: Plate, cellprofiler: CellProfiler) -> None:
    folder = plate.images / "Plate #7 (50%) ä" / "Measurement 1"
    plate.images.rename(plate.images.with_name("moved"))
    folder.parent.mkdir(parents=True)
    (plate.images.with_name("moved")).rename(folder)
    inside = Plate(plate.root, plate.document)
    asked = inside.with_load_data(THREE_WELLS)
    table = plate.root / "plate" / "load_data.csv"
    table.write_text(table.read_text().replace(str(plate.images), str(folder)))
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "done", "A03": "done"}
    assert manifest.outcomes[0].image_set.files.startswith("plate/images/Plate #7 (50%) ä/Measurement 1/P1_A01")


def test_rows_of_a_group_are_typed_as_the_whole_table_is(plate: Plate, cellprofiler: CellProfiler) -> None:
    for name in ("0042", "A7"):
        write_site(plate.images, "A01", plate=name)
    manifest = plate.with_load_data([("0042", "A01", "1"), ("A7", "A01", "1")]).run(cellprofiler)
    assert [row["Metadata_Plate"] for row in published_rows(plate, manifest, "Image.csv")] == ["0042", "A7"]


def test_shard_that_reads_a_range_of_rows_is_refused(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(THREE_WELLS)
    plan = asked.plan()
    pipeline = plate.root / "plate" / "spots_load_data.cppipe"
    pipeline.write_text(pipeline.read_text().replace("a range of rows?:No", "a range of rows?:Yes"))
    manifest = asked.run_shard(plan.shards[0], cellprofiler)
    assert "set it to No" in manifest.reason
    assert manifest.outputs == ()
