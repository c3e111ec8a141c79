"""Others find what they look for in a backend: pyarrow, polars, DuckDB, and queries of CellProfiler Analyst."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.worker.backend.plates import (
    COMPARTMENTS,
    HEADERS,
    IMAGE_HEADER,
    PLATE,
    Backend,
    area,
    write,
    write_and_build,
    write_plate,
)

TABLES = ("Image", *COMPARTMENTS)
PROFILES = (PLATE, f"{PLATE}_sites", f"{PLATE}_single_cells")


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    """Three wells; in one, cells have another column, and there is no cell in the last."""
    analysis = write_plate(tmp_path / "analysis", ("A01", "A02", "A10"))
    write(analysis / f"{PLATE}-A02-1/Cells.csv", (*HEADERS["Cells"], "Extra"), (2, 1, 5, 5, 1, 7), (2, 2, 6, 5, 2, 8))
    for name in COMPARTMENTS:
        write(analysis / f"{PLATE}-A10-1/{name}.csv", HEADERS[name])
    write(analysis / f"{PLATE}-A10-1/Image.csv", IMAGE_HEADER, (3, PLATE, "A10", 1, 0, 0))
    report, backend = write_and_build(analysis, single_cells=True)
    assert report.is_complete
    return backend


@pytest.mark.parametrize("name", [*TABLES, *PROFILES])
def test_parquet_is_compressed_and_has_statistics(backend: Backend, name: str) -> None:
    with pq.ParquetFile(backend.folder / f"{name}.parquet") as file:
        assert file.metadata.num_row_groups == 1
        group = file.metadata.row_group(0)
        columns = [group.column(at) for at in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert all(column.is_stats_set for column in columns)


def test_parquet_says_what_it_is_of(backend: Backend) -> None:
    metadata = pq.read_schema(backend.folder / "Cells.parquet").metadata
    assert metadata[b"plate"] == PLATE.encode()
    assert b"analysis" in metadata


def test_types_do_not_depend_on_the_values(backend: Backend) -> None:
    schema = pq.read_schema(backend.folder / "Cells.parquet")
    types = {field.name: str(field.type) for field in schema}
    assert [types[key] for key in ("TableNumber", "ImageNumber", "ObjectNumber")] == ["int64"] * 3
    assert {kind for name, kind in types.items() if name.startswith("Cells_")} == {"double"}
    images = pq.read_schema(backend.folder / "Image.parquet")
    texts = {str(images.field(f"Metadata_{name}").type) for name in ("Plate", "Well", "Site")}
    assert texts <= {"string", "large_string"}


def test_plates_are_scanned_as_one(backend: Backend, tmp_path: Path) -> None:
    _, other = write_and_build(write_plate(tmp_path / "other", plate="P2"), plate="P2")
    paths = [one.folder / "Image.parquet" for one in (backend, other)]
    assert pl.scan_parquet(paths).select("Metadata_Plate").collect().to_series().to_list() == [PLATE] * 3 + ["P2"] * 2


@pytest.mark.parametrize("name", [*TABLES, *PROFILES])
def test_duckdb_polars_and_pyarrow_read_the_same(backend: Backend, name: str) -> None:
    path = backend.folder / f"{name}.parquet"
    rows = duckdb.read_parquet(str(path)).fetchall()
    assert rows == pl.read_parquet(path).rows()
    assert rows == [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def test_duckdb_joins_cells_with_their_wells(backend: Backend) -> None:
    cells, images = (backend.folder / f"{name}.parquet" for name in ("Cells", "Image"))
    query = f"""
        SELECT Metadata_Well, COUNT(ObjectNumber), SUM(Cells_Extra)
        FROM '{images}' LEFT JOIN '{cells}' USING (TableNumber, ImageNumber) GROUP BY 1 ORDER BY 1
    """  # noqa: S608
    assert duckdb.sql(query).fetchall() == [("A01", 2, None), ("A02", 2, 15.0), ("A10", 0, None)]


def test_analyst_finds_objects_with_their_places(backend: Backend) -> None:
    query = """
        SELECT Cells.TableNumber, Cells.ImageNumber, Cells.ObjectNumber, Cells_Location_Center_X, Metadata_Well
        FROM Cells JOIN Image ON Cells.TableNumber = Image.TableNumber AND Cells.ImageNumber = Image.ImageNumber
        WHERE Metadata_Plate = 'P1' ORDER BY Cells.ImageNumber, Cells.ObjectNumber
    """
    found = backend.in_sqlite(query)
    assert [row[1:] for row in found] == [
        (1, 1, 0.5, "A01"),
        (1, 2, 1.0, "A01"),
        (2, 1, 5.0, "A02"),
        (2, 2, 5.0, "A02"),
    ]
    assert all(type(key) is int for row in found for key in row[:3])


def test_analyst_counts_objects_of_each_image(backend: Backend) -> None:
    query = "SELECT TableNumber, ImageNumber, COUNT(*) FROM Cells GROUP BY TableNumber, ImageNumber ORDER BY 2"
    assert [row[1:] for row in backend.in_sqlite(query)] == [(1, 2), (2, 2)]


def test_pycytominer_finds_the_columns_it_merges_by(backend: Backend) -> None:
    for name in COMPARTMENTS:
        columns = [row[1:3] for row in backend.in_sqlite(f"PRAGMA table_info({name})")]
        assert columns[:3] == [(key, "BIGINT") for key in ("TableNumber", "ImageNumber", "ObjectNumber")]
        assert {kind for _, kind in columns[3:]} == {"FLOAT"}
    kinds = dict(row[1:3] for row in backend.in_sqlite("PRAGMA table_info(Image)"))
    assert [kinds[f"Metadata_{name}"] for name in ("Plate", "Well", "Site")] == ["TEXT"] * 3


def test_sqlite_has_the_indexes_of_collate(backend: Backend) -> None:
    names = {name for (name,) in backend.in_sqlite("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert names == {
        "table_image_idx",
        "plate_well_image_idx",
        *(f"table_image_object_{name.lower()}_idx" for name in COMPARTMENTS),
    }
    query = "SELECT * FROM Cells WHERE TableNumber = 1 AND ImageNumber = 1"
    assert "table_image_object_cells_idx" in str(backend.in_sqlite(f"EXPLAIN QUERY PLAN {query}"))
    assert backend.in_sqlite("PRAGMA integrity_check") == [("ok",)]


def test_csv_of_the_profile_is_plain(backend: Backend) -> None:
    header, first, *_ = (backend.folder / f"{PLATE}.csv").read_text().splitlines()
    assert header.startswith("Metadata_Plate,Metadata_Well,Metadata_Site_Count,Metadata_Count_Cells,")
    assert first.startswith("P1,A01,1,2.0,")
    size = (area("Cells", "A01", 1, 1) + area("Cells", "A01", 1, 2)) / 2
    assert dict(zip(header.split(","), first.split(","), strict=True))["Cells_AreaShape_Area"] == repr(size)
