"""Batch as it schedules: array children, dependencies, attempts, timeouts, termination, vCPU slots."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.batch.models import Job, batch_backends
from moto.core.config import default_user_config
from moto.iam.models import iam_backends
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

from cellpainting.dispatch.ended_job import DEPENDENCY_FAILED
from cellpainting.local.attempt import TIMED_OUT, Command, Outcome
from cellpainting.local.events import job_detail
from cellpainting.local.retry import is_retried
from cellpainting.local.scheduler import Scheduler
from tests.local.conftest import wait_until

ENDED = ("SUCCEEDED", "FAILED")


class PythonHost:
    """A host whose containers run the job's command as Python code, in the job's own environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, job: Any, attempt: int) -> Command:
        variables = {"FOLDER": str(self._folder), "ATTEMPT": str(attempt), "NAME": job.job_name}
        variables["INDEX"] = str(job.array_properties.get("index", ""))
        (code,) = job._get_container_property("command", [])
        preamble = "import os,sys,time,signal,pathlib; e=os.environ; d=pathlib.Path(e['FOLDER'])\n"
        return Command((sys.executable, "-c", preamble + code), variables, self._folder, "/jobs", "job")


class Batch:
    """A queue on moto's server, run by the scheduler."""

    def __init__(self, folder: Path, slots: int) -> None:
        self.folder = folder
        self.told: list[str] = []
        self._saved = (Job.start, Job.terminate)
        default_user_config["batch"] = {"use_docker": True}
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        session = boto3.Session("local", "local", region_name="us-east-1")
        self.client = session.client("batch", endpoint_url=f"http://{host}:{port}")
        iam = session.client("iam", endpoint_url=f"http://{host}:{port}")
        self.logs = session.client("logs", endpoint_url=f"http://{host}:{port}")
        role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        environment = self.client.create_compute_environment(
            computeEnvironmentName="cpus", type="UNMANAGED", state="ENABLED", serviceRole=role
        )["computeEnvironmentArn"]
        order: Any = [{"order": 1, "computeEnvironment": environment}]
        self.client.create_job_queue(jobQueueName="work", state="ENABLED", priority=1, computeEnvironmentOrder=order)
        host_of_python: Any = PythonHost(folder)
        self.ends: list[dict[str, Any]] = []
        self.scheduler = Scheduler(
            host_of_python,
            slots=slots,
            tell=lambda name, line: self.told.append(line),
            on_end=lambda job: self.ends.append(job_detail(job)),
        )
        self.scheduler.start()

    def submit(
        self, name: str, code: str, *, retry: Mapping[str, Any] | None = None, vcpus: int = 1, **job: Any
    ) -> str:
        properties: Any = {
            "image": "python",
            "command": [code],
            "resourceRequirements": [{"type": "VCPU", "value": str(vcpus)}, {"type": "MEMORY", "value": "64"}],
        }
        strategy: Any = retry or {}
        definition = self.client.register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=properties, retryStrategy=strategy
        )["jobDefinitionArn"]
        return self.client.submit_job(jobName=name, jobQueue="work", jobDefinition=definition, **job)["jobId"]

    def describe(self, job_id: str) -> Any:
        return self.client.describe_jobs(jobs=[job_id])["jobs"][0]

    def ended(self, job_id: str) -> Any:
        """Wait until a job is over, and describe it."""
        wait_until(lambda: self.describe(job_id)["status"] in ENDED, f"{job_id} is over", 20)
        return self.describe(job_id)

    def close(self) -> None:
        self.scheduler.stop()
        Job.start, Job.terminate = self._saved
        state_manager.unset_transition("batch::job")
        batch_backends.reset()
        iam_backends.reset()
        self._server.stop()


@pytest.fixture
def make_batch(tmp_path: Path) -> Iterator[Callable[[int], Batch]]:
    made: list[Batch] = []

    def make(slots: int) -> Batch:
        made.append(Batch(tmp_path, slots))
        return made[0]

    yield make
    made[0].close()


@pytest.fixture
def batch(make_batch: Callable[[int], Batch]) -> Batch:
    return make_batch(4)


def test_every_child_of_an_array_runs_once_with_its_index(batch: Batch) -> None:
    job = batch.submit("array", "(d / e['INDEX']).touch(exist_ok=False)", arrayProperties={"size": 12})
    assert batch.ended(job)["status"] == "SUCCEEDED"
    assert {path.name for path in batch.folder.iterdir()} == {str(index) for index in range(12)}


def test_end_of_every_job_is_told_once_with_what_became_of_its_container(batch: Batch) -> None:
    array = batch.submit("array", "sys.exit(9 if e['INDEX'] == '1' else 0)", arrayProperties={"size": 3})
    batch.ended(array)
    killed = batch.submit("killed", "os.kill(os.getpid(), signal.SIGKILL)")
    batch.ended(killed)
    told = {detail["jobId"]: detail for detail in batch.ends}
    assert len(told) == len(batch.ends) == 5
    assert [told[f"{array}:{index}"]["status"] for index in range(3)] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert told[f"{array}:1"]["arrayProperties"] == {"index": 1}
    assert told[f"{array}:1"]["container"]["exitCode"] == 9
    assert (told[array]["status"], told[array]["arrayProperties"]["size"]) == ("FAILED", 3)
    assert told[killed]["container"]["exitCode"] == 137


def test_array_with_a_failed_child_fails_when_all_children_are_over(batch: Batch) -> None:
    job = batch.submit("array", "sys.exit(e['INDEX'] == '1')", arrayProperties={"size": 3})
    assert batch.ended(job)["status"] == "FAILED"
    assert [batch.describe(f"{job}:{index}")["status"] for index in range(3)] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_dependent_job_waits_and_never_runs_after_a_failure(batch: Batch) -> None:
    first = batch.submit("first", "time.sleep(0.5); (d / 'first').touch()")
    second = batch.submit("second", "sys.exit(not (d / 'first').exists())", dependsOn=[{"jobId": first}])
    failed = batch.submit("failed", "sys.exit(3)")
    never = batch.submit("never", "(d / 'never').touch()", dependsOn=[{"jobId": failed}])
    assert batch.ended(second)["status"] == "SUCCEEDED"
    assert batch.ended(never)["status"] == "FAILED"
    assert batch.describe(never)["statusReason"] == DEPENDENCY_FAILED
    assert not (batch.folder / "never").exists()


def test_n_to_n_children_wait_for_their_own_and_sequential_ones_for_the_one_before(batch: Batch) -> None:
    write = "time.sleep(0.3 if e['INDEX'] == '0' else 0); (d / (e['NAME'] + e['INDEX'])).touch()"
    size = {"size": 3}
    first = batch.submit("aa", write, arrayProperties=size)
    paired = batch.submit(
        "bb",
        "sys.exit(not (d / ('aa' + e['INDEX'])).exists())",
        arrayProperties=size,
        dependsOn=[{"jobId": first, "type": "N_TO_N"}],
    )
    one_by_one = "i = int(e['INDEX']); sys.exit((d / f'c{i}').touch() or (i > 0 and not (d / f'c{i - 1}').exists()))"
    row = batch.submit("cc", one_by_one, arrayProperties=size, dependsOn=[{"type": "SEQUENTIAL"}])
    assert batch.ended(paired)["status"] == "SUCCEEDED"
    assert batch.ended(row)["status"] == "SUCCEEDED"


def test_job_that_fails_is_tried_again_as_often_as_its_definition_says(batch: Batch) -> None:
    code = "(d / e['ATTEMPT']).touch(); sys.exit(0 if e['ATTEMPT'] == '3' else 9)"
    job = batch.ended(batch.submit("again", code, retry={"attempts": 3}))
    assert job["status"] == "SUCCEEDED"
    assert len(job["attempts"]) == 3


@pytest.mark.parametrize(("exit_code", "attempts"), [(1, 1), (75, 3)])
def test_exit_code_decides_whether_a_job_is_tried_again(batch: Batch, exit_code: int, attempts: int) -> None:
    retry = {"attempts": 3, "evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}]}
    job = batch.ended(batch.submit("exit", f"sys.exit({exit_code})", retry=retry))
    assert (job["status"], len(job["attempts"])) == ("FAILED", attempts)


def test_attempt_that_exceeds_its_timeout_is_killed(batch: Batch) -> None:
    started = time.monotonic()
    job = batch.ended(batch.submit("slow", "time.sleep(60)", timeout={"attemptDurationSeconds": 1}))
    assert (job["status"], job["statusReason"]) == ("FAILED", TIMED_OUT)
    assert time.monotonic() - started < 15


def test_terminated_job_gets_sigterm_and_is_not_tried_again(batch: Batch) -> None:
    code = """
signal.signal(signal.SIGTERM, lambda *_: ((d / 'cleaned').touch(), sys.exit(5)))
(d / 'up').touch()
time.sleep(60)
"""
    job = batch.submit("endless", code, retry={"attempts": 3})
    wait_until((batch.folder / "up").exists, "the job runs", 20)
    batch.client.terminate_job(jobId=job, reason="enough")
    ended = batch.ended(job)
    assert (ended["status"], ended["statusReason"], len(ended["attempts"])) == ("FAILED", "enough", 1)
    assert (batch.folder / "cleaned").exists()


def test_jobs_share_the_vcpus_and_a_job_larger_than_the_machine_runs_alone(
    make_batch: Callable[[int], Batch],
) -> None:
    batch = make_batch(2)
    code = """
name = e['NAME'] + e['INDEX']
(d / f'{name}-{time.time()}').touch()
time.sleep(0.3)
(d / f'end{name}-{time.time()}').touch()
"""
    jobs = [batch.submit("small", code, arrayProperties={"size": 4}), batch.submit("large", code, vcpus=16)]
    assert [batch.ended(job)["status"] for job in jobs] == ["SUCCEEDED", "SUCCEEDED"]
    times = dict(path.name.rsplit("-", 1) for path in batch.folder.iterdir())
    spans = {name: (float(times[name]), float(times["end" + name])) for name in times if not name.startswith("end")}
    for name, (start, _) in spans.items():
        at_once = [other for other, (begin, end) in spans.items() if begin <= start < end]
        assert len(at_once) <= (1 if name == "large" or "large" in at_once else 2)


def test_every_line_of_output_is_in_the_job_s_log(batch: Batch) -> None:
    job = batch.ended(batch.submit("talks", "print('one'); print('two', file=sys.stderr)"))
    assert batch.told[-2:] in (["one", "two"], ["two", "one"])
    assert job["container"]["logStreamName"].startswith("job/default/")


def test_person_sees_the_message_of_a_json_line_and_no_figures(batch: Batch) -> None:
    line = '{"level": "INFO", "run": "r", "message": "cpb: one"}'
    figures = '{"_aws": {}, "ImageSetsDone": 1}'
    job = batch.ended(batch.submit("talks", f"print({line!r}); print({figures!r}); print('two')"))
    assert batch.told == ["cpb: one", "two"]
    stream = job["container"]["logStreamName"]
    events = batch.logs.get_log_events(logGroupName="/jobs", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == [line, figures, "two"]


def test_stopping_ends_what_runs_and_starts_nothing_more(batch: Batch) -> None:
    running = batch.submit("running", "(d / 'up').touch(); time.sleep(60)", vcpus=4)
    batch.submit("waiting", "(d / 'waited').touch()", vcpus=4)
    wait_until((batch.folder / "up").exists, "the job runs", 20)
    batch.scheduler.stop()
    assert batch.describe(running)["status"] == "FAILED"
    assert not (batch.folder / "waited").exists()


@pytest.mark.parametrize(
    ("outcome", "retried"),
    [
        (Outcome(137, "Host EC2 (instance i-0) terminated."), True),
        (Outcome(1, "Essential container in task exited"), False),
        (Outcome(2, "Essential container in task exited"), False),
        (Outcome(137, "Essential container in task exited"), True),
        (Outcome(1, "Host EC2 (instance i-0) terminated."), True),
    ],
)
def test_first_condition_that_matches_decides(outcome: Outcome, retried: bool) -> None:
    conditions = [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onExitCode": "1", "action": "exit"},
        {"onExitCode": "2", "action": "exit"},
    ]
    assert is_retried({"attempts": 3, "evaluateOnExit": conditions}, 1, outcome) is retried
    assert not is_retried({"attempts": 3, "evaluateOnExit": conditions}, 3, outcome)
