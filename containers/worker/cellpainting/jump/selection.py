"""Which image sets are wanted: by filters, without known-bad sites, and N sites of each well. Pure."""

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import polars as pl

from cellpainting.errors import InvalidRequest
from cellpainting.jump.metadata import PERT_TYPE
from cellpainting.jump.sampling import sample
from cellpainting.jump.selection_config import FILTERS, Selection
from cellpainting.jump.tables import BATCH, PLATE, PLATE_TYPE, SITE, SOURCE, WELL

SITE_KEY = (SOURCE, BATCH, PLATE, WELL, SITE)
NOT_KNOWN = "unknown"  # the control type of a well that the metadata does not have: never wanted
ALL_SITES = np.iinfo(np.int64).max


def choose(frame: pl.DataFrame, selection: Selection, known_bad: pl.DataFrame) -> pl.DataFrame:
    """The rows of load data that are wanted, in their order.

    `frame` is load data joined with the metadata; `known_bad` has a row per bad site, or of a whole well, plate or
    batch where the rest is null.
    """
    kept = frame.filter(*_conditions(selection))
    kept = kept.filter(~is_bad(kept, known_bad))
    taken = sample(kept, _most(kept, selection), selection.seed)
    return kept.filter(pl.Series(taken))


def is_bad(frame: pl.DataFrame, known_bad: pl.DataFrame) -> pl.Series:
    """Whether each row is a site, or in a well, plate or batch, that is known to be bad."""
    bad = pl.Series(np.zeros(len(frame), bool))
    for told in known_bad.select(SITE_KEY).unique().iter_rows(named=True):
        named = [pl.col(name) == value for name, value in told.items() if value is not None]
        bad = bad | frame.select(pl.all_horizontal(named)).to_series().fill_null(False)
    return bad


def read_known_bad(paths: Iterable[Path]) -> pl.DataFrame:
    """The sites that are known to be bad: those that come with this program, and those of further files.

    Raises
    ------
    InvalidRequest
        If a file is not there, or lacks a column.
    """
    with resources.as_file(resources.files("cellpainting.jump") / "known_bad.csv") as own:
        frames = [_known_bad(path) for path in (own, *paths)]
    return pl.concat(frames)


def _known_bad(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidRequest(f"known-bad sites {path}: {error}; name a CSV file with {', '.join(SITE_KEY)}") from error
    missing = [name for name in SITE_KEY if name not in frame.columns]
    if missing:
        raise InvalidRequest(f"known-bad sites {path}: got no columns {missing}; an empty cell stands for all")
    if len(nothing := frame.filter(pl.all_horizontal(pl.col(SITE_KEY).is_null()))):
        raise InvalidRequest(
            f"known-bad sites {path}: {len(nothing)} rows name nothing, which is everything; take them out"
        )
    return frame.select(SITE_KEY)


def _conditions(selection: Selection) -> list[pl.Expr]:
    kept = [_has_one(name, values) for name, values in selection.keep.items()]
    return [*kept, *(~_has_one(name, values) for name, values in selection.leave_out.items()), pl.lit(True)]


def _has_one(name: str, values: tuple[str, ...]) -> pl.Expr:
    return pl.any_horizontal(pl.col(column).is_in(list(values)).fill_null(False) for column in FILTERS[name])


def _most(frame: pl.DataFrame, selection: Selection) -> np.ndarray:
    """How many sites are wanted of each row's well."""

    @cache
    def most(plate_type: str, control_type: str) -> int:
        count = selection.sites(plate_type, control_type)
        return ALL_SITES if count is None else count

    kinds = frame.select(pl.col(PLATE_TYPE).fill_null(""), pl.col(PERT_TYPE).fill_null(NOT_KNOWN))
    known = kinds.unique()
    counts = pl.Series("most", [most(*row) for row in known.iter_rows()], pl.Int64)
    return kinds.join(known.with_columns(counts), on=kinds.columns, how="left", maintain_order="left")[
        "most"
    ].to_numpy()
