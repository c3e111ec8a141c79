"""One profile per treatment, from those of its replicates."""

import warnings

import numpy as np
import pandas as pd
import pycytominer

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import ConsensusStep
from cellpainting.profiles.profiles import Profiles

WELLS = "Metadata_Well_Count"


def consensus(profiles: Profiles, step: ConsensusStep) -> tuple[Profiles, tuple[str, ...]]:
    """The consensus of each combination of the replicate columns, and the wells that have none and so are in no one.

    Wells without a cell do not count. `Metadata_Well_Count` tells how many wells a consensus is of.

    Source: pycytominer.consensus.

    Raises
    ------
    InvalidRequest
        If there is no such column, or no well has a value in all of them.
    """
    columns = list(step.replicate_columns)
    for column in columns:
        if column not in profiles.metadata:
            raise InvalidRequest(
                f"there is no column {column!r} for a consensus; the profiles have {', '.join(profiles.metadata)}"
            )
    has_values = np.asarray(~np.isnan(profiles.values).all(axis=1), dtype=np.bool_)
    measured = profiles.take(has_values)
    is_named = np.asarray(measured.metadata[columns].notna().all(axis="columns"), dtype=np.bool_)
    named, unnamed = measured.take(is_named), measured.take(~is_named)
    if not is_named.any():
        raise InvalidRequest(f"no well has a value in {' and '.join(columns)}: there is nothing to make a consensus of")
    frame = named.frame()[[*columns, *named.features]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas, about how pycytominer uses it
        made = pycytominer.consensus(
            frame, replicate_columns=columns, operation=step.operation, features=list(named.features)
        )
    counts = frame.groupby(columns, dropna=False).size().rename(WELLS).reset_index()
    made = pd.DataFrame(made).merge(counts, on=columns, how="left")
    metadata = made[[*columns, WELLS]]
    return Profiles(metadata, made[list(named.features)].to_numpy(np.float64), named.features), tuple(unnamed.places)
