"""The backend and the profiles of a plate with the public programs, each step as pycytominer's collate calls it.

cytominer-database and pycytominer cannot share an environment, so each step is a program of its own:

    python cytominer_backend.py munge SOURCE CONFIG
    python cytominer_backend.py ingest SOURCE DATABASE CONFIG
    python cytominer_backend.py index DATABASE [PLATE_COLUMN]
    python cytominer_backend.py profile DATABASE PROFILE.csv mean|median [IMAGE_CATEGORIES]
    python cytominer_backend.py merge DATABASE CELLS.csv
    python cytominer_backend.py annotate PROFILE.csv PLATEMAP.csv ANNOTATED.csv
    python cytominer_backend.py normalize ANNOTATED.csv NORMALIZED.csv
    python cytominer_backend.py cytotable SOURCE TABLE.parquet
"""

import os
import sqlite3
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")
IMAGE_CATEGORIES = "Count,Granularity,Texture,ImageQuality,Threshold"


def munge(source: str, config: str) -> None:
    """Split each object.csv into the tables of its compartments, beside it."""
    from cytominer_database.munge import munge

    munge(config_path=config, source=source)


def ingest(source: str, database: str, config: str) -> None:
    """CSVs to SQLite."""
    from cytominer_database.ingest import seed

    seed(source=source, target=f"sqlite:///{database}", config_path=config)


def index(database: str, plate_column: str = "") -> None:
    """The indexes that collate makes; before that, the plate's name from another column, if there is one."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        if plate_column:
            connection.execute("ALTER TABLE Image ADD COLUMN Metadata_Plate TEXT")
            connection.execute(f"UPDATE Image SET Metadata_Plate = {plate_column}")  # noqa: S608
        connection.execute("CREATE INDEX table_image_idx ON Image(TableNumber, ImageNumber)")
        for table in COMPARTMENTS:
            name = f"table_image_object_{table.lower()}_idx"
            connection.execute(f"CREATE INDEX {name} ON {table}(TableNumber, ImageNumber, ObjectNumber)")
        connection.execute("CREATE INDEX plate_well_image_idx ON Image(Metadata_Plate, Metadata_Well)")


def profile(database: str, output: str, operation: str, categories: str = IMAGE_CATEGORIES) -> None:
    """SQLite to a CSV of wells; with no categories, without the measurements of images."""
    single_cells(
        database,
        aggregation_operation=operation,
        add_image_features=bool(categories),
        image_feature_categories=categories.split(",") if categories else None,
    ).aggregate_profiles(output_file=output)


def merge(database: str, output: str) -> None:
    """SQLite to a CSV of single cells, all compartments side by side."""
    single_cells(database).merge_single_cells().to_csv(output, index=False)


def single_cells(database: str, **options: Any) -> Any:
    """pycytominer's reader of a backend."""
    from pycytominer.cyto_utils.cells import SingleCells

    return SingleCells(f"sqlite:///{database}", **options)


def annotate(profile: str, platemap: str, output: str) -> None:
    """A profile with what its wells hold."""
    import pandas
    from pycytominer import annotate

    annotate(profiles=profile, platemap=pandas.read_csv(platemap), output_file=output)


def normalize(profile: str, output: str) -> None:
    """A profile in units of the plate's spread."""
    from pycytominer import normalize

    normalize(profiles=profile, method="standardize", output_file=output)


def cytotable(source: str, output: str) -> None:
    """CSVs to one Parquet file of single cells. Its workers are found on PATH, DuckDB's extensions below HOME."""
    import duckdb
    import duckdb_ext

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for folder in duckdb_ext.__path__:
        for extension in Path(folder).rglob("*.duckdb_extension"):
            duckdb.connect().execute(f"INSTALL '{extension}'")
    from cytotable import convert

    convert(
        source_path=source,
        dest_path=output,
        dest_datatype="parquet",
        source_datatype="csv",
        preset="cellprofiler_csv",
    )


STEPS: dict[str, Callable[..., None]] = {
    step.__name__: step for step in (munge, ingest, index, profile, merge, annotate, normalize, cytotable)
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # pandas of another time
    STEPS[sys.argv[1]](*sys.argv[2:])
