"""Features chosen for a plate, a batch or all plates together, and what is made of the profiles that have only them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.config import ProfilingConfig, SelectStep
from cellpainting.profiles.consensus import consensus
from cellpainting.profiles.names import IMAGE
from cellpainting.profiles.profile_report import Findings, Remark
from cellpainting.profiles.profiles import Profiles, Rows, choose_features, stack_one_by_one
from cellpainting.profiles.select_features import Selected, select_features
from cellpainting.profiles.shelf import Made, Shelf, Source, Subject

BATCH = "Metadata_batch"  # the column that profiling-recipe's stacked profiles have beside
GCT, CONSENSUS = "gct", "consensus"
ALL = "all"


@dataclass(frozen=True)
class NormalizedPlate:
    """A plate whose normalized profile there is."""

    batch: str
    plate: str
    made: Made


@dataclass(frozen=True)
class Scope:
    """Plates whose features are chosen together: one plate, those of one batch, or all."""

    name: str
    batch: str
    plates: tuple[NormalizedPlate, ...]

    @property
    def folder(self) -> str:
        """Where, below the folder of its kind, things of the whole scope lie."""
        return f"{self.batch}/{self.name}" if self.batch else self.name


def scopes(step: SelectStep, plates: Sequence[NormalizedPlate]) -> list[Scope]:
    """The plates in the groups for which features are chosen."""
    if step.level == "plate":
        return [Scope(one.plate, one.batch, (one,)) for one in plates]
    if step.level == "batch":
        batches = dict.fromkeys(one.batch for one in plates)
        return [Scope(batch, batch, tuple(one for one in plates if one.batch == batch)) for batch in batches]
    return [Scope(ALL, "", tuple(plates))] if plates else []


@dataclass(frozen=True)
class _Choice:
    """All plates stacked, with the features that are left. `rows` are those of each plate, in the order of the scope;
    `counts` the wells that features were chosen by.
    """

    profiles: Profiles
    selected: Selected
    rows: tuple[slice, ...]
    counts: Mapping[str, int]


class Selection:
    """One scope's choice, with profiles normalized to the whole plate (`suffix` empty) or to controls (`_negcon`)."""

    def __init__(self, config: ProfilingConfig, step: SelectStep, suffix: str, scope: Scope, shelf: Shelf) -> None:
        self._config, self._step, self._scope, self._shelf = config, step, scope, shelf
        self._stem = f"_normalized_feature_select{suffix}_{step.level}"
        self._chosen: _Choice | None = None

    def plates(self) -> list[Made]:
        """A profile per plate, with the features that are left.

        Raises
        ------
        InvalidRequest
            If none is, or there is no well to choose by.
        """
        return [self._plate(position, one) for position, one in enumerate(self._scope.plates)]

    def _plate(self, position: int, one: NormalizedPlate) -> Made:
        def make() -> tuple[Profiles, Findings]:
            choice = self._choice()
            return choice.profiles.take(choice.rows[position]), self._findings()

        name = f"{self._config.output_dir}/{one.batch}/{one.plate}/{one.plate}{self._stem}"
        return self._put(Subject("feature_select", one.batch, (one.plate,), name), make)

    def stacked(self) -> list[Made]:
        """The plates of each batch in one profile, also as GCT."""
        return [self._stack(batch) for batch in dict.fromkeys(one.batch for one in self._scope.plates)]

    def _stack(self, batch: str) -> Made:
        def make() -> tuple[Profiles, Findings]:
            whole = self.whole()
            return whole.take((whole.metadata[BATCH] == batch).to_numpy(dtype=bool)), self._findings()

        formats = tuple(dict.fromkeys((*self._shelf.formats, GCT)))
        plates = tuple(one.plate for one in self._scope.plates if one.batch == batch)
        subject = Subject("feature_select", batch, plates, f"{GCT}/{batch}/{batch}{self._stem}")
        return self._put(subject, make, formats)

    def consensus(self) -> Made:
        """A profile per treatment, of all plates of the scope.

        Raises
        ------
        InvalidRequest
            If its columns are not there.
        """
        step = self._config.consensus
        if step is None:
            raise InvalidRequest("the configuration has no 'consensus'; add it")

        def make() -> tuple[Profiles, Findings]:
            profiles, unnamed = consensus(self.whole(), step)
            told = f"wells without {' or '.join(step.replicate_columns)} are in no consensus"
            return profiles, Findings(settings=vars(step), remarks=(Remark(told, unnamed),) if unnamed else ())

        name = f"{CONSENSUS}/{self.name}_{CONSENSUS}"
        return self._put(Subject(CONSENSUS, self._scope.batch, self._names, name), make, extra=vars(step))

    @property
    def name(self) -> str:
        """What files about the whole scope are called, below the folder of their kind."""
        return f"{self._scope.folder}{self._stem}"

    def whole(self) -> Profiles:
        """All wells of the scope and their batches, with the features that are left."""
        choice = self._choice()
        lengths = [rows.stop - rows.start for rows in choice.rows]
        batches = np.repeat([one.batch for one in self._scope.plates], lengths).astype(object)
        return replace(choice.profiles, metadata=choice.profiles.metadata.assign(**{BATCH: batches}))

    def forget(self) -> None:
        """Free the memory of the numbers."""
        self._chosen = None

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(one.plate for one in self._scope.plates)

    def _put(
        self,
        subject: Subject,
        make: Callable[[], tuple[Profiles, Findings]],
        formats: Sequence[Any] | None = None,
        extra: Any = None,
    ) -> Made:
        settings = {"select": vars(self._step), "compartments": self._config.compartments, "of": extra}
        sources: list[Source] = [one.made.source for one in self._scope.plates]
        made = self._shelf.put(subject, settings, sources, make, formats)
        made.forget()
        return made

    def _choice(self) -> _Choice:
        """Made once, when the first profile needs it."""
        if self._chosen is None:
            samples: list[Rows] = []
            stacked = self._stacked(samples)
            features = choose_features(stacked, self._step, self._config.compartments)
            selected = select_features(stacked, features, np.concatenate(samples), self._step)
            considered = set(features)
            others = [name for name in stacked.features if name.startswith(IMAGE) and name not in considered]
            counts: Counter[str] = Counter()
            for one, rows in zip(self._scope.plates, samples, strict=True):
                counts[one.plate] += int(rows.sum())
            ends = np.cumsum([len(rows) for rows in samples]).tolist()
            slices = tuple(map(slice, [0, *ends[:-1]], ends))
            self._chosen = _Choice(stacked.keep([*selected.features, *others]), selected, slices, counts)
        return self._chosen

    def _stacked(self, samples: list[Rows]) -> Profiles:
        """All plates in one, read one by one; `samples` gets each plate's wells that features may be chosen by."""

        def parts() -> Iterator[Profiles]:
            for one in self._scope.plates:
                profiles = one.made.profiles
                one.made.forget()
                samples.append(profiles.has_cells(self._step.min_cells))
                yield profiles

        made = [one.made for one in self._scope.plates]
        features = tuple(dict.fromkeys(name for one in made for name in one.features))
        return stack_one_by_one(parts(), features, sum(one.report.wells for one in made))

    def _findings(self) -> Findings:
        choice = self._choice()
        return Findings(settings=vars(self._step), reference=choice.counts, removed=choice.selected.removed)
