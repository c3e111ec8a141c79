"""A run with stages in a folder: its plates and pipelines, its plans as they are stored, and what its shards left."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cellpainting.dispatch.planned_stages import PlannedStage
from cellpainting.dispatch.planning_job import plan_run_in_stages
from cellpainting.jobs import ProcessPlate, RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import Stage, stage_run_id
from cellpainting.ledger import Cause, ImageSet, LostShard, Outcome, State, read_plan, write_plan
from cellpainting.ledger.ledger import Ledger
from cellpainting.ledger.reader import read_ledger
from cellpainting.ledger.staged_ledger import StagedLedger
from cellpainting.storage import FolderStorage
from tests.conftest import DATA, LOAD_DATA_PIPELINE
from tests.worker.ledger import manifest

RUN = "screen"
WELLS = ("A01", "A02", "A03")
CHAIN = ("illumination", "quality_control", "analysis", "backend")
REQUEST: Mapping[str, Any] = {
    "job_type": "process_plate",
    "run": RUN,
    "load_data": "plates.csv",
    "batch": "B1",
    "pipelines": {"illumination": "illum.cppipe", "quality_control": "illum.cppipe", "analysis": "analysis.cppipe"},
    "leave_out": ["profiles", "report"],
    "output": "workspace",
    "image_sets_per_shard": 1,
}


@dataclass(frozen=True)
class StagedRun:
    """Plates of three image sets: a shard of illumination and of quality control each, three of the analysis."""

    root: Path
    plates: tuple[str, ...] = ("P1",)

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.root)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(RUN)

    def put(self) -> None:
        """Write load data and pipelines."""
        lines = ["Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA"]
        lines += [f"{plate},{well},1,images/{plate}_{well}_s1_DNA.tif" for plate in self.plates for well in WELLS]
        self.bucket.write("plates.csv", "\n".join(lines).encode())
        self.bucket.write("illum.cppipe", (DATA / "illum_load_data.cppipe").read_bytes())
        self.bucket.write("analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes())

    def plan(self, **fields: Any) -> dict[str, PlannedStage]:
        """Store the request, with other fields, and the plans of its stages; returns these by `<plate>--<stage>`."""
        document = {**REQUEST, **fields}
        job = parse_job(document)
        assert isinstance(job, ProcessPlate)
        self.bucket.write(self.keys.request, json.dumps(document).encode())
        planned = plan_run_in_stages(RunRecord.of(job, document), job, self.bucket, {})
        return {one.run.run_id.removeprefix(f"{RUN}--"): one for one in planned}

    def finish(self, stage: str, plate: str = "P1", cause: Cause | None = None) -> None:
        """Write the manifests of all shards of a stage; with a cause, the first image set is not done."""
        keys = self.keys_of(stage, plate)
        if stage == "backend":
            self.bucket.write(keys.plan, write_plan([ImageSet(0, 1, plate=plate)]))
        shards: dict[int, list[Outcome]] = {}
        for number, image_set in enumerate(read_plan(self.bucket.read(keys.plan))):
            done = Outcome(image_set, State.DONE)
            failed = replace(done, state=State.FAILED, cause=cause, reason="it failed")
            shards.setdefault(image_set.shard, []).append(failed if cause and number == 0 else done)
        for shard, outcomes in shards.items():
            self.bucket.write(keys.shard(shard), manifest(shard, outcomes).to_json())

    def lose(self, stage: str, plate: str = "P1", cause: Cause = Cause.MACHINE_LOST) -> None:
        """Lose the machine of a stage's first shard."""
        self.bucket.write(self.keys_of(stage, plate).lost(0), LostShard(0, cause, "Host EC2 terminated").to_json())

    def block(self, stage: str, plate: str = "P1", reason: str = "it needs another") -> None:
        """Mark a stage as one that could not start."""
        self.bucket.write(self.keys_of(stage, plate).blocked, reason.encode())

    def keys_of(self, stage: str, plate: str = "P1") -> RunKeys:
        """The record of a stage's own run."""
        return RunKeys(stage_run_id(RUN, plate, stage))

    def ledger(self) -> StagedLedger:
        """The run's ledger, counted now."""
        ledger = read_ledger(self.bucket, RUN)
        assert isinstance(ledger, StagedLedger)
        return ledger

    def ledger_of(self, run_id: str) -> Ledger:
        """That of one stage."""
        return read_ledger(self.bucket, run_id)

    def stage(self, name: str, plate: str = "P1") -> Stage:
        """A stage, as `stages.json` has it."""
        return self.ledger().plates_of_stages[plate][name].stage
