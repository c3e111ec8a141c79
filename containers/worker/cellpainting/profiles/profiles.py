"""Profiles in memory: a row per well, metadata in a frame and measurements in one array."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import NormalizeStep, SelectStep
from cellpainting.profiles.names import IMAGE, METADATA, OBJECT_COUNT, PLATE, WELL

Values = NDArray[np.float64]
Rows = NDArray[np.bool_]
NAMED = 8  # kinds of features that a message names


@dataclass(frozen=True)
class Profiles:
    """`metadata` has a row per well and the index 0, 1, ...; `values` are float64 of shape (wells, features)."""

    metadata: pd.DataFrame
    values: Values
    features: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        """Plate and well of each row, as people would name them."""
        return [f"{plate} {well}" for plate, well in zip(self.metadata[PLATE], self.metadata[WELL], strict=True)]

    def has_cells(self, at_least: int = 1) -> Rows:
        """Which rows have so many cells; all where nobody counted."""
        if OBJECT_COUNT not in self.metadata:
            return np.ones(len(self.metadata), dtype=np.bool_)
        return np.asarray(self.metadata[OBJECT_COUNT].fillna(0) >= at_least, dtype=np.bool_)

    def take(self, rows: Rows | slice) -> "Profiles":
        """Some of the rows."""
        return replace(self, metadata=self.metadata[rows].reset_index(drop=True), values=self.values[rows])

    def keep(self, features: Collection[str]) -> "Profiles":
        """Some of the features, in their own order."""
        wanted = set(features)
        kept = [name in wanted for name in self.features]
        names = tuple(name for name, is_kept in zip(self.features, kept, strict=True) if is_kept)
        return replace(self, values=self.values[:, kept], features=names)

    def frame(self) -> pd.DataFrame:
        """The whole as pycytominer takes it: metadata, then features."""
        values = pd.DataFrame(self.values, columns=list(self.features))
        return pd.concat([self.metadata, values], axis="columns")

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> "Profiles":
        """Read such a frame: what is not metadata and is a number is a feature; text is kept as metadata is."""
        is_feature = [
            not name.startswith(METADATA) and pd.api.types.is_numeric_dtype(kind) for name, kind in frame.dtypes.items()
        ]
        features = tuple(frame.columns[is_feature])
        metadata = frame.loc[:, [not one for one in is_feature]].reset_index(drop=True)
        return cls(metadata, frame.loc[:, list(features)].to_numpy(dtype=np.float64), features)


def features_of(profiles: Profiles, compartments: Sequence[str], *, image_features: bool) -> list[str]:
    """The features of some compartments, named in any case, and of whole images, if they are wanted."""
    prefixes = tuple(f"{name.lower()}_" for name in compartments) + ((IMAGE.lower(),) if image_features else ())
    return [name for name in profiles.features if name.lower().startswith(prefixes)]


def choose_features(
    profiles: Profiles, step: NormalizeStep | SelectStep, compartments: Sequence[str]
) -> tuple[str, ...]:
    """The features that a step names, or, if it names none, those of some compartments.

    Raises
    ------
    InvalidRequest
        If one that is named is not there, or there is none of the compartments.
    """
    there = set(profiles.features)
    missing = [name for name in step.features if name not in there]
    if missing:
        raise InvalidRequest(
            f"there is no feature {missing[0]!r} ({len(missing)} of {len(step.features)} are not there); correct "
            "'features'"
        )
    chosen = step.features or tuple(features_of(profiles, compartments, image_features=step.image_features))
    if not chosen:
        found = sorted({name.split("_")[0] for name in there})
        told = ", ".join(found[:NAMED]) + (", ..." if len(found) > NAMED else "")
        raise InvalidRequest(
            f"there is no feature of {', '.join(compartments)}, the profile has {told or 'none at all'}; correct "
            "'compartments', or name 'features'"
        )
    return chosen


def as_text(column: pd.Series) -> pd.Series:
    """Numbers of metadata as people write them, `1` for 1.0; what is missing stays so."""
    return column.map(lambda value: str(value).removesuffix(".0"), na_action="ignore")


def stack(parts: Sequence[Profiles]) -> Profiles:
    """The rows of several plates, with the columns of the first, then what others have beside; NaN elsewhere.

    Metadata that is a number in one plate and text in another is text.
    """
    features = tuple(dict.fromkeys(name for part in parts for name in part.features))
    return stack_one_by_one(parts, features, sum(len(part.values) for part in parts))


def stack_one_by_one(parts: Iterable[Profiles], features: tuple[str, ...], rows: int) -> Profiles:
    """The same of parts that need not be in memory at once: fifty plates are a gigabyte. `features` are those of all
    parts, `rows` the number of their rows.
    """
    positions = {name: position for position, name in enumerate(features)}
    values = np.full((rows, len(features)), np.nan)
    metadata, start = [], 0
    for part in parts:
        end = start + len(part.values)
        if part.features == features:
            values[start:end] = part.values
        else:
            values[start:end, [positions[name] for name in part.features]] = part.values
        metadata.append(part.metadata)
        start = end
    return Profiles(_stacked(metadata), values, features)


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    kinds: dict[str, set[bool]] = {}
    for frame in frames:
        for name, kind in frame.dropna(axis="columns", how="all").dtypes.items():
            kinds.setdefault(name, set()).add(pd.api.types.is_numeric_dtype(kind))
    mixed = [name for name, found in kinds.items() if len(found) > 1]
    texts = [frame.assign(**{name: as_text(frame[name]) for name in mixed if name in frame}) for frame in frames]
    return pd.concat(texts, ignore_index=True)
