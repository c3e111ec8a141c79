"""How alike the replicates of each treatment are, and how far from the negative controls."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from cellpainting.profiles.config import Controls
from cellpainting.profiles.profiles import Profiles
from cellpainting.quality.replicate_scores import (
    SIGNIFICANT,
    Correlations,
    Precisions,
    replicate_correlations,
    replicate_precisions,
)
from cellpainting.quality.replicate_wells import ReplicateWells, replicate_wells

SCHEMA: Mapping[str, type[pl.DataType]] = {
    "treatment": pl.String,
    "kind": pl.String,
    "wells": pl.Int64,
    "correlation": pl.Float64,
    "mean_average_precision": pl.Float64,
    "p_value": pl.Float64,
    "corrected_p_value": pl.Float64,
}


@dataclass(frozen=True)
class TreatmentQuality:
    """One treatment. `kind` is its control type, `trt` if it is no control; `wells` are those that were compared.

    `correlation` is the median Pearson correlation of all pairs of its wells. Numbers that are not known are None.
    """

    treatment: str
    kind: str
    wells: int
    correlation: float | None
    mean_average_precision: float | None
    p_value: float | None
    corrected_p_value: float | None


@dataclass(frozen=True)
class ReplicateQuality:
    """All treatments of some plates, by name, and what they come to.

    `percent_replicating` is the share, from 0 to 1, of treatments with replicates whose correlation is above
    `threshold`, the 95th percentile of `null`: 1,000 medians of correlations of random wells of different treatments.
    `significant` is the share of treatments with a mean average precision whose corrected p-value is below 0.05.
    `remarks` say what was left out, and why a number is not known.
    """

    treatment_column: str
    percent_replicating: float | None
    threshold: float | None
    null: tuple[float, ...]
    significant: float | None
    treatments: tuple[TreatmentQuality, ...]
    remarks: tuple[str, ...]

    def to_json(self) -> bytes:
        """The whole as one JSON object."""
        return json.dumps(asdict(self), indent=1, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "ReplicateQuality":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(content)
        lists = {
            "null": tuple(document["null"]),
            "treatments": tuple(TreatmentQuality(**one) for one in document["treatments"]),
            "remarks": tuple(document["remarks"]),
        }
        return cls(**{**document, **lists})

    def frame(self) -> pl.DataFrame:
        """A row per treatment; numbers that are not known are null."""
        return pl.DataFrame([asdict(one) for one in self.treatments], schema=SCHEMA)

    def to_csv(self) -> bytes:
        """The frame as CSV."""
        return self.frame().write_csv().encode()


def replicate_quality(profiles: Profiles, treatment: str, controls: Controls) -> ReplicateQuality:
    """Compare the wells of each treatment with each other, with those of other treatments, and with negative controls.

    Wells without cells or without a treatment do not count. Profiles are best normalized, and of selected features.

    Source: percent replicating is that of Way et al. 2022 (doi:10.1016/j.cels.2022.10.001), mean average precision that
    of Kalinin et al. 2025 (doi:10.1038/s41467-025-60306-2), both by copairs.

    Parameters
    ----------
    profiles
        Of one plate or several; replicates may be on different plates, negative controls are those of the same plate.
    treatment
        The column that replicates share.

    Raises
    ------
    InvalidRequest
        If there is no such column.
    """
    found = replicate_wells(profiles, treatment, controls)
    correlations, precisions = replicate_correlations(found), replicate_precisions(found)
    return ReplicateQuality(
        treatment_column=treatment,
        percent_replicating=correlations.score,
        threshold=correlations.threshold,
        null=correlations.null,
        significant=_significant(precisions),
        treatments=tuple(_treatments(found, correlations, precisions)),
        remarks=(*found.remarks, *_remarks(found, correlations, precisions, controls)),
    )


def _significant(precisions: Precisions) -> float | None:
    """Not known where there are so few wells that no treatment could be told from controls, whatever it does."""
    corrected = [one.corrected_p_value for one in precisions.groups.values()]
    if len(corrected) == precisions.by_chance:
        return None
    return sum(p < SIGNIFICANT for p in corrected) / len(corrected)


def _treatments(
    found: ReplicateWells, correlations: Correlations, precisions: Precisions
) -> Iterator[TreatmentQuality]:
    """A row per treatment, in the order of their names: groups are numbered so."""
    for group, wells in found.wells.groupby("group"):
        precision = precisions.groups.get(int(group))
        first = wells.iloc[0]
        yield TreatmentQuality(
            treatment=str(first["treatment"]),
            kind=str(first["kind"]),
            wells=len(wells),
            correlation=correlations.medians.get(int(group)),
            mean_average_precision=precision.mean if precision else None,
            p_value=precision.p_value if precision else None,
            corrected_p_value=precision.corrected_p_value if precision else None,
        )


def _remarks(
    found: ReplicateWells, correlations: Correlations, precisions: Precisions, controls: Controls
) -> Iterator[str]:
    """Why numbers are not known, or not to be trusted."""
    wells = found.wells[~found.is_negative].groupby("group").size()
    alone = int((wells == 1).sum())
    if len(wells) == 0:
        yield "No well has a treatment that is no negative control: there is nothing to compare."
    elif alone == len(wells):
        yield "No treatment has two wells: there are no replicates to compare."
    elif alone:
        yield f"{alone:,} of {len(wells):,} treatments have one well only, so that there is no replicate to compare."
    if len(wells) == 1 and correlations.score is None:
        yield "There is one treatment only: percent replicating needs others to compare with."
    if not found.is_negative.any():
        names = " or ".join(map(repr, controls.negative))
        yield f"No well has {names} in {controls.column}: without negative controls there is no mean average precision."
    if precisions.wells_alone:
        yield (
            f"{precisions.wells_alone:,} wells are on plates without negative controls, and so in no mean average "
            "precision."
        )
    if precisions.by_chance:
        yield (
            f"{precisions.by_chance:,} of {len(precisions.groups):,} treatments have so few replicates and negative "
            "controls that chance alone gives them the best mean average precision in more than 1 of 20 cases: their "
            "p-values are too small."
        )
