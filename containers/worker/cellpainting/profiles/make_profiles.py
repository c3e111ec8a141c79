"""All that a configuration asks for: what can be made is made, and what cannot is told by plate, step and reason."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cellpainting.errors import DamagedTable, InvalidRequest, MissingInput
from cellpainting.profiles.aggregate_plate import BACKENDS
from cellpainting.profiles.config import ProfilingConfig, SelectStep
from cellpainting.profiles.layout import Places
from cellpainting.profiles.plate_steps import PlateSteps
from cellpainting.profiles.profile_report import MakingReport, Problem
from cellpainting.profiles.selections import NormalizedPlate, Scope, Selection, scopes
from cellpainting.profiles.shelf import Made, Shelf, peak_memory_mib
from cellpainting.quality.files import (
    cell_count_picture,
    correlation_picture,
    replicate_quality_file,
    well_quality_file,
    write_cell_count,
    write_correlations,
    write_replicate_quality,
    write_summary,
    write_well_quality,
)
from cellpainting.scratch import scratch_folder

NEGCON = "_negcon"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tell:
    """Who hears how far the work is: `say` takes a line for people, `plates` the number of those done, and of all."""

    say: Say = lambda line: None
    plates: Callable[[int, int], None] = lambda done, total: None


def make_profiles(config: ProfilingConfig, places: Places, tell: Tell, *, force: bool = False) -> MakingReport:
    """Make the profiles of a configuration; those that are there, and would come out the same, stay.

    Raises
    ------
    InvalidRequest
        If they would be written among the backends.
    StorageUnavailable, StorageFull
        If a storage fails. What was made is there; the same again goes on from it.
    """
    require_separate_folders(config, places)
    with scratch_folder() as scratch:
        shelf = Shelf(places.output, scratch, config.formats, config.float_format, force, tell.say)
        making = _Making(config, places, shelf, tell)
        making.make()
        report = making.report()
        places.output.storage.write(places.output.key(f"{config.output_dir}/{config.summary}"), report.to_json())
        return report


def require_separate_folders(config: ProfilingConfig, places: Places) -> None:
    """See to it that profiles go elsewhere than backends, which have files of the same names.

    Raises
    ------
    InvalidRequest
        If they do not.
    """
    output, backends = places.output.uri(config.output_dir), places.backend.uri("")
    if output.rstrip("/") == backends.rstrip("/"):
        raise InvalidRequest(
            f"profiles would be written to {output}, where the backends are, and replace files of theirs; choose "
            "another output"
        )


@dataclass
class _Making:
    config: ProfilingConfig
    places: Places
    shelf: Shelf
    tell: Tell
    problems: list[Problem] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def make(self) -> None:
        """Plate by plate up to what is normal, then what plates have in common."""
        whole: list[NormalizedPlate] = []
        to_controls: list[NormalizedPlate] = []
        named = [(batch.name, plate) for batch in self.config.batches for plate in batch.plates]
        for done, (batch, plate) in enumerate(named):
            self.tell.plates(done, len(named))
            self._plate(batch, plate, whole, to_controls)
            shutil.rmtree(self.shelf.scratch / BACKENDS, ignore_errors=True)  # gigabytes, of each that was fetched
        self.tell.plates(len(named), len(named))
        self._select(self.config.feature_select, "", whole)
        self._select(self.config.feature_select_negcon, NEGCON, to_controls)
        if self.config.quality and self.config.quality.summary_columns:
            with self._kept("", "", "quality_control.summary"):
                columns = self.config.quality.summary_columns
                write_summary(self.config, columns, self.places.layout.data, self.places.output)

    def report(self) -> MakingReport:
        """What became of it."""
        return MakingReport(
            config=self.config.name,
            plates=tuple((batch.name, plate) for batch in self.config.batches for plate in batch.plates),
            profiles=tuple(one.profile for one in self.shelf.reports),
            problems=tuple(self.problems),
            seconds=round(time.monotonic() - self.started, 3),
            peak_memory_mib=peak_memory_mib(),
        )

    def _plate(self, batch: str, plate: str, whole: list[NormalizedPlate], to_controls: list[NormalizedPlate]) -> None:
        steps = PlateSteps(
            self.config,
            batch,
            plate,
            layout=self.places.layout,
            backend=self.places.backend,
            shelf=self.shelf,
        )
        annotated: Made | None = None
        with self._kept(batch, plate, "aggregate"):
            annotated = steps.aggregate()
        if annotated and self.config.quality:
            self._judge(steps, annotated, batch, plate)
        if annotated and self.config.annotate:
            aggregated, annotated = annotated, None
            with self._kept(batch, plate, "annotate"):
                annotated = steps.annotate(aggregated, self.config.annotate)
            aggregated.forget()
        if not annotated:
            return
        for step, made, negative in (
            (self.config.normalize, whole, False),
            (self.config.normalize_negcon, to_controls, True),
        ):
            if step:
                with self._kept(batch, plate, "normalize_negcon" if negative else "normalize"):
                    normalized = steps.normalize(annotated, step, to_controls=negative)
                    made.append(NormalizedPlate(batch, plate, normalized))
                    normalized.forget()
        annotated.forget()

    def _judge(self, steps: PlateSteps, aggregated: Made, batch: str, plate: str) -> None:
        output = self.places.output
        has_backend = self.config.aggregate is not None  # else there need not be one
        if has_backend and self._is_due(well_quality_file(batch, plate), aggregated):
            with self._kept(batch, plate, "quality_control.wells"):
                write_well_quality(steps.open_backend(), batch, plate, output)
        draws = self.config.quality is not None and self.config.quality.heatmap
        if draws and self._is_due(cell_count_picture(batch, plate), aggregated):
            with self._kept(batch, plate, "quality_control.heatmap"):
                write_cell_count(aggregated.profiles, batch, plate, output)

    def _select(self, step: SelectStep | None, suffix: str, plates: list[NormalizedPlate]) -> None:
        if step is None:
            return
        for scope in scopes(step, plates):
            self._select_for(scope, step, suffix)

    def _select_for(self, scope: Scope, step: SelectStep, suffix: str) -> None:
        name = f"feature_select{suffix}"
        plate = scope.name if step.level == "plate" else ""
        selection = Selection(self.config, step, suffix, scope, self.shelf)
        made: list[Made] = []
        with self._kept(scope.batch, plate, name):
            made = selection.plates()
        if not made:
            return
        if step.gct and step.level != "plate":
            with self._kept(scope.batch, plate, f"{name}.gct"):
                selection.stacked()
        if self.config.consensus:
            with self._kept(scope.batch, plate, "consensus"):
                selection.consensus()
        if self.config.quality and self.config.quality.replicates:
            self._compare(made, selection, scope.batch, plate)
        if self.config.quality and self.config.quality.heatmap:
            self._draw(made)
        selection.forget()

    def _compare(self, made: list[Made], selection: Selection, batch: str, plate: str) -> None:
        output = self.places.output
        if self._is_due(replicate_quality_file(selection.name), *made):
            with self._kept(batch, plate, "quality_control.replicates"):
                write_replicate_quality(self.config, selection.whole(), selection.name, output)

    def _draw(self, made: list[Made]) -> None:
        """Draw the plates of a selection; as in profiling-recipe, that of the controls has the last word."""
        for one in made:
            batch, plate = one.report.batch, one.report.plates[0]
            if self._is_due(correlation_picture(batch, plate), one):
                with self._kept(batch, plate, "quality_control.heatmap"):
                    write_correlations(one.profiles, batch, plate, self.places.output)
                one.forget()

    def _is_due(self, file: str, *made: Made) -> bool:
        """Whether a file about some profiles is to be made: they are new, or it is not there."""
        return any(one.is_new for one in made) or not self.places.output.exists(file)

    def _tell_problems(self, problems: list[Problem]) -> None:
        for problem in problems:
            self.problems.append(problem)
            self.tell.say(f"not made: {problem.told}")

    @contextmanager
    def _kept(self, batch: str, plate: str, step: str) -> Iterator[None]:
        """Go on with the rest when something that was asked for cannot be made."""
        try:
            yield
        except (InvalidRequest, MissingInput, DamagedTable) as error:
            self._tell_problems([Problem(batch, plate, step, str(error), isinstance(error, MissingInput))])
