"""Which wells of a profile can be compared with each other, and what each of them has got."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import Controls
from cellpainting.profiles.names import NEGATIVE_CONTROL, PLATE, TREATED
from cellpainting.profiles.profiles import Profiles, Rows, Values


@dataclass(frozen=True)
class ReplicateWells:
    """Wells that have a treatment, or are negative controls, and a profile that can be correlated.

    `wells` has the columns `plate`, `treatment`, `kind` (a control type), `is_negative` and `group`, a number per
    treatment; a treatment that is a negative control elsewhere is another group there. `values` are finite, of shape
    (wells, features). `remarks` say what was left out.
    """

    wells: pd.DataFrame
    values: Values
    remarks: tuple[str, ...]

    @property
    def is_negative(self) -> Rows:
        """Which wells are negative controls."""
        return np.asarray(self.wells["is_negative"], dtype=np.bool_)

    @property
    def groups(self) -> NDArray[np.int64]:
        """The treatment of each well, as a number."""
        return np.asarray(self.wells["group"], dtype=np.int64)

    @property
    def plates(self) -> NDArray[np.int64]:
        """The plate of each well, as a number."""
        return np.asarray(pd.factorize(self.wells["plate"])[0], dtype=np.int64)


def replicate_wells(profiles: Profiles, treatment: str, controls: Controls) -> ReplicateWells:
    """Choose wells and features to be compared.

    Negative controls need no treatment: platemaps often have none for DMSO.

    Raises
    ------
    InvalidRequest
        If there is no column of plates, or of this treatment.
    """
    for column in (PLATE, treatment):
        if column not in profiles.metadata:
            raise InvalidRequest(
                f"there is no column {column!r} to find replicates by; the profiles have {', '.join(profiles.metadata)}"
            )
    remarks: list[str] = []
    measured = _keep(profiles, profiles.has_cells(), "{} without cells left out", remarks)
    wells = _described(measured.metadata, treatment, controls)
    has_treatment = np.asarray(wells["treatment"] != "", dtype=np.bool_)
    named = _keep(measured, has_treatment, f"{{}} without a treatment in {treatment} left out", remarks)
    wells = wells[has_treatment]
    is_finite = np.isfinite(named.values)
    has_values = np.asarray(is_finite.any(axis=1), dtype=np.bool_)
    valued = _keep(named, has_values, "{} without any value left out", remarks)
    complete = is_finite[has_values].all(axis=0)
    if not complete.all():
        remarks.append(f"{_counted(int((~complete).sum()), 'feature')} with missing or infinite values left out.")
    values = valued.values[:, complete]
    varies = np.ptp(values, axis=1) > 0 if values.size else np.zeros(len(values), dtype=np.bool_)
    _keep(valued, varies, "{} with one and the same value in all features left out", remarks)
    wells = wells[has_values][varies].reset_index(drop=True)
    wells["group"] = wells.groupby(["treatment", "is_negative"]).ngroup()
    return ReplicateWells(wells, values[varies], tuple(remarks))


def _keep(profiles: Profiles, rows: Rows, remark: str, remarks: list[str]) -> Profiles:
    """Some rows of the profiles; a remark counts the others."""
    if rows.all():
        return profiles
    remarks.append(remark.format(_counted(int((~rows).sum()), "well")) + ".")
    return profiles.take(rows)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _described(metadata: pd.DataFrame, treatment: str, controls: Controls) -> pd.DataFrame:
    """Plate, treatment and control type of each well, as text; empty where there is none."""
    types = _texts(metadata, controls.column)
    is_negative = np.isin(types, controls.negative)
    names = np.where(is_negative & (_texts(metadata, treatment) == ""), types, _texts(metadata, treatment))
    kinds = np.where(is_negative, NEGATIVE_CONTROL, np.where(types == "", TREATED, types))
    return pd.DataFrame(
        {"plate": _texts(metadata, PLATE), "treatment": names, "kind": kinds, "is_negative": is_negative}
    )


def _texts(metadata: pd.DataFrame, column: str) -> NDArray[np.object_]:
    values: Sequence[object] = metadata[column].tolist() if column in metadata else [None] * len(metadata)
    return np.array(["" if pd.isna(value) else str(value).strip() for value in values], dtype=object)
