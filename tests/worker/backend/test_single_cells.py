"""The joined table: a row for each cytoplasm, with the cell and the nucleus that it is part of."""

from pathlib import Path

import pytest

from tests.worker.backend.plates import COMPARTMENTS, FIRST, HEADERS, PLATE, area, write, write_and_build

NAME = f"{PLATE}_single_cells"


def test_each_cytoplasm_has_its_cell_nucleus_and_place(analysis: Path) -> None:
    report, backend = write_and_build(analysis, single_cells=True)
    assert report.is_complete
    rows = backend.table(NAME).rows(named=True)
    assert len(rows) == 4
    for row, (number, well, cell) in zip(
        rows, [(1, "A01", 1), (1, "A01", 2), (2, "A02", 1), (2, "A02", 2)], strict=True
    ):
        assert [row[f"Metadata_{name}"] for name in ("Plate", "Well", "Site")] == [PLATE, well, "1"]
        assert row["Metadata_ImageNumber"] == number
        assert [row[f"Metadata_ObjectNumber_{name.lower()}"] for name in COMPARTMENTS] == [cell] * 3
        assert [row[f"{name}_AreaShape_Area"] for name in COMPARTMENTS] == [
            area(name, well, number, cell) for name in COMPARTMENTS
        ]


def test_partners_are_found_by_the_links_and_not_by_the_numbers(analysis: Path) -> None:
    write(analysis / FIRST / "Cytoplasm.csv", HEADERS["Cytoplasm"], (1, 1, 5, 2, 1), (1, 2, 6, 1, 2))
    _, backend = write_and_build(analysis, single_cells=True)
    first = backend.table(NAME).head(2)
    assert first["Cells_AreaShape_Area"].to_list() == [area("Cells", "A01", 1, cell) for cell in (2, 1)]
    assert first["Nuclei_AreaShape_Area"].to_list() == [area("Nuclei", "A01", 1, cell) for cell in (1, 2)]


@pytest.mark.parametrize("link", [0, 9, "nan", ""])
def test_cytoplasm_without_a_partner_keeps_its_row_and_is_told(analysis: Path, link: object) -> None:
    write(analysis / FIRST / "Cytoplasm.csv", HEADERS["Cytoplasm"], (1, 1, 5, link, 1), (1, 2, 6, 2, 2))
    report, backend = write_and_build(analysis, single_cells=True)
    first = backend.table(NAME).row(0, named=True)
    assert first["Cytoplasm_AreaShape_Area"] == 5
    assert first["Cells_AreaShape_Area"] is None
    assert first["Nuclei_AreaShape_Area"] == area("Nuclei", "A01", 1, 1)
    assert [one.problem.split()[0] for one in report.oddities] == ["1"]
    assert backend.table(NAME).height == 4


def test_image_set_whose_cells_are_missing_keeps_its_cytoplasms(analysis: Path) -> None:
    (analysis / FIRST / "Cells.csv").unlink()
    report, backend = write_and_build(analysis, single_cells=True)
    assert backend.table(NAME)["Cells_AreaShape_Area"].null_count() == 2
    assert [one.problem.split()[0] for one in report.oddities] == ["2"]


def test_cells_that_no_cytoplasm_is_of_are_not_in_it(analysis: Path) -> None:
    write(analysis / FIRST / "Cytoplasm.csv", HEADERS["Cytoplasm"], (1, 2, 6, 2, 2))
    report, backend = write_and_build(analysis, single_cells=True)
    assert report.oddities == ()
    assert backend.table(NAME)["Metadata_ObjectNumber_cells"].to_list() == [2, 1, 2]


@pytest.mark.parametrize("name", COMPARTMENTS)
def test_it_is_refused_without_one_of_the_compartments(analysis: Path, name: str) -> None:
    for path in analysis.rglob(f"{name}.csv"):
        path.unlink()
    report, backend = write_and_build(analysis, single_cells=True)
    assert f"single cells cannot be joined: there is no {name}" in report.refusals[0]
    assert not report.is_complete
    assert not (backend.folder / f"{NAME}.parquet").exists()
    assert backend.profile.height == 2


@pytest.mark.parametrize("content", ["missing", "text"])
def test_it_is_refused_without_links_that_are_numbers(analysis: Path, content: str) -> None:
    for path in analysis.rglob("Cytoplasm.csv"):
        number = 1 if path.parent.name == FIRST else 2
        header = ("ImageNumber", "ObjectNumber", "Parent_Nuclei", *(["Parent_Cells"] if content == "text" else []))
        write(path, header, (number, 1, 1, "one")[: len(header)])
    report, backend = write_and_build(analysis, single_cells=True)
    assert "there is no Cytoplasm_Parent_Cells" in report.refusals[0]
    assert backend.table("Cytoplasm").height == 2


def test_columns_of_all_image_sets_are_there(analysis: Path) -> None:
    write(analysis / FIRST / "Nuclei.csv", (*HEADERS["Nuclei"], "Extra"), (1, 1, 5, 1, 7), (1, 2, 5, 2, 8))
    _, backend = write_and_build(analysis, single_cells=True)
    assert backend.table(NAME)["Nuclei_Extra"].to_list() == [7, 8, None, None]
