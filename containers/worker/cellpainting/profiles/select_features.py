"""Which features to keep, one operation after the other, by pycytominer's operations.

An operation sees what the ones before it have left, so that it is known which of them removed a feature.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pycytominer.cyto_utils import drop_outlier_features, get_blocklist_features
from pycytominer.operations import frequency_threshold, get_na_columns, noise_removal, variance_threshold

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import Operation, SelectStep
from cellpainting.profiles.correlation import correlated_features
from cellpainting.profiles.profile_report import INFINITE
from cellpainting.profiles.profiles import Profiles, Rows


@dataclass(frozen=True)
class Selected:
    """The features that are left, and those that each operation removed, in the order of the operations."""

    features: tuple[str, ...]
    removed: Mapping[str, tuple[str, ...]]


def select_features(profiles: Profiles, features: Sequence[str], samples: Rows, step: SelectStep) -> Selected:
    """Choose among `features` by what they are in the wells of `samples`.

    Source: pycytominer.feature_select, with one difference: features with infinite values, which a MAD of 0 makes when
    nothing is added to it, are removed first; pycytominer ends with an error there.

    Raises
    ------
    InvalidRequest
        If there is no well to choose by, or no feature is left.
    """
    if not samples.any():
        raise InvalidRequest(f"no well has {step.min_cells} cells or more, to choose features by; lower 'min_cells'")
    sample = _Sample.of(profiles, features, samples)
    left = list(sample.frame.columns)
    removed: dict[str, tuple[str, ...]] = {}
    is_infinite = np.isinf(sample.frame.to_numpy()).any(axis=0)
    if is_infinite.any():
        removed[INFINITE] = tuple(name for name, is_one in zip(left, is_infinite, strict=True) if is_one)
        left = [name for name, is_one in zip(left, is_infinite, strict=True) if not is_one]
    for operation in step.operations:
        gone = set(_OPERATIONS[operation](sample, left, step)) if left else set()
        removed[operation] = tuple(name for name in left if name in gone)
        left = [name for name in left if name not in gone]
    if not left:
        told = ", ".join(f"{len(names)} by {operation}" for operation, names in removed.items() if names)
        raise InvalidRequest(f"no feature is left of {len(features)}: {told}; leave one of the operations out")
    return Selected(tuple(left), removed)


@dataclass(frozen=True)
class _Sample:
    """What features are chosen by: `frame` has the features of some wells, `metadata` what is known of these."""

    frame: pd.DataFrame
    metadata: pd.DataFrame

    @classmethod
    def of(cls, profiles: Profiles, features: Sequence[str], samples: Rows) -> "_Sample":
        """Copied once: of fifty plates, it is a gigabyte."""
        wanted = set(features)
        positions = np.flatnonzero([name in wanted for name in profiles.features])
        values = profiles.values[np.ix_(samples, positions)]
        names = [profiles.features[position] for position in positions]
        return cls(pd.DataFrame(values, columns=names, copy=False), profiles.metadata[samples])


def _variance(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features without a single value
        try:
            return list(variance_threshold(sample.frame, features, min_variance=step.thresholds.min_variance))
        except ValueError:  # scikit-learn does not want to remove all of them
            return features


def _frequency(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    cuts = step.thresholds
    return list(frequency_threshold(sample.frame, features, freq_cut=cuts.freq_cut, unique_cut=cuts.unique_cut))


def _correlation(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    positions = correlated_features(sample.frame[features].to_numpy(), step.thresholds.corr_threshold)
    return [features[position] for position in positions]


def _missing(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    return list(get_na_columns(sample.frame, features, cutoff=step.thresholds.na_cutoff))


def _blocklist(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    return list(get_blocklist_features(population_df=sample.frame[features]))


def _outliers(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    return list(drop_outlier_features(sample.frame, features, outlier_cutoff=step.thresholds.outlier_cutoff))


def _noise(sample: _Sample, features: list[str], step: SelectStep) -> list[str]:
    groups = step.thresholds.noise_removal_perturb_groups
    if groups not in sample.metadata:
        raise InvalidRequest(f"there is no column {groups!r} for noise_removal; correct 'noise_removal_perturb_groups'")
    return list(
        noise_removal(
            sample.frame,
            noise_removal_perturb_groups=list(sample.metadata[groups]),
            features=features,
            noise_removal_stdev_cutoff=step.thresholds.noise_removal_stdev_cutoff,
        )
    )


_OPERATIONS: Mapping[Operation, Callable[[_Sample, list[str], SelectStep], list[str]]] = {
    "variance_threshold": _variance,
    "frequency_threshold": _frequency,
    "correlation_threshold": _correlation,
    "drop_na_columns": _missing,
    "blocklist": _blocklist,
    "drop_outliers": _outliers,
    "noise_removal": _noise,
}
