"""What `cpb ingest` wrote is what pycytominer reads."""

import csv
from pathlib import Path

import pytest

from benchmarks.peers.environments import PYCYTOMINER
from tests.peers.plates import OPERATIONS, Made, read_csv, step
from tests.peers.tables import AVERAGED, differences, wells

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_single_cells_makes_the_same_profiles_of_our_sqlite_file(made: Made, operation: str, tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    categories = ",".join(made.analysis.categories)
    step(PYCYTOMINER, "profile", made.ours.database, again, operation, categories)
    ours, theirs = made.profiles(operation)
    for other in (ours, theirs):
        assert list(read_csv(again)[0]) == list(read_csv(other)[0])
        assert list(differences(wells(again), wells(other), wells(theirs), AVERAGED))[:10] == []


def test_merge_single_cells_finds_the_cells_of_our_sqlite_file(made: Made, tmp_path: Path) -> None:
    merged = []
    for name, database in (("ours", made.ours.database), ("theirs", made.theirs.database)):
        step(PYCYTOMINER, "merge", database, tmp_path / f"{name}.csv")
        merged.append(read_csv(tmp_path / f"{name}.csv"))
    ours, theirs = merged
    taken = {row["Metadata_TableNumber"] for row in theirs}
    assert list(ours[0]) == list(theirs[0])
    assert theirs
    assert len([row for row in ours if row["Metadata_TableNumber"] in taken]) == len(theirs)


def test_annotate_and_normalize_read_our_well_profiles(made: Made, tmp_path: Path) -> None:
    platemap, annotated, normalized = (tmp_path / name for name in ("platemap.csv", "annotated.csv", "normalized.csv"))
    of_wells = read_csv(made.ours.profile)
    with platemap.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["plate_map_name", "well_position", "compound"])
        table.writerows(["map", row["Metadata_Well"], f"compound {number}"] for number, row in enumerate(of_wells))
    step(PYCYTOMINER, "annotate", made.ours.profile, platemap, annotated)
    step(PYCYTOMINER, "normalize", annotated, normalized)
    features = {name for name in of_wells[0] if name.startswith(("Cells_", "Cytoplasm_", "Nuclei_"))}
    found = read_csv(normalized)
    assert [row["Metadata_compound"] for row in found] == [f"compound {number}" for number in range(len(of_wells))]
    assert features <= set(found[0])
