"""Profiles as files: Parquet in full, CSV for everybody, GCT for Morpheus, AnnData for scverse."""

import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from cellpainting.errors import DamagedTable, InvalidTable
from cellpainting.profiles.config import Format
from cellpainting.profiles.decimal_text import to_significant_digits
from cellpainting.profiles.names import IMAGE_COLUMNS, METADATA, PLATE, WELL
from cellpainting.profiles.profiles import Profiles

PARQUET = "parquet"
FLOAT_FORMAT = re.compile(r"%\.(\d+)([gef])")
GZIP_LEVEL = 3  # 5 % larger than at 6, in half of the time
GZIP = 16  # to be added to the window bits, for a header of gzip; it has no time in it


def write_profiles(
    profiles: Profiles, folder: Path, stem: str, formats: Sequence[Format], digits: str | None
) -> list[Path]:
    """Write a profile as `<stem>.parquet` and in other formats; `digits` is a `float_format`, for CSV only."""
    writers = {folder / f"{stem}.{name}": _WRITERS[name] for name in formats}
    full = folder / f"{stem}.{PARQUET}"
    with ThreadPoolExecutor() as threads:  # compression runs beside Python
        writing = [threads.submit(write, profiles, path, digits) for path, write in writers.items()]
        to_polars(profiles).write_parquet(full)
        for one in writing:
            one.result()
    return [full, *writers]


def read_parquet(path: Path) -> Profiles:
    """Read what `write_profiles` wrote, in full.

    Raises
    ------
    DamagedTable
        If it is not there, or not whole.
    """
    with _reading(path):
        return of_polars(pl.read_parquet(path))


def read_csv(path: Path, name: str) -> Profiles:
    """Read a profile that another program wrote; `name` is that of the file, for messages.

    Raises
    ------
    InvalidTable
        If it is no CSV, or has no column of plates or wells.
    """
    texts = dict.fromkeys([PLATE, WELL, *IMAGE_COLUMNS], str)
    try:
        frame = pd.read_csv(path, dtype=texts, low_memory=False, float_precision="round_trip")
    except (ValueError, EOFError, OSError, zlib.error) as error:  # of pandas and of gzip
        raise InvalidTable(f"{name} is no CSV that can be read ({' '.join(str(error).split())}); replace it") from error
    profiles = Profiles.of_frame(frame.rename(columns=IMAGE_COLUMNS))
    for column in (PLATE, WELL):
        if column not in profiles.metadata:
            raise InvalidTable(f"{name}, line 1: there is no column {column!r}; add it")
    return profiles


def read_features(path: Path) -> tuple[str, ...]:
    """The names of the features that `read_parquet` would read.

    Raises
    ------
    DamagedTable
        If it is not there, or not whole.
    """
    with _reading(path):
        return _features_of(pl.read_parquet_schema(path))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        told = " ".join(str(error).split())
        raise DamagedTable(f"{path} cannot be read ({told}); make the profile again, with --force") from error


def of_polars(frame: pl.DataFrame) -> Profiles:
    """Profiles of a table whose columns are metadata, or features: numbers that are not named `Metadata_`."""
    schema = frame.schema
    features = _features_of(schema)
    wanted = set(features)
    metadata = frame.select(name for name in schema if name not in wanted).to_pandas()
    values = frame.select(pl.col(features).cast(pl.Float64)).to_numpy() if features else np.empty((len(frame), 0))
    return Profiles(metadata, values, features)


def _features_of(schema: Mapping[str, pl.DataType]) -> tuple[str, ...]:
    return tuple(name for name, kind in schema.items() if not name.startswith(METADATA) and kind.is_numeric())


def to_polars(profiles: Profiles, values: NDArray[np.float64] | None = None) -> pl.DataFrame:
    """Metadata, then features; missing values are null."""
    metadata = pl.from_pandas(profiles.metadata)
    numbers = profiles.values if values is None else values
    columns = zip(profiles.features, np.asfortranarray(numbers).T, strict=True)
    measured = [pl.Series(name, column, nan_to_null=True) for name, column in columns]
    return metadata.hstack(measured)


def write_csv(profiles: Profiles, path: Path, digits: str | None) -> None:
    """Write `csv.gz`, as pandas and pycytominer read it."""
    buffer = io.BytesIO()
    spelled = FLOAT_FORMAT.fullmatch(digits or "")
    if spelled and spelled[2] == "g":
        to_polars(profiles, to_significant_digits(profiles.values, max(int(spelled[1]), 1))).write_csv(buffer)
    elif spelled:
        to_polars(profiles).write_csv(buffer, float_precision=int(spelled[1]), float_scientific=spelled[2] == "e")
    else:
        to_polars(profiles).write_csv(buffer)
    path.write_bytes(zlib_ng.compress(buffer.getvalue(), GZIP_LEVEL, zlib_ng.MAX_WBITS + GZIP))


def write_gct(profiles: Profiles, path: Path, digits: str | None = None) -> None:
    """Write GCT 1.3: a column per well with its metadata on top, a row per feature.

    Source: the GCT format of the Connectivity Map (clue.io), as Morpheus and cmapPy read it. pycytominer.write_gct
    leaves features of images out.
    """
    del digits  # numbers are in full
    metadata = profiles.metadata.rename(columns=lambda name: name.removeprefix(METADATA))
    names = [f"SAMPLE_{number}" for number in range(len(metadata))]
    lines = ["#1.3", f"{len(profiles.features)}\t{len(names)}\t1\t{len(metadata.columns)}"]
    lines.append("\t".join(["id", "cp_feature_name", *names]))
    for name in metadata.columns:
        texts = [_one_line(value) for value in metadata[name]]
        lines.append("\t".join([name, "na", *texts]))
    for feature, values in zip(profiles.features, profiles.values.T, strict=True):
        numbers = ["nan" if np.isnan(value) else repr(float(value)) for value in values]
        lines.append("\t".join([feature, feature, *numbers]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _one_line(value: object) -> str:
    """A value in one cell of a table that has no quotes."""
    return "na" if pd.isna(value) else " ".join(str(value).split())


def write_anndata(profiles: Profiles, path: Path, digits: str | None = None) -> None:
    """Write AnnData: `X` has the features, `obs` the metadata of each well, `var` the parts of each feature's name."""
    del digits
    import anndata  # takes half a second

    observed = profiles.metadata.rename(columns=lambda name: name.replace("/", "_"))  # HDF5 takes it for a folder
    for name in observed.columns:
        if observed[name].dtype == object:
            observed[name] = pd.Categorical(observed[name].map(str, na_action="ignore"))
    observed.index = pd.Index(_unique_names(profiles))
    variables = pd.DataFrame(
        {
            "compartment": pd.Categorical([name.split("_")[0] for name in profiles.features]),
            "category": pd.Categorical([[*name.split("_"), ""][1] for name in profiles.features]),
        },
        index=pd.Index(profiles.features, dtype=object),
    )
    anndata.AnnData(X=profiles.values, obs=observed, var=variables).write_h5ad(path, compression="gzip")


def _unique_names(profiles: Profiles) -> list[str]:
    """`<plate>_<well>`, or the row's number where that is not known or not enough."""
    numbers = [str(number) for number in range(len(profiles.metadata))]
    if not {PLATE, WELL} <= set(profiles.metadata):
        return numbers
    names = [f"{plate}_{well}" for plate, well in zip(profiles.metadata[PLATE], profiles.metadata[WELL], strict=True)]
    return names if len(set(names)) == len(names) else numbers


_WRITERS: Mapping[Format, Callable[[Profiles, Path, str | None], None]] = {
    "csv.gz": write_csv,
    "gct": write_gct,
    "h5ad": write_anndata,
}
