"""The stages of one plate as requests of their own: from raw images to profiles and a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellpainting.errors import InvalidField
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.jobs.run_record import RunKeys, RunRecord
from cellpainting.jobs.stage import stage_run_id
from cellpainting.load_data import LoadData
from cellpainting.load_data.write_table import write_table
from cellpainting.pipelines import Pipeline, parse_pipeline
from cellpainting.planning.grouping import PLATE, folder_name
from cellpainting.planning.illumination import functions_found, functions_made, functions_needed, with_illumination
from cellpainting.planning.request_plates import Plate
from cellpainting.storage.base import Storage

Document = dict[str, Any]


@dataclass(frozen=True)
class StageRequest:
    """One stage: its request, and the table of image sets that is written for it at the request's load_data, if any."""

    document: Document
    load_data: bytes | None = None


@dataclass(frozen=True)
class ReadPipelines:
    """What has to be known of pipelines before anything is run; None where there is none."""

    illumination: Pipeline | None
    analysis: Pipeline | None

    @classmethod
    def of(cls, job: ProcessPlate, storage: Storage) -> "ReadPipelines":
        """Read the pipelines of a request.

        Raises
        ------
        MissingInput, InvalidRequest
            If one is not there, or is no pipeline.
        """
        keys = (job.pipelines.illumination, job.pipelines.analysis)
        return cls(*(parse_pipeline(storage.read(key), key) if key else None for key in keys))


class PlateStages:
    """The stages of one plate in their order; what the request leaves out is not among them."""

    def __init__(
        self, run: RunRecord, job: ProcessPlate, plate: Plate, storage: Storage, *, is_only_plate: bool
    ) -> None:
        self._is_only_plate = is_only_plate
        self._run = run
        self._job = job
        self._plate = plate
        self._storage = storage

    def requests(self, pipelines: ReadPipelines) -> tuple[StageRequest, ...]:
        """All stages.

        Raises
        ------
        InvalidRequest
            If it cannot be told which illumination functions there will be, or they are not those that are needed.
        """
        stages = self._measured(pipelines)
        if self._job.has_backend:
            stages.append(self._backend())
        if self._job.has_profiles:
            stages.append(self._profiles())
        if "report" not in self._job.leave_out:
            stages.append(self._report([stage.document["run"] for stage in stages]))
        return tuple(stages)

    def _measured(self, pipelines: ReadPipelines) -> list[StageRequest]:
        """The stages that CellProfiler does."""
        named, table = self._job.pipelines, self._plate.table
        stages = []
        if named.illumination:
            stages.append(self._measuring("illumination", named.illumination, table, group_by=[PLATE]))
        if named.quality_control:
            stages.append(self._measuring("quality_control", named.quality_control, table))
        if named.analysis and pipelines.analysis:
            needs = [self._id("illumination")] if named.illumination else []
            functions = self._functions(pipelines.illumination, pipelines.analysis)
            whole = with_illumination(table, functions)
            name = "load_data_with_illum.csv" if functions else "load_data.csv"
            waits: Document = {"needs": needs}
            if self._job.gate:
                waits |= {"after": [stage.document["run"] for stage in stages], "is_gated": True}
            stages.append(self._measuring("analysis", named.analysis, whole, name, waits))
        return stages

    def _functions(self, illumination: Pipeline | None, analysis: Pipeline) -> Mapping[str, str]:
        """The key of each illumination function that the analysis uses."""
        needed = functions_needed(analysis, self._plate.table)
        if illumination:
            folder = f"{self._output('illumination')}/{folder_name(PLATE, {PLATE: self._plate.name})}"
            return functions_made(illumination, needed, self._plate.table, folder)
        if prefix := self._job.results.illumination:
            return functions_found(self._storage, prefix, self._plate.name, needed)
        return {}

    def _measuring(
        self,
        name: str,
        pipeline: str,
        table: LoadData,
        file: str = "load_data.csv",
        waits: Document | None = None,
        **options: Any,
    ) -> StageRequest:
        settings = self._job.cellprofiler
        document = {
            **self._common(name, "run_cellprofiler", waits or {}),
            "pipeline": pipeline,
            "load_data": RunKeys(self._id(name)).folder + file,
            "output": self._output(name),
            "image_sets_per_shard": settings.image_sets_per_shard,
            "plugins": settings.plugins,
            "on_bad_image_set": settings.on_bad_image_set,
            "accelerate": settings.accelerate,
            "timeout_s": settings.timeout_s,
            "job_memory": self._job.resources.memory_mib,
            "job_vcpu": self._job.resources.vcpus,
            "job_definition": self._job.resources.definition,
            **options,
        }
        return StageRequest(_without_absent(document), write_table(table, self._storage.uri("")).encode())

    def _backend(self) -> StageRequest:
        given, settings = self._job.results.analysis, self._job.backend
        analysis = self._id("analysis")
        document = {
            **self._common("backend", "build_backend", {} if given else {"needs": [analysis]}),
            "analysis": self._given_analysis(given) if given else RunKeys(analysis).folder.rstrip("/"),
            "output": f"{self._job.output}/backend",
            "batch": self._plate.batch,
            "plate": self._plate.name,
            "compartments": list(settings.compartments) or None,
            "sqlite": settings.sqlite,
            "aggregate": settings.aggregate,
            "single_cells": settings.single_cells,
        }
        return StageRequest(_without_absent(document))

    def _given_analysis(self, prefix: str) -> str:
        """The CSVs of this plate: in the folder of its name, or all, if it is the only plate."""
        if self._plate.name in self._storage.folders(prefix):
            return f"{prefix}/{self._plate.name}"
        if not self._is_only_plate:
            raise InvalidField(
                "results.analysis", prefix, f"there is no folder {self._plate.name!r} in it; give each plate its own"
            )
        return prefix

    def _profiles(self) -> StageRequest:
        needs = [self._id("backend")] if self._job.has_backend else []
        document = {
            **self._common("profiles", "make_profiles", {"needs": needs}),
            "backend": self._backend_folder,
            "platemap": self._plate.platemap,
            "output": f"{self._job.output}/profiles",
            "external_metadata": self._job.treatments.external_metadata,
            "merge_column": self._job.treatments.merge_column,
        }
        return StageRequest(_without_absent(document))

    def _report(self, before: list[str]) -> StageRequest:
        """The page needs nothing: it tells what there is, also of a plate of which something failed."""
        measured = [self._id(name) for name in ("illumination", "quality_control", "analysis")]
        has_backend = self._job.has_backend or self._job.results.backend
        document = {
            **self._common("report", "make_report", {"after": before}),
            "plate": self._plate.name,
            "runs": [run for run in before if run in measured],
            "backend": self._backend_folder if has_backend else None,
            "output": f"{self._job.output}/reports/{self._plate.batch}/{self._plate.name}.html",
        }
        return StageRequest(_without_absent(document))

    def _common(self, name: str, job_type: str, waits: Document) -> Document:
        stage = {
            "of": self._run.run_id,
            "plate": self._plate.name,
            "name": name,
            "allow_missing": self._job.allow_missing,
            **waits,
        }
        return {
            "job_type": job_type,
            "run": self._id(name),
            "stage": stage,
            "job_queue": self._job.resources.queue,
            "force": self._job.force,
            "redrive": list(self._job.redrive) or None,
        }

    def _id(self, name: str) -> str:
        return stage_run_id(self._run.run_id, self._plate.name, name)

    def _output(self, name: str) -> str:
        """Where the Cell Painting Gallery has the results of a stage."""
        folder = {"illumination": "illum"}.get(name, name)
        return f"{self._job.output}/{folder}/{self._plate.batch}"

    @property
    def _backend_folder(self) -> str:
        root = self._job.results.backend or f"{self._job.output}/backend"
        return f"{root}/{self._plate.batch}/{self._plate.name}"


def _without_absent(document: Document) -> Document:
    return {field: value for field, value in document.items() if value is not None}
