"""The steps of one plate, up to its normalized profiles."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cellpainting.errors import InvalidRequest
from cellpainting.profiles.aggregate_plate import PlateBackend
from cellpainting.profiles.annotate import Treatments, Unmatched, annotate
from cellpainting.profiles.config import AggregateStep, AnnotateStep, Controls, NormalizeStep, ProfilingConfig
from cellpainting.profiles.layout import Layout
from cellpainting.profiles.names import IMAGE, WELL
from cellpainting.profiles.normalize import Normalized, normalize
from cellpainting.profiles.place import Place
from cellpainting.profiles.platemap import (
    read_external_metadata,
    read_platemap,
)
from cellpainting.profiles.profile_report import Findings, Remark
from cellpainting.profiles.profiles import Profiles, Rows, as_text, choose_features
from cellpainting.profiles.shelf import Made, Shelf, Subject, input_file
from cellpainting.profiles.write_profiles import read_csv

NO_WELL = "(no well)"
WITHOUT_CELLS = "wells without a cell have a row, and no measurements"


class PlateSteps:
    """One plate of a configuration. Each step gives the profile on the shelf, made now or before."""

    def __init__(
        self, config: ProfilingConfig, batch: str, plate: str, *, layout: Layout, backend: Place, shelf: Shelf
    ) -> None:
        self._config, self._batch, self._plate = config, batch, plate
        self._layout, self._backend, self._shelf = layout, backend, shelf
        self._folder = f"{config.output_dir}/{batch}/{plate}"

    def open_backend(self) -> PlateBackend:
        """The plate's backend.

        Raises
        ------
        MissingInput
            If there is none.
        """
        return PlateBackend(self._backend, f"{self._batch}/{self._plate}", self._plate, self._shelf.scratch)

    def aggregate(self) -> Made:
        """The profile that all others come from: made of the backend, or, if that is not asked for, the one there is.

        Raises
        ------
        MissingInput
            If there is neither.
        """
        step = self._config.aggregate
        if step is None:
            return self._given()
        backend = self.open_backend()
        step = replace(step, method=step.method or backend.method or "mean")

        def make() -> tuple[Profiles, Findings]:
            profiles = backend.aggregate(step)
            empty = [place for place, has in zip(profiles.places, profiles.has_cells(), strict=True) if not has]
            return profiles, Findings(
                settings=vars(step),
                remarks=(Remark(WITHOUT_CELLS, tuple(empty)),) if empty else (),
                dropped=self._without_site(backend, step, profiles),
            )

        return self._shelf.put(self._subject("aggregate", ""), vars(step), backend.sources(step), make)

    def _without_site(self, backend: PlateBackend, step: AggregateStep, profiles: Profiles) -> tuple[Remark, ...]:
        if not step.sites:
            return ()
        there = set(profiles.metadata[WELL])
        missing = tuple(well for well in backend.wells() if well not in there)
        return (Remark(f"no image set of the wells is of site {', '.join(step.sites)}", missing),) if missing else ()

    def _given(self) -> Made:
        """A profile that lies where this step would have put it, as profiling-recipe's users copy it there."""
        name = given_profile(self._config, self._batch, self._plate)
        place = self._shelf.place
        source = input_file(place, name, place.read(name))

        def make() -> tuple[Profiles, Findings]:
            profiles = read_csv(place.local(name, self._shelf.scratch), place.uri(name))
            return profiles, Findings(settings={"given": place.uri(name)})

        return self._shelf.put(self._subject("aggregate", ""), {}, [source], make, formats=())

    def annotate(self, aggregated: Made, step: AnnotateStep) -> Made:
        """The profile with the platemap's columns.

        Raises
        ------
        MissingInput, InvalidTable
            If platemap or external metadata are not there, or cannot be used.
        """
        file = self._layout.platemap_of(self._batch, self._plate)
        content = file.read()
        platemap = read_platemap(content, file.uri, self._config.platemap_well_column)
        sources = [aggregated.source, input_file(file.place, file.name, content)]
        treatments = None
        if step.external:
            file = self._layout.treatments(step.external.file)
            content = file.read()
            rows = read_external_metadata(content, file.uri, step.external.merge_column)
            treatments = Treatments(file.uri, rows, step.external.merge_column)
            sources.append(input_file(file.place, file.name, content))
        settings = {
            "annotate": vars(step),
            "well": self._config.platemap_well_column,
            "controls": self._config.controls,
        }

        def make() -> tuple[Profiles, Findings]:
            joined, unmatched = annotate(aggregated.profiles, platemap, treatments, drop_unmatched=step.drop_unmatched)
            return joined, self._joined(joined, unmatched, step, file.uri)

        return self._shelf.put(self._subject("annotate", "_augmented"), settings, sources, make)

    def _joined(self, joined: Profiles, unmatched: Unmatched, step: AnnotateStep, file: str) -> Findings:
        wells = tuple(well or NO_WELL for well in unmatched.wells)
        dropped, remarks = [], []
        if wells and step.drop_unmatched:
            dropped.append(Remark("the platemap has not these wells", wells))
        elif wells:
            remarks.append(Remark("the platemap has not these wells; they are kept, without its columns", wells))
        if unmatched.empty:
            remarks.append(Remark("wells of the platemap that were not measured have no profile", unmatched.empty))
        if unmatched.treatments:
            remarks.append(Remark(f"treatments without a row in {file}; their wells are kept", unmatched.treatments))
        return Findings(
            settings={"annotate": step, "controls": self._config.controls},
            controls={self._plate: int(_negative(joined, self._config.controls).sum())},
            dropped=tuple(dropped),
            remarks=tuple(remarks),
        )

    def normalize(self, annotated: Made, step: NormalizeStep, *, to_controls: bool) -> Made:
        """The profile normalized to the whole plate, or to its negative controls.

        Raises
        ------
        InvalidRequest
            If there are none, or a feature is named that is not there.
        """
        controls = self._config.controls if to_controls else None
        settings = {"normalize": vars(step), "controls": controls, "compartments": self._config.compartments}

        def make() -> tuple[Profiles, Findings]:
            profiles = annotated.profiles
            features = choose_features(profiles, step, self._config.compartments)
            kept = profiles.keep([*features, *(name for name in profiles.features if name.startswith(IMAGE))])
            reference = self._reference(kept, step, controls)
            normalized = normalize(kept, features, reference, step)
            return normalized.profiles, self._normalized(normalized, profiles, kept, reference, settings)

        suffix = "_normalized_negcon" if to_controls else "_normalized"
        return self._shelf.put(self._subject("normalize", suffix), settings, [annotated.source], make)

    def _reference(self, profiles: Profiles, step: NormalizeStep, controls: Controls | None) -> Rows:
        rows = profiles.has_cells(step.min_cells)
        if controls:
            rows = rows & require_controls(self._plate, profiles, controls)
        if not rows.any():
            what = "negative controls" if controls else "wells"
            raise InvalidRequest(
                f"plate {self._plate} has no {what} with {step.min_cells} cells or more to normalize to; lower "
                "'min_cells', or leave the plate out"
            )
        return rows

    def _normalized(
        self, made: Normalized, before: Profiles, kept: Profiles, reference: Rows, settings: Mapping[str, Any]
    ) -> Findings:
        remarks = []
        features = set(kept.features)
        foreign = tuple(name for name in before.features if name not in features)
        if foreign:
            remarks.append(Remark("features that are not among those to be normalized are left out", foreign))
        if made.left_out:
            told = "features with infinite values, or to be sphered without spread or with missing values, are left out"
            remarks.append(Remark(told, made.left_out))
        return Findings(
            settings=settings,
            reference={self._plate: int(reference.sum())},
            controls={self._plate: int(_negative(before, self._config.controls).sum())},
            exploded=made.exploded,
            without_values=made.without_values,
            without_spread=made.without_spread,
            remarks=tuple(remarks),
        )

    def _subject(self, step: str, suffix: str) -> Subject:
        return Subject(step, self._batch, (self._plate,), f"{self._folder}/{self._plate}{suffix}")


def given_profile(config: ProfilingConfig, batch: str, plate: str) -> str:
    """The name of a profile that is there already, where it is not to be made of a backend."""
    return f"{config.output_dir}/{batch}/{plate}/{plate}.csv.gz"


def require_controls(plate: str, profiles: Profiles, controls: Controls) -> Rows:
    """Which wells of a plate are negative controls.

    Raises
    ------
    InvalidRequest
        If none is.
    """
    negative = _negative(profiles, controls)
    if not negative.any():
        raise InvalidRequest(_no_controls(plate, profiles, controls))
    return negative


def _negative(profiles: Profiles, controls: Controls) -> Rows:
    if controls.column not in profiles.metadata:
        return np.zeros(len(profiles.metadata), dtype=np.bool_)
    return np.asarray(as_text(profiles.metadata[controls.column]).isin(controls.negative), dtype=np.bool_)


def _no_controls(plate: str, profiles: Profiles, controls: Controls) -> str:
    wanted = " or ".join(map(repr, controls.negative))
    if controls.column not in profiles.metadata:
        found = f"there is no column {controls.column}"
    else:
        values = sorted({str(value) for value in profiles.metadata[controls.column].dropna()})
        found = f"{controls.column} has {', '.join(map(repr, values)) or 'no value at all'}"
    return (
        f"plate {plate} has no negative control: {found}, where {wanted} is looked for; correct the platemap, name "
        "yours with 'controls', or leave this normalization out"
    )
