"""Whatever a plate is like: nothing is lost, nothing depends on how it is listed, and all that is made of it agrees."""

import math
import random
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellpainting.backend.profile import SITES, WELLS
from cellpainting.backend.read_backend import ParquetBackend, SqliteBackend, aggregate_backend
from cellpainting.backend.report import IngestReport
from cellpainting.jobs.build_backend import Aggregate
from tests.worker.backend.plates import COMPARTMENTS, PLATE, Backend, Row, Shuffled, build, write

FEATURES = ("AreaShape_Area", "Intensity_Mean_DNA", "Texture_X_1", "Neighbors_Count")
IMAGE_FEATURES = ("Granularity_1_DNA", "ImageQuality_Focus_DNA", "Timing_Run")
NUMBERS = ("0", "1", "-7", "12345678", "0.1", "1e-3", "3.3333333333333335", "-2.5e+20", "nan", "", "inf")
Feature = tuple[str, str]  # table and name


@dataclass
class Written:
    """A plate on disk, and what was written of it. `values` are those of each well, by feature."""

    folder: Path
    lines: Counter[str]
    labels: list[str]
    values: Mapping[Feature, Mapping[str, list[float]]]
    with_text: set[Feature]


def write_random_plate(folder: Path, seed: int) -> Written:
    """Sets of CSVs whose columns, compartments, cells and values are as the seed has it."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    written = Written(folder, Counter(), [], defaultdict(lambda: defaultdict(list)), set())
    places = [(f"{row}{column:02}", str(site)) for row in "AB" for column in (1, 2, 10) for site in (1, 2, 10)]
    rng.shuffle(places)
    number = 0
    for index in range(rng.randint(1, 5)):
        images = {}
        for _ in range(rng.choice((1, 1, 3))):
            number += 1
            images[number] = places.pop()
        _write_random_set(folder / rng.choice(("", "a", "b/c")) / f"set-{index}", images, rng, written)
    return written


def _write_random_set(folder: Path, images: Mapping[int, tuple[str, str]], rng: random.Random, to: Written) -> None:
    features = [name for name in IMAGE_FEATURES if rng.random() < 0.7]
    rows: list[Row] = [("ImageNumber", "Metadata_Plate", *features, "Metadata_Well", "Metadata_Site")]
    for number, (well, site) in images.items():
        rows.append((number, PLATE, *(rng.choice(NUMBERS) for _ in features), well, site))
        to.labels.append(f"{PLATE}-{well}-{site}")
    write(folder / "Image.csv", *rows)
    to.lines["Image"] += len(images)
    for compartment in COMPARTMENTS:
        if rng.random() < 0.85:
            _write_random_objects(folder, compartment, images, rng, to)


def _write_random_objects(
    folder: Path, compartment: str, images: Mapping[int, tuple[str, str]], rng: random.Random, to: Written
) -> None:
    features = [name for name in FEATURES if rng.random() < 0.8]
    text = rng.choice(FEATURES) if rng.random() < 0.15 else ""
    rows: list[Row] = [("ImageNumber", "ObjectNumber", *features)]
    for number, (well, _) in images.items():
        for cell in range(rng.choice((0, 1, 2, 5))):
            values = [rng.choice(NUMBERS) if name != text else "bad" for name in features]
            rows.append((number, cell + 1, *values))
            for name, value in zip(features, values, strict=True):
                if value == "bad":
                    to.with_text.add((compartment, name))
                elif value not in ("", "nan"):
                    to.values[compartment, name][well].append(float(value))
    write(folder / f"{compartment}.csv", *rows)
    to.lines[compartment] += len(rows) - 1


def assert_all_is_accounted_for(written: Written, report: IngestReport) -> None:
    assert {name: table.rows_in for name, table in report.tables.items()} == {
        name: written.lines[name] for name in report.tables
    }
    assert all(table.rows_in == table.rows_out + table.rows_rejected for table in report.tables.values())
    assert {name for name, lines in written.lines.items() if lines} <= set(report.tables)
    assert sorted(one.image_set.label for one in report.outcomes) == sorted(written.labels)


def assert_sqlite_is_parquet(backend: Backend) -> None:
    for name, table in backend.tables().items():
        columns = ", ".join(f'"{column}"' for column in table.columns)
        assert backend.in_sqlite(f"SELECT {columns} FROM {name} ORDER BY rowid") == table.rows()  # noqa: S608


def assert_profiles_agree(backend: Backend, how: Aggregate) -> None:
    for level, published in ((WELLS, backend.profile), (SITES, backend.sites)):
        of_parquet = aggregate_backend(ParquetBackend(backend.folder), how, level)
        of_sqlite = aggregate_backend(SqliteBackend(backend.sqlite), how, level)
        assert of_parquet.equals(of_sqlite)
        assert of_parquet.equals(published)
    written = pl.read_csv(backend.folder / f"{PLATE}.csv", schema=backend.profile.schema)
    assert written.equals(backend.profile)


def assert_profile_is_plain_arithmetic(written: Written, profile: pl.DataFrame, how: Aggregate) -> None:
    """Against the standard library, within 1e-12 of the largest of the values."""
    plain = statistics.fmean if how == "mean" else statistics.median
    for (table, name), by_well in written.values.items():
        column = f"{table}_{name}"
        assert (column in profile.columns) == ((table, name) not in written.with_text)
        if column in profile.columns:
            for well, got in profile.select("Metadata_Well", column).iter_rows():
                values = by_well.get(well, [])
                size = max((abs(value) for value in values if math.isfinite(value)), default=1.0)
                assert got == (pytest.approx(plain(values), rel=1e-12, abs=1e-12 * size) if values else None)


@given(seed=st.integers(0, 2**32), how=st.sampled_from(("mean", "median")))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rows_image_sets_tables_and_profiles_add_up(seed: int, how: Aggregate) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = write_random_plate(Path(folder, "analysis"), seed)
        report = build(written.folder, Path(folder, "out"), aggregate=how)
        backend = Backend(Path(folder, "out", PLATE))
        assert_all_is_accounted_for(written, report)
        assert_sqlite_is_parquet(backend)
        assert_profiles_agree(backend, how)
        assert_profile_is_plain_arithmetic(written, backend.profile, how)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_order_in_which_files_are_listed_does_not_matter(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = write_random_plate(Path(folder, "analysis"), seed)
        reports = [
            build(Shuffled(written.folder, seed + order), Path(folder, str(order)), sqlite=False) for order in range(2)
        ]
        first, second = (Backend(Path(folder, str(order), PLATE)) for order in range(2))
        assert first.tables().keys() == second.tables().keys()
        assert all(table.equals(second.table(name)) for name, table in first.tables().items())
        assert first.profile.equals(second.profile)
        assert first.sites.equals(second.sites)
        assert reports[0].outcomes == reports[1].outcomes
        assert reports[0].tables == reports[1].tables


def test_number_of_what_is_listed_first_does_not_decide_which_of_two_names_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "a/s/Image.csv", ("ImageNumber", "Metadata_Plate"), (1, PLATE))
    for name, size in (("Cells", 1), ("cells", 2)):
        write(tmp_path / f"a/s/{name}.csv", ("ImageNumber", "ObjectNumber", "X"), (1, 1, size))
    for seed in range(4):
        build(Shuffled(tmp_path / "a", seed), tmp_path / str(seed), sqlite=False)
        assert Backend(tmp_path / str(seed) / PLATE).table("Cells")["Cells_X"].to_list() == [1.0]
