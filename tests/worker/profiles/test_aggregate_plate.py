"""A plate's first profile, from the backend's tables or from the profile that is beside them."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pycytominer
import pytest
from polars.testing import assert_frame_equal
from pycytominer.cyto_utils.cells import SingleCells

from cellpainting.backend.read_backend import aggregate_backend, open_backend
from cellpainting.errors import DamagedTable, InvalidRequest, MissingInput
from cellpainting.jobs.build_backend import Aggregate
from cellpainting.profiles.aggregate_plate import PlateBackend
from cellpainting.profiles.config import AggregateStep, NormalizeStep, SelectStep
from cellpainting.profiles.normalize import normalize
from cellpainting.profiles.place import Place
from cellpainting.profiles.profile_report import INFINITE
from cellpainting.profiles.select_features import select_features
from cellpainting.storage import FolderStorage
from tests.worker.backend.plates import copied, write_and_build, write_plate, write_set
from tests.worker.profiles.made_plates import REAL_CSV, REAL_PLATE, SMALL_CSV, SMALL_PLATE, Workspace, assert_same

COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")


def opened(root: Path, plate: str, folder: str | None = None) -> PlateBackend:
    return PlateBackend(Place(FolderStorage(root)), folder or plate, plate, root / "scratch")


@pytest.fixture(scope="module", params=["small", "real"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The backend of CSVs that CellProfiler wrote, and the plate's name."""
    analysis, plate = {"small": (SMALL_CSV, SMALL_PLATE), "real": (REAL_CSV, REAL_PLATE)}[request.param]
    if not analysis.is_dir():
        pytest.skip(f"{analysis} is not here: two wells of real CSVs that others published")
    return Workspace(tmp_path_factory.mktemp("built")).put_backend("B1", analysis, plate), plate


@pytest.fixture
def backend(built: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy of it, which a test may change."""
    folder, plate = built
    return copied(folder, tmp_path / plate), plate


def cells_of(folder: Path, table: str) -> pd.DataFrame:
    """The rows of a table with plate and well of their image."""
    images = pl.read_parquet(folder / "Image.parquet").select(
        "TableNumber", "ImageNumber", "Metadata_Plate", "Metadata_Well"
    )
    return pl.read_parquet(folder / f"{table}.parquet").join(images, on=["TableNumber", "ImageNumber"]).to_pandas()


@pytest.mark.parametrize("method", ["mean", "median"])
def test_cells_are_aggregated_as_by_pycytominer(backend: tuple[Path, str], method: Aggregate) -> None:
    folder, plate = backend
    made = opened(folder.parent, plate).aggregate(AggregateStep(method))
    compared = 0
    for table in COMPARTMENTS:
        cells = cells_of(folder, table)
        features = [name for name in made.features if name.startswith(f"{table}_")]
        strata = ["Metadata_Plate", "Metadata_Well"]
        theirs = pycytominer.aggregate(cells, strata=strata, features=features, operation=method)
        ours = made.frame().set_index(strata).loc[theirs.set_index(strata).index, features]
        np.testing.assert_allclose(ours.to_numpy(), theirs[features].to_numpy(np.float64), rtol=1e-9)
        compared += len(features)
    assert compared > 10


@pytest.mark.filterwarnings("ignore:The SingleCells class is deprecated:DeprecationWarning")
@pytest.mark.parametrize("method", ["mean", "median"])
def test_sqlite_is_aggregated_as_by_pycytominers_single_cells(backend: tuple[Path, str], method: Aggregate) -> None:
    folder, plate = backend
    database = folder / f"{plate}.sqlite"
    cells = SingleCells(
        sql_file=f"sqlite:///{database}",
        strata=["Metadata_Plate", "Metadata_Well"],
        image_cols=["TableNumber", "ImageNumber", "Metadata_Site"],
        aggregation_operation=method,
    )
    theirs = cells.aggregate_profiles()
    cells.conn.close()  # it leaves its connections open
    cells.engine.dispose()
    features = [name for name in theirs if name.startswith(COMPARTMENTS)]
    made = aggregate_backend(open_backend(database), method).to_pandas().set_index("Metadata_Well")
    ours = made.loc[theirs["Metadata_Well"]]
    np.testing.assert_allclose(ours[features].to_numpy(np.float64), theirs[features].to_numpy(np.float64), rtol=1e-9)
    for column in ("Metadata_Object_Count", "Metadata_Site_Count"):
        assert ours[column].tolist() == theirs[column].tolist()
    assert len(features) > 10


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # pycytominer's, of so few wells
@pytest.mark.parametrize("step", [NormalizeStep("standardize"), NormalizeStep("robustize"), NormalizeStep(epsilon=0)])
def test_what_follows_from_a_backend_is_as_by_pycytominer(backend: tuple[Path, str], step: NormalizeStep) -> None:
    folder, plate = backend
    whole = opened(folder.parent, plate).aggregate(AggregateStep("median"))
    made = whole.keep(
        whole.features[::20] if len(whole.features) > 1000 else whole.features
    )  # of two wells, all correlate
    normalized = normalize(made, made.features, made.has_cells(), step).profiles
    theirs = pycytominer.normalize(
        made.frame(),
        features=list(made.features),
        samples="Metadata_Object_Count > 0",
        method=step.method,
        mad_robustize_epsilon=step.epsilon,
    )
    assert_same(normalized, theirs)
    select = SelectStep()
    selected = select_features(normalized, normalized.features, normalized.has_cells(), select)
    infinite = set(selected.removed.get(INFINITE, ()))
    finite = [name for name in normalized.features if name not in infinite]
    measured = theirs[theirs["Metadata_Object_Count"] > 0].drop(columns=list(infinite))
    chosen = pycytominer.feature_select(measured, features=finite, operation=list(select.operations))
    assert set(selected.features) == {name for name in chosen if not name.startswith("Metadata_")}


def test_wells_without_cells_keep_their_row(backend: tuple[Path, str]) -> None:
    folder, plate = backend
    made = opened(folder.parent, plate).aggregate(AggregateStep("median"))
    images = pl.read_parquet(folder / "Image.parquet")
    assert set(made.metadata["Metadata_Well"]) == set(images["Metadata_Well"].drop_nulls())


def test_the_backends_own_profile_is_taken_where_it_is_the_same(backend: tuple[Path, str]) -> None:
    folder, plate = backend
    step = AggregateStep("mean", image_categories=("Count", "Texture"))
    own = opened(folder.parent, plate)
    assert [Path(item.key).name for item in own.files(step)] == [f"{plate}.parquet"]
    taken = own.aggregate(step)
    (folder / f"{plate}.parquet").unlink()
    again = opened(folder.parent, plate)
    assert f"{plate}.parquet" not in {Path(item.key).name for item in again.files(step)}
    made = again.aggregate(step)
    pd.testing.assert_frame_equal(made.frame(), taken.frame(), rtol=1e-12)


def test_sqlite_gives_the_same_as_parquet(workspace: Workspace) -> None:
    folder = workspace.put_backend("B1")
    step = AggregateStep("median", image_categories=("Texture",))
    parquet = opened(folder.parent, SMALL_PLATE).aggregate(step)
    only = workspace.root / "only" / SMALL_PLATE
    only.mkdir(parents=True)
    shutil.copy(folder / f"{SMALL_PLATE}.sqlite", only)
    pd.testing.assert_frame_equal(opened(only.parent, SMALL_PLATE).aggregate(step).frame(), parquet.frame())


@pytest.fixture
def two_sites(tmp_path: Path) -> Path:
    """A plate of two wells with two sites each, and its backend's folder."""
    analysis = tmp_path / "analysis"
    number = 0
    for well in ("A01", "A02"):
        for site in ("1", "2"):
            number += 1
            write_set(analysis / f"P1-{well}-{site}", well, site, cells=number, number=number)
    _, backend = write_and_build(analysis)
    return backend.folder


def test_sites_that_are_named_are_the_only_ones_that_count(two_sites: Path) -> None:
    made = opened(two_sites.parent, "P1").aggregate(AggregateStep("mean", sites=("2",)))
    assert made.metadata["Metadata_Object_Count"].tolist() == [2, 4]
    assert made.metadata["Metadata_Site_Count"].tolist() == [1, 1]


def test_a_row_per_site_where_it_is_asked_for(two_sites: Path) -> None:
    made = opened(two_sites.parent, "P1").aggregate(AggregateStep("mean", by_site=True))
    assert made.metadata["Metadata_Site"].tolist() == ["1", "2", "1", "2"]
    assert made.metadata["Metadata_Object_Count"].tolist() == [1, 2, 3, 4]


def test_sites_that_are_not_there_are_told(two_sites: Path) -> None:
    with pytest.raises(InvalidRequest, match="no image set is of site 9; the backend has 1, 2: correct 'fields'"):
        opened(two_sites.parent, "P1").aggregate(AggregateStep("mean", sites=("9",)))


def test_only_the_image_features_of_some_categories_are_there(workspace: Workspace) -> None:
    folder = workspace.put_backend("B1")
    images = pl.read_parquet_schema(folder / "Image.parquet")
    categories = sorted({name.split("_")[0] for name, kind in images.items() if kind == pl.Float64})
    category = next(name for name in categories if name not in ("Count", "Metadata"))
    made = opened(folder.parent, SMALL_PLATE).aggregate(AggregateStep("median", image_categories=("Count", category)))
    found = [name for name in made.features if name.startswith("Image_")]
    assert found
    assert all(name.startswith(f"Image_{category}") for name in found)
    without = opened(folder.parent, SMALL_PLATE).aggregate(AggregateStep("median"))
    assert not [name for name in without.features if name.startswith("Image_")]


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A SQLite file whose columns of metadata begin with `Image_`, and whose plate and sites are numbers."""
    _, backend = write_and_build(write_plate(tmp_path / "analysis", plate="42"), plate="42")
    with closing(sqlite3.connect(backend.sqlite)) as connection:
        for (index,) in list(connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")):
            connection.execute(f"DROP INDEX {index}")
        for name in ("Plate", "Well", "Site"):
            connection.execute(f"ALTER TABLE Image RENAME COLUMN Metadata_{name} TO Image_Metadata_{name}")
        for name in ("Plate", "Site"):
            connection.execute(f"ALTER TABLE Image ADD COLUMN n_{name} REAL")
            connection.execute(f"UPDATE Image SET n_{name} = CAST(Image_Metadata_{name} AS REAL)")  # noqa: S608
            connection.execute(f"ALTER TABLE Image DROP COLUMN Image_Metadata_{name}")
            connection.execute(f"ALTER TABLE Image RENAME COLUMN n_{name} TO Image_Metadata_{name}")
        connection.commit()
    return backend.sqlite


def test_older_columns_of_plate_well_and_site_are_read(older: Path) -> None:
    made = aggregate_backend(open_backend(older), "mean", sites=("1",))
    assert made["Metadata_Plate"].to_list() == ["42", "42"]
    assert made["Metadata_Well"].to_list() == ["A01", "A02"]


def test_that_there_is_no_backend_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"there is no backend at .*B1/P1: neither Image.parquet nor P1.sqlite"):
        opened(tmp_path, "P1", "B1/P1")


def test_files_further_below_are_of_no_matter(two_sites: Path) -> None:
    expected = opened(two_sites.parent, "P1").aggregate(AggregateStep("median"))
    (two_sites / "old").mkdir()
    (two_sites / "old" / "Cells.parquet").write_bytes(b"")
    made = opened(two_sites.parent, "P1").aggregate(AggregateStep("median"))
    assert_frame_equal(pl.from_pandas(made.frame()), pl.from_pandas(expected.frame()))


@pytest.mark.parametrize("name", ["Cells.parquet", "P1.parquet", "P1_ingest.json"])
@pytest.mark.parametrize("content", [b"", b"PAR1 nothing", b"[]"])
def test_a_damaged_file_is_told_by_name(two_sites: Path, name: str, content: bytes) -> None:
    (two_sites / name).write_bytes(content)
    step = AggregateStep("median" if name == "Cells.parquet" else "mean")
    with pytest.raises(DamagedTable, match=f"{name}.*make the backend again"):
        opened(two_sites.parent, "P1").aggregate(step)


def test_a_truncated_table_is_told_by_name(two_sites: Path) -> None:
    path = two_sites / "Nuclei.parquet"
    content = bytearray(path.read_bytes())
    content[8 : len(content) // 2] = b"\xff" * (len(content) // 2 - 8)
    path.write_bytes(content)
    with pytest.raises(DamagedTable, match=r"Nuclei.parquet cannot be read"):
        opened(two_sites.parent, "P1").aggregate(AggregateStep("median"))


def test_a_damaged_sqlite_file_is_told_by_name(tmp_path: Path, two_sites: Path) -> None:
    only = tmp_path / "only" / "P1"
    only.mkdir(parents=True)
    content = bytearray((two_sites / "P1.sqlite").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (only / "P1.sqlite").write_bytes(content)
    with pytest.raises((DamagedTable, InvalidRequest), match=r"P1.sqlite"):
        opened(only.parent, "P1").aggregate(AggregateStep("median"))
