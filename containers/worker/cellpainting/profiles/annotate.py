"""Metadata from platemaps joined to profiles. Unlike pycytominer's, the join loses no well unless it is asked to."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pycytominer
from pandas.api.types import is_numeric_dtype

from cellpainting.errors import InvalidTable
from cellpainting.profiles.names import IMAGE_COLUMNS, PLATE, WELL
from cellpainting.profiles.platemap import Platemap, canonical_well
from cellpainting.profiles.profiles import Profiles, as_text

ROW = "row"  # of the profile, to find its measurements again after the join


@dataclass(frozen=True)
class Unmatched:
    """What a join did not find. `wells` of the profile, None for no well, are not on the platemap; `empty` ones of the
    platemap have no profile; of `treatments` there is no row in the external metadata.
    """

    wells: tuple[str | None, ...] = ()
    empty: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Treatments:
    """External metadata: a row per treatment."""

    file: str
    rows: pd.DataFrame
    merge_column: str


def annotate(
    profiles: Profiles, platemap: Platemap, treatments: Treatments | None, *, drop_unmatched: bool
) -> tuple[Profiles, Unmatched]:
    """Join a plate's profiles, in their own order, with its platemap and then with external metadata.

    Wells are compared in the form `A01`, and told so.

    Source: pycytominer.annotate, whose inner join is made an outer one for the wells of the profile.

    Raises
    ------
    InvalidTable
        If the platemap has no column to find treatments by.
    """
    if treatments:
        platemap, treatments = _comparable(platemap, treatments)
    metadata = _with_canonical_wells(profiles.metadata).assign(**{ROW: np.arange(len(profiles.metadata))})
    mapped, measured = platemap.wells[platemap.well_column], metadata[WELL]
    is_mapped, profiled = measured.isin(mapped), set(measured)
    unmatched = Unmatched(
        wells=tuple(dict.fromkeys(measured[~is_mapped])), empty=tuple(well for well in mapped if well not in profiled)
    )
    if treatments:
        unmatched = replace(unmatched, treatments=_without_row(platemap, treatments, profiled))
    joined = pycytominer.annotate(
        metadata,
        platemap.wells,
        join_on=[platemap.well_column, WELL],
        external_metadata=treatments.rows if treatments else None,
        external_join_on=[treatments.merge_column] if treatments else None,
    )
    if unmatched.wells and not drop_unmatched:  # only now: a treatment without a name is not theirs
        joined = pd.concat([joined, metadata[~is_mapped]])
    joined = joined.sort_values(ROW, ignore_index=True)
    rows = joined.pop(ROW).to_numpy()
    return replace(profiles, metadata=joined, values=profiles.values[rows]), unmatched


def _with_canonical_wells(metadata: pd.DataFrame) -> pd.DataFrame:
    named = metadata.rename(columns=IMAGE_COLUMNS)
    wells = [canonical_well(str(name)) or name for name in named[WELL]]
    return named.assign(**{WELL: wells, PLATE: as_text(named[PLATE])})


def _comparable(platemap: Platemap, treatments: Treatments) -> tuple[Platemap, Treatments]:
    """Both with the same kind of values to find rows by: in one file they may all be numbers, and in the other not."""
    column = treatments.merge_column
    if column not in platemap.wells:
        raise InvalidTable(
            f"{platemap.file}, line 1: there is no column {column!r} to find the rows of {treatments.file} by, the "
            f"header has {', '.join(platemap.wells.columns)}; correct 'merge_column', or one of the files"
        )
    wells, rows = platemap.wells, treatments.rows
    if is_numeric_dtype(wells[column]) == is_numeric_dtype(rows[column]):
        return platemap, treatments
    return (
        replace(platemap, wells=wells.assign(**{column: as_text(wells[column])})),
        replace(treatments, rows=rows.assign(**{column: as_text(rows[column])})),
    )


def _without_row(platemap: Platemap, treatments: Treatments, measured: set[str]) -> tuple[str, ...]:
    column = treatments.merge_column
    used = platemap.wells.loc[platemap.wells[platemap.well_column].isin(measured), column].dropna().unique()
    known = set(treatments.rows[column].dropna())
    return tuple(str(one) for one in used if one not in known)
