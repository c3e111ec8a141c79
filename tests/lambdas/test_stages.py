"""The stages of plates: submitted together, kept back, gone on with; each case by the jobs that Batch was given."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cellpainting.dispatch.ended_job import DEPENDENCY_FAILED
from cellpainting.dispatch.planning_job import plan_run_in_stages
from cellpainting.errors import InvalidField, InvalidRequest, MissingInput
from cellpainting.jobs import ProcessPlate, RunCellProfiler, RunRecord, WholeJob, parse_job, parse_message
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import stage_run_id
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, read_ledger, write_plan
from cellpainting.ledger.approval import approve
from cellpainting.ledger.source_digest import source_digest
from cellpainting.ledger.stage_record import read_stage_record
from examples.starfish.make_experiment import Drawing, write_experiment
from job_ends import JobEnds
from tests.conftest import DATA, LOAD_DATA_PIPELINE
from tests.lambdas.conftest import VERSION, Cloud
from tests.lambdas.test_dispatcher import do_shard

RUN = "screen"
CHAIN = ("illumination", "analysis", "backend", "profiles", "report")
ILLUMINATION = (DATA / "illum_load_data.cppipe").read_bytes()
WELLS = ("A01", "A02", "A03")
DOCUMENT: dict[str, Any] = {
    "job_type": "process_plate",
    "run": RUN,
    "load_data": "p/plates.csv",
    "batch": "B1",
    "pipelines": {"illumination": "p/illum.cppipe", "analysis": "p/analysis.cppipe"},
    "platemap": "p/platemap.txt",
    "output": "p/workspace",
    "image_sets_per_shard": 1,
}


def request(**fields: Any) -> RunRecord:
    return parse_message(json.dumps({**DOCUMENT, **fields}))[0]


def put_plates(cloud: Cloud, *plates: str, key: str = "p/plates.csv") -> None:
    lines = ["Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA"]
    for plate in plates:
        for well in WELLS:
            cloud.storage.write(f"p/images/{plate}_{well}.tif", f"{plate} {well}".encode())
            lines.append(f"{plate},{well},1,p/images/{plate}_{well}.tif")
    cloud.storage.write(key, "\n".join(lines).encode())


@pytest.fixture
def plates(cloud: Cloud) -> Cloud:
    put_plates(cloud, "P1")
    cloud.storage.write("p/illum.cppipe", ILLUMINATION)
    cloud.storage.write("p/analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes())
    cloud.storage.write(
        "p/platemap.txt", b"well_position\tbroad_sample\n" + b"".join(f"{w}\tx\n".encode() for w in WELLS)
    )
    return cloud


@pytest.fixture
def ends(plates: Cloud) -> JobEnds:
    return plates.ends


def stage_of(job: Mapping[str, Any]) -> str:
    """Plate and stage of a job, by its name."""
    return str(job["jobName"]).removeprefix(f"{RUN}--").rpartition("-")[0].rpartition("-")[0]


def new_jobs(cloud: Cloud, before: int = 0) -> dict[str, dict[str, Any]]:
    """The jobs that Batch was given since, by plate and stage; they do not end by themselves."""
    found = {stage_of(job): job for job in cloud.jobs[before:]}
    for job in found.values():
        set_status(cloud, job, "PENDING")
    return found


def set_status(cloud: Cloud, job: Mapping[str, Any], status: str, reason: str = "") -> None:
    """Set the status of a job, and of its children if it is an array job."""
    size = job.get("arrayProperties", {}).get("size", 0)
    for job_id in (*(f"{job['jobId']}:{number}" for number in range(size)), job["jobId"]):
        cloud.set_status(job_id, status, 1 if status == "FAILED" and not reason else None, reason)


def waits_for(cloud: Cloud, job: Mapping[str, Any]) -> set[str]:
    """What a job depends on, by plate and stage."""
    names = {one["jobId"]: stage_of(one) for one in cloud.jobs}
    return {names[dependency["jobId"]] for dependency in job["dependsOn"]}


def record_of(cloud: Cloud, stage: str, plate: str = "P1") -> RunRecord:
    document = json.loads(cloud.storage.read(RunKeys(stage_run_id(RUN, plate, stage)).request))
    return RunRecord.of(parse_job(document), document)


def blocked(cloud: Cloud, stage: str, plate: str = "P1") -> str:
    with suppress(MissingInput):
        return cloud.storage.read(RunKeys(stage_run_id(RUN, plate, stage)).blocked).decode()
    return ""


def do_stage(
    cloud: Cloud, stage: str, plate: str = "P1", *, missing: int = 0, cause: Cause = Cause.INPUT_MISSING
) -> None:
    """Leave what the workers of a stage leave, of which the first shards are without a result."""
    run = record_of(cloud, stage, plate)
    if isinstance(run.job, RunCellProfiler):
        if stage == "illumination":
            cloud.storage.write(f"p/workspace/illum/B1/{plate}/{plate}_Illum.npy", b"function")
        for number in range(len(WELLS) if stage == "analysis" else 1):
            do_shard(cloud, run, number, cause if number < missing else None)
        return
    assert isinstance(run.job, WholeJob)
    outcomes = (
        Outcome(ImageSet(0, 1, plate=plate), State.FAILED if missing else State.DONE, "", cause if missing else None),
    )
    if stage == "backend":
        cloud.storage.write(f"p/workspace/backend/B1/{plate}/{plate}.parquet", cloud.storage.read(run.keys.plan_record))
    group = GroupResult("", outcomes, (), (), {}, 1.0, 1.0, fingerprint=source_digest(run.job, cloud.storage))
    cloud.storage.write(run.keys.plan, write_plan(one.image_set for one in outcomes))
    cloud.storage.write(run.keys.shard(0), Manifest(0, (group,), None, "", (), "", "", 1.0, 1.0).to_json())


def end(cloud: Cloud, ends: JobEnds, job: Mapping[str, Any], *, failed: bool = False, reason: str = "") -> str:
    """End a job, and deliver the event of it."""
    set_status(cloud, job, "FAILED" if failed else "SUCCEEDED", reason)
    return ends.follow(cloud.detail(dict(job)))


def do_all(cloud: Cloud, ends: JobEnds, jobs: Mapping[str, Mapping[str, Any]], plate: str = "P1") -> None:
    """Let all stages of a plate come to a good end."""
    for stage in CHAIN:
        if f"{plate}--{stage}" in jobs:
            do_stage(cloud, stage, plate)
            end(cloud, ends, jobs[f"{plate}--{stage}"])


def dispatch_until(cloud: Cloud, stage: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dispatch a message, and let the function be stopped when it comes to a stage."""
    submit = cloud.dispatcher.submitter.submit

    def die_at_stage(keys: RunKeys, *rest: Any) -> Any:
        if keys.run_id.endswith(stage):
            raise ConnectionError("the function was stopped")
        return submit(keys, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(cloud.dispatcher.submitter, "submit", die_at_stage)
        with pytest.raises(ConnectionError):
            cloud.dispatch(request(), message)


class TestSubmittedTogether:
    def test_every_stage_depends_on_the_jobs_of_those_that_it_needs(self, plates: Cloud) -> None:
        plates.dispatch(request(), "m1")
        jobs = new_jobs(plates)
        assert list(jobs) == [f"P1--{stage}" for stage in CHAIN]
        waits = {name: waits_for(plates, job) for name, job in jobs.items()}
        assert waits["P1--illumination"] == set()
        assert waits["P1--analysis"] == {"P1--illumination"}
        assert waits["P1--backend"] == {"P1--analysis"}
        assert waits["P1--profiles"] == {"P1--backend"}
        assert waits["P1--report"] == set(jobs) - {"P1--report"}
        assert jobs["P1--analysis"]["arrayProperties"]["size"] == len(WELLS)

    def test_analysis_reads_load_data_with_the_functions_that_the_illumination_is_to_make(self, plates: Cloud) -> None:
        plates.dispatch(request(), "m1")
        key = record_of(plates, "analysis").job.load_data
        assert key == "runs/screen--P1--analysis/load_data_with_illum.csv"
        header, *rows = plates.storage.read(key).decode().splitlines()
        assert header.split(",")[-1] == "URL_Illum"
        assert {row.split(",")[-1] for row in rows} == {"s3://data/p/workspace/illum/B1/P1/P1_Illum.npy"}

    def test_each_plate_has_a_chain_of_its_own(self, plates: Cloud) -> None:
        put_plates(plates, "P1", "P2")
        plates.dispatch(request(), "m1")
        jobs = new_jobs(plates)
        assert len(jobs) == 2 * len(CHAIN)
        assert waits_for(plates, jobs["P2--analysis"]) == {"P2--illumination"}

    def test_message_that_is_delivered_twice_is_submitted_once(self, plates: Cloud) -> None:
        plates.dispatch(request(), "m1")
        count = len(plates.jobs)
        plates.dispatch(request(), "m1")
        assert len(plates.jobs) == count

    def test_dispatch_that_dies_half_way_is_completed_when_the_message_comes_again(
        self, plates: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dispatch_until(plates, "backend", "m1", monkeypatch)
        assert list(new_jobs(plates)) == ["P1--illumination", "P1--analysis"]
        ended = new_jobs(plates)
        for stage in ("illumination", "analysis"):
            do_stage(plates, stage)
            set_status(plates, ended[f"P1--{stage}"], "SUCCEEDED")
        plates.dispatch(request(), "m1")
        assert [stage_of(job) for job in plates.jobs[2:]] == ["P1--backend", "P1--profiles", "P1--report"]

    def test_nothing_is_submitted_when_a_later_stage_could_not_succeed(self, plates: Cloud) -> None:
        plates.storage.delete("p/platemap.txt")
        with pytest.raises(MissingInput, match=r"profiles of P1: .*platemap.txt"):
            plates.dispatch(request(), "m1")
        assert plates.jobs == []

    def test_stage_sent_by_itself_is_refused(self, plates: Cloud) -> None:
        plates.dispatch(request(), "m1")
        with pytest.raises(InvalidField, match="send the request of the run 'screen'"):
            plates.dispatcher.check(record_of(plates, "analysis"))


class TestSentAgain:
    @pytest.fixture
    def done(self, plates: Cloud, ends: JobEnds) -> Cloud:
        plates.dispatch(request(), "m1")
        do_all(plates, ends, new_jobs(plates))
        return plates

    def submitted(self, cloud: Cloud, message: str = "m2", **fields: Any) -> list[str]:
        before = len(cloud.jobs)
        cloud.dispatch(request(**fields), message)
        return [stage_of(job) for job in cloud.jobs[before:]]

    def test_nothing_is_done_again_of_what_is_done(self, done: Cloud) -> None:
        assert "this run is done" in done.dispatch(request(), "m2")
        assert len(done.jobs) == len(CHAIN)

    def test_changed_analysis_pipeline_does_that_stage_again_and_what_follows(self, done: Cloud) -> None:
        done.storage.write("p/analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes() + b"\n")
        assert self.submitted(done) == ["P1--analysis", "P1--backend", "P1--profiles", "P1--report"]

    def test_pipeline_of_another_name_is_a_changed_one(self, done: Cloud) -> None:
        done.storage.write("p/other.cppipe", LOAD_DATA_PIPELINE.read_bytes())
        changed = {"illumination": "p/illum.cppipe", "analysis": "p/other.cppipe"}
        assert self.submitted(done, pipelines=changed) == ["P1--analysis", "P1--backend", "P1--profiles", "P1--report"]

    def test_changed_illumination_pipeline_does_everything_again(self, done: Cloud) -> None:
        done.storage.write("p/illum.cppipe", ILLUMINATION + b"\n")
        assert self.submitted(done) == [f"P1--{stage}" for stage in CHAIN]

    def test_changed_platemap_makes_profiles_and_page_anew(self, done: Cloud) -> None:
        done.storage.write("p/platemap.txt", b"well_position\tbroad_sample\nA01\ty\nA02\ty\nA03\ty\n")
        assert self.submitted(done) == ["P1--profiles", "P1--report"]

    def test_backend_asked_for_otherwise_is_made_anew_with_what_follows(self, done: Cloud) -> None:
        assert self.submitted(done, aggregate="median") == ["P1--backend", "P1--profiles", "P1--report"]

    def test_force_does_everything_again(self, done: Cloud) -> None:
        assert self.submitted(done, force=True) == [f"P1--{stage}" for stage in CHAIN]

    def test_plates_can_be_added_and_the_others_stay_in_the_run(self, done: Cloud) -> None:
        put_plates(done, "P2", key="p/second.csv")
        assert self.submitted(done, load_data="p/second.csv") == [f"P2--{stage}" for stage in CHAIN]
        record = read_stage_record(RunKeys(RUN), done.storage)
        assert record
        assert record.plates == ("P1", "P2")
        assert read_ledger(done.storage, RUN).plates.keys() == {"P1", "P2"}

    def test_plate_with_a_job_at_work_is_left_alone_and_the_other_is_done(self, done: Cloud) -> None:
        put_plates(done, "P1", "P2")
        done.storage.write("p/analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes() + b"\n")
        done.set_status(done.jobs[0]["jobId"], "RUNNING")
        assert self.submitted(done) == [f"P2--{stage}" for stage in CHAIN]

    def test_dispatch_that_dies_half_way_is_completed_by_the_end_of_what_it_had_submitted(
        self, done: Cloud, ends: JobEnds, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done.storage.write("p/illum.cppipe", ILLUMINATION + b"\n")
        dispatch_until(done, "analysis", "m2", monkeypatch)
        (illumination,) = new_jobs(done, len(CHAIN)).values()
        assert "under way" in done.dispatch(request(), "m2")
        do_stage(done, "illumination")
        end(done, ends, illumination)
        assert list(new_jobs(done, len(CHAIN) + 1)) == [f"P1--{stage}" for stage in CHAIN[1:]]

    def test_run_of_that_name_with_another_output_is_refused(self, done: Cloud) -> None:
        with pytest.raises(InvalidField, match="did something else"):
            done.dispatcher.check(request(output="p/elsewhere"))

    def test_what_was_lost_is_sent_again_with_what_follows(self, done: Cloud) -> None:
        do_stage(done, "analysis", missing=1, cause=Cause.MACHINE_LOST)
        assert self.submitted(done, redrive=["machine_lost"]) == [
            "P1--analysis",
            "P1--backend",
            "P1--profiles",
            "P1--report",
        ]
        analysis = next(job for job in done.jobs[len(CHAIN) :] if stage_of(job) == "P1--analysis")
        assert "arrayProperties" not in analysis  # the one shard


class TestWhenAStageFails:
    def fail_analysis(self, cloud: Cloud, ends: JobEnds, **fields: Any) -> dict[str, dict[str, Any]]:
        """One of three image sets of the analysis cannot be measured; Batch fails what depends on it."""
        cloud.dispatch(request(**fields), "m1")
        jobs = new_jobs(cloud)
        do_stage(cloud, "illumination")
        end(cloud, ends, jobs["P1--illumination"])
        do_stage(cloud, "analysis", missing=1)
        end(cloud, ends, jobs["P1--analysis"], failed=True)
        return jobs

    def test_it_blocks_what_needs_it_and_the_page_is_made_all_the_same(self, plates: Cloud, ends: JobEnds) -> None:
        jobs = self.fail_analysis(plates, ends)
        for stage in ("backend", "profiles", "report"):
            end(plates, ends, jobs[f"P1--{stage}"], failed=True, reason=DEPENDENCY_FAILED)
        assert "1 of 3 image sets are missing, allow_missing is 0" in blocked(plates, "backend")
        assert "did not start" in blocked(plates, "profiles")
        (report,) = plates.jobs[len(CHAIN) :]
        assert stage_of(report) == "P1--report"
        assert report["dependsOn"] == []

    def test_what_may_be_missing_does_not_keep_the_next_stages(self, plates: Cloud, ends: JobEnds) -> None:
        jobs = self.fail_analysis(plates, ends, allow_missing=0.5)
        for stage in ("backend", "profiles", "report"):
            end(plates, ends, jobs[f"P1--{stage}"], failed=True, reason=DEPENDENCY_FAILED)
            new_jobs(plates, len(CHAIN))
        again = new_jobs(plates, len(CHAIN))
        assert list(again) == ["P1--backend", "P1--profiles", "P1--report"]
        assert waits_for(plates, again["P1--backend"]) == set()
        assert again["P1--profiles"]["dependsOn"] == [{"jobId": again["P1--backend"]["jobId"]}]
        assert {"jobId": again["P1--profiles"]["jobId"]} in again["P1--report"]["dependsOn"]
        assert blocked(plates, "backend") == ""

    def test_stage_goes_on_by_itself_once_what_it_needs_was_sent_again(self, plates: Cloud, ends: JobEnds) -> None:
        jobs = self.fail_analysis(plates, ends)
        for stage in ("backend", "profiles", "report"):
            end(plates, ends, jobs[f"P1--{stage}"], failed=True, reason=DEPENDENCY_FAILED)
        before = len(plates.jobs)
        plates.set_status(plates.jobs[-1]["jobId"], "SUCCEEDED")
        plates.dispatch(request(), "m2")
        assert list(new_jobs(plates, before)) == ["P1--analysis", "P1--backend", "P1--profiles", "P1--report"]
        assert blocked(plates, "backend") == ""

    def test_the_run_accounts_for_every_image_set_of_every_plate(self, plates: Cloud, ends: JobEnds) -> None:
        put_plates(plates, "P1", "P2")
        plates.dispatch(request(leave_out=["backend", "profiles", "report"]), "m1")
        jobs = new_jobs(plates)
        do_all(plates, ends, jobs, "P1")
        end(plates, ends, jobs["P2--illumination"], failed=True, reason="Host EC2 (instance i-0) terminated.")
        told = end(plates, ends, jobs["P2--analysis"], failed=True, reason=DEPENDENCY_FAILED)
        assert "3 done, 3 not_run" in told
        summary = json.loads(plates.storage.read(RunKeys(RUN).summary))
        assert summary["image_sets"] == sum(summary["states"].values()) == 6
        assert summary["causes"] == {"blocked": 3}
        assert summary["stages"]["P1"]["analysis"]["state"] == "complete"
        assert summary["stages"]["P2"]["illumination"]["state"] == "incomplete"
        assert summary["stages"]["P2"]["analysis"]["state"] == "blocked"
        assert "Host EC2" in summary["stages"]["P2"]["illumination"]["reason"]
        assert not summary["complete"]

    def test_next_stage_waits_for_the_job_that_has_more_memory(self, plates: Cloud, ends: JobEnds) -> None:
        plates.dispatch(request(), "m1")
        jobs = new_jobs(plates)
        do_stage(plates, "illumination")
        end(plates, ends, jobs["P1--illumination"])
        analysis = jobs["P1--analysis"]
        assert "8192 MiB" in end(plates, ends, analysis, failed=True, reason="OutOfMemoryError: Container killed")
        again = new_jobs(plates, len(CHAIN))
        end(plates, ends, jobs["P1--backend"], failed=True, reason=DEPENDENCY_FAILED)
        backend = plates.jobs[-1]
        assert stage_of(backend) == "P1--backend"
        assert backend["dependsOn"] == [{"jobId": again["P1--analysis"]["jobId"]}]


class TestGate:
    GATED: Mapping[str, Any] = {"gate": True, "leave_out": ["backend", "profiles", "report"]}

    @pytest.fixture
    def waiting(self, plates: Cloud, ends: JobEnds) -> Cloud:
        plates.dispatch(request(**self.GATED), "m1")
        jobs = new_jobs(plates)
        assert list(jobs) == ["P1--illumination"]
        do_stage(plates, "illumination")
        end(plates, ends, jobs["P1--illumination"])
        return plates

    def approve(self, cloud: Cloud) -> None:
        stage = record_of(cloud, "analysis").job.stage
        assert stage
        approve(stage, cloud.storage)

    def test_analysis_waits_for_a_person(self, waiting: Cloud) -> None:
        assert "waits for approval" in blocked(waiting, "analysis")
        assert "cpb approve screen" in blocked(waiting, "analysis")
        waiting.dispatch(request(**self.GATED), "m2")
        assert len(waiting.jobs) == 1

    def test_it_starts_once_somebody_has_approved(self, waiting: Cloud) -> None:
        self.approve(waiting)
        waiting.dispatch(request(**self.GATED), "m2")
        assert stage_of(waiting.jobs[-1]) == "P1--analysis"

    def test_approval_does_not_hold_for_an_illumination_that_was_made_since(
        self, waiting: Cloud, ends: JobEnds
    ) -> None:
        self.approve(waiting)
        waiting.storage.write("p/illum.cppipe", ILLUMINATION + b"\n")
        waiting.dispatch(request(**self.GATED), "m2")
        (again,) = new_jobs(waiting, 1).values()
        do_stage(waiting, "illumination")
        end(waiting, ends, again)
        assert len(waiting.jobs) == 2
        assert "waits for approval" in blocked(waiting, "analysis")


class TestPlannedByAJob:
    def test_stages_are_submitted_when_the_job_that_planned_them_has_ended(self, plates: Cloud, ends: JobEnds) -> None:
        run = request()
        plates.dispatch(run, "m1", is_planned_here=False)
        (planning,) = plates.jobs
        assert planning["jobName"] == f"{RUN}-0-plan"
        assert isinstance(run.job, ProcessPlate)
        plan_run_in_stages(run, run.job, plates.storage, {"cellprofiler": VERSION})
        assert "submitted screen--P1--illumination" in ends.follow(plates.detail(planning))
        assert list(new_jobs(plates, 1)) == [f"P1--{stage}" for stage in CHAIN]
        assert "nothing was submitted" in plates.dispatch(run, "m2", is_planned_here=False)

    def test_why_they_could_not_be_planned_is_told(self, plates: Cloud) -> None:
        run = request(pipelines={"illumination": "p/analysis.cppipe", "analysis": "p/analysis.cppipe"})
        assert isinstance(run.job, ProcessPlate)
        with pytest.raises(InvalidRequest):
            plan_run_in_stages(run, run.job, plates.storage, {})
        assert "Illum" in read_ledger(plates.storage, RUN).planning_failure

    @pytest.mark.parametrize(("key", "is_here"), [("p/plates.csv", True), ("p/plates.parquet", False)])
    def test_parquet_is_for_a_job(self, plates: Cloud, key: str, is_here: bool) -> None:
        plates.storage.write(key, plates.storage.read("p/plates.csv"))
        table = f"load_data\n{key}\n".encode()
        plates.storage.write("p/table.csv", table)
        fields = {name: value for name, value in DOCUMENT.items() if name not in ("load_data", "batch", "platemap")}
        for document in (
            {**DOCUMENT, "load_data": key},
            {**fields, "plates": "p/table.csv", "leave_out": ["profiles", "report"]},
        ):
            (run,) = parse_message(json.dumps(document))
            assert (run.run_id in plates.dispatcher.planned_here([run])) is is_here


class TestFieldsOfView:
    DOCUMENT: Mapping[str, Any] = {
        "job_type": "process_fovs",
        "run": RUN,
        "experiment_url": "iss/experiment.json",
        "recipe": "iss/recipe.py",
        "results": "iss/results",
    }

    @pytest.fixture
    def experiment(self, cloud: Cloud, tmp_path: Path) -> Cloud:
        write_experiment(tmp_path, Drawing(fields=3, spots=1))
        for path in tmp_path.iterdir():
            cloud.storage.write(f"iss/{path.name}", path.read_bytes())
        cloud.storage.write("iss/recipe.py", b"def process_fov(fov, codebook): ...")
        return cloud

    def fields(self, **fields: Any) -> RunRecord:
        return parse_message(json.dumps({**self.DOCUMENT, **fields}))[0]

    def test_they_are_one_array_job_and_the_merge_depends_on_it(self, experiment: Cloud) -> None:
        experiment.dispatch(self.fields(), "m1")
        decoding, merging = experiment.jobs
        assert (decoding["jobName"], merging["jobName"]) == ("screen--decode-0-0", "screen--merge-0-0")
        assert decoding["arrayProperties"]["size"] == 3
        assert merging["dependsOn"] == [{"jobId": decoding["jobId"]}]

    def test_number_that_the_experiment_has_not_is_refused_before_anything_runs(self, experiment: Cloud) -> None:
        with pytest.raises(InvalidRequest, match=r"decode: .*'num_fovs': got 4; the experiment has 3 fields of view"):
            experiment.dispatch(self.fields(num_fovs=4), "m1")
        assert experiment.jobs == []
