"""Least privilege: each job type, and the dispatcher, with the credentials of the role that the template makes for it.

With all of its grants a role suffices. Without any one of them its work fails, names what was refused and the remedy,
and leaves what there was as it was; so no grant is superfluous. What moto cannot judge is in tests/stacks.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cli.run import run as cpb_run
from cellpainting.dispatch.planning_job import plan_run
from cellpainting.errors import CellPaintingError, LocalCloudError
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.local.assembly import synthesize
from cellpainting.local.deployed_stack import DeployedStack, read_stack
from cellpainting.local.deployment import Account, deploy
from cellpainting.local.function import Function
from cellpainting.local.image_store import ImageStore
from cellpainting.local.moto_models import complete_moto
from cellpainting.local.permissions import FUNCTIONS, JOBS, Permissions
from cellpainting.planning.plan_job import read_csv_source
from cellpainting.storage import S3Storage
from examples.starfish.make_experiment import Drawing, write_experiment
from tests.conftest import DATA, LOAD_DATA_PIPELINE, REPOSITORY, SPOTS_PIPELINE, write_load_data, write_site
from tests.worker.backend.plates import uploaded
from tests.worker.profiled_plates import config_text, put_metadata, put_profile, write_backend

pytestmark = pytest.mark.deploy

Grant = tuple[str, str]  # an action, and a pattern of resources
RUNS = count()


@dataclass(frozen=True)
class Cloud:
    """A deployed account, and the administrator's view of its data bucket."""

    account: Account
    permissions: Permissions
    stack: DeployedStack
    folder: Path

    @property
    def bucket(self) -> S3Storage:
        return S3Storage(self.stack.outputs["BucketName"], self.account.client("s3"))

    def role(self, construct: str) -> str:
        """The name of a role, by the start of its logical id."""
        (found,) = [
            physical
            for logical, physical in self.stack.ids.items()
            if logical.startswith(construct) and self.stack.template["Resources"][logical]["Type"] == "AWS::IAM::Role"
        ]
        return found

    def policies(self, role: str) -> dict[str, Any]:
        """The policies of a role by name; CDK writes one."""
        iam = self.account.client("iam")
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def grants(self, role: str) -> list[Grant]:
        """Everything that a role is allowed, each action on each resource by itself."""
        (document,) = self.policies(role).values()
        allowed = [one for one in document["Statement"] if one["Effect"] == "Allow"]
        return [(action, on) for one in allowed for action in listed(one["Action"]) for on in listed(one["Resource"])]

    def arn(self, role: str) -> str:
        return str(self.account.client("iam").get_role(RoleName=role)["Role"]["Arn"])

    def without(self, role: str, grant: Grant) -> "Without":
        return Without(self, role, grant)


@dataclass
class Without:
    """While it is entered, a role lacks one grant."""

    cloud: Cloud
    role: str
    grant: Grant
    _before: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> None:
        self._before = self.cloud.policies(self.role)
        for name, document in self._before.items():
            self._put(
                name, {**document, "Statement": [one for each in document["Statement"] for one in self._cut(each)]}
            )

    def __exit__(self, *_: object) -> None:
        for name, document in self._before.items():
            self._put(name, document)

    def _cut(self, statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if statement["Effect"] == "Deny":
            yield statement
            return
        for action in listed(statement["Action"]):
            resources = [on for on in listed(statement["Resource"]) if (action, on) != self.grant]
            if resources:
                yield {"Effect": "Allow", "Action": action, "Resource": resources}

    def _put(self, name: str, document: dict[str, Any]) -> None:
        iam = self.cloud.account.client("iam")
        iam.put_role_policy(RoleName=self.role, PolicyName=name, PolicyDocument=json.dumps(document))


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The three stacks in moto's server; what is submitted to Batch succeeds at once."""
    default_user_config["batch"] = default_user_config["lambda"] = {"use_docker": False}
    folder = tmp_path_factory.mktemp("permissions")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    account = Account(f"http://{host}:{port}")
    complete_moto(account.client, lambda stack: None)
    permissions = Permissions(account)
    deploy(account, synthesize(folder / "cdk.out", "s3"), ImageStore(folder / "images"))
    stack = read_stack(account, "batch-cpb")
    assert stack
    yield Cloud(account, permissions, stack, folder)
    server.stop()


@dataclass(frozen=True)
class Work:
    """A request of a job type, and what it needs in the bucket. A planning job is done for types that stages are of."""

    request: Mapping[str, Any]
    put: Callable[[S3Storage, Path], None]
    is_planned: bool = False


def put_site(bucket: S3Storage, folder: Path) -> None:
    write_site(folder / "images", "A01")
    write_load_data(folder / "load_data.csv", Path("site/images"), [("P1", "A01", "1")])
    shutil.copyfile(SPOTS_PIPELINE, folder / "spots.cppipe")
    shutil.copyfile(LOAD_DATA_PIPELINE, folder / "analysis.cppipe")
    shutil.copyfile(DATA / "illum_load_data.cppipe", folder / "illum.cppipe")
    uploaded(folder, bucket, "site")


def put_tables(bucket: S3Storage, folder: Path) -> None:
    write_backend(folder / "backend", "P1")
    uploaded(folder, bucket, "tables")


def put_profiles(bucket: S3Storage, folder: Path) -> None:
    bucket.write("w/config_files/plates.yml", config_text("P1", aggregates="false"))
    put_metadata(bucket, "w", "P1")
    put_profile(bucket, "w", "P1")


def put_experiment(bucket: S3Storage, folder: Path) -> None:
    write_experiment(folder / "iss", Drawing(fields=1, spots=6))
    shutil.copyfile(REPOSITORY / "examples" / "starfish" / "recipe.py", folder / "iss" / "recipe.py")
    uploaded(folder / "iss", bucket, "iss")


DECODE = {"experiment": "iss/experiment.json", "recipe": "iss/recipe.py", "output": "iss/results"}
WORK = {
    "run_cellprofiler": Work(
        {"pipeline": "site/spots.cppipe", "input": "site/images/", "output": "site/results/"}, put_site
    ),
    "download_images": Work({"load_data": "site/load_data.csv", "output": "site/training"}, put_site),
    "build_backend": Work(
        {"analysis": "tables/analysis_of_P1", "output": "tables/made", "batch": "B1", "plate": "P1"}, put_tables
    ),
    "make_profiles": Work({"config": "w/config_files/plates.yml"}, put_profiles),
    "make_report": Work({"plate": "P1", "backend": "tables/backend/B1/P1", "output": "tables/P1.html"}, put_tables),
    "decode_fovs": Work(DECODE, put_experiment),
    "process_plate": Work(
        {
            "load_data": "site/load_data.csv",
            "batch": "B1",
            "pipelines": {"illumination": "site/illum.cppipe", "analysis": "site/analysis.cppipe"},
            "leave_out": ["profiles", "report"],
            "output": "workspace",
        },
        put_site,
        is_planned=True,
    ),
    "process_fovs": Work(
        {"experiment_url": "iss/experiment.json", "recipe": "iss/recipe.py", "results": "iss/results/"},
        put_experiment,
        is_planned=True,
    ),
}
# With real programs, which take their time.
REAL = {
    "run_cellprofiler": [pytest.mark.cellprofiler],
    "decode_fovs": [pytest.mark.starfish],
}
# Asked for only when an upload of many parts has failed: the test below asks for it.
AFTER_FAILURES = ("s3:AbortMultipartUpload",)


@dataclass
class Worker:
    """Does a job type's work in this process, with the role's credentials and no others."""

    cloud: Cloud
    job_type: str
    monkeypatch: pytest.MonkeyPatch

    @property
    def role(self) -> str:
        return self.cloud.role(f"Job{self.job_type.replace('_', '')}JobRole")

    def do(self) -> tuple[int, str]:
        """Do a new run of the work; returns the exit status, and what was printed or the error."""
        work = WORK[self.job_type]
        request = {"job_type": self.job_type, "run": f"{self.job_type}-{next(RUNS)}", "force": True, **work.request}
        record = RunRecord.of(parse_job(request), request)
        self.cloud.bucket.write(record.keys.request, json.dumps(request).encode())
        if not work.is_planned:
            plan_run(record, self.cloud.bucket, read_csv_source, "")
        credentials = self.cloud.permissions.variables(self.cloud.arn(self.role), JOBS)
        for name, value in {**self.cloud.account.variables, **credentials}.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        uri = self.cloud.bucket.uri(record.keys.request)
        arguments = ["--request", uri, *(["--plan"] if work.is_planned else [])]
        ended = CliRunner().invoke(cpb_run, arguments, standalone_mode=False)
        if isinstance(ended.exception, CellPaintingError):
            return ended.exception.exit_status, str(ended.exception)
        if ended.exception:
            raise ended.exception
        return ended.return_value, ended.output


@pytest.fixture
def worker(
    cloud: Cloud, job_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cellprofiler: CellProfiler
) -> Worker:
    """A worker of a job type, with its inputs in the bucket."""
    monkeypatch.setenv("CPB_SCRATCH", str(tmp_path))
    monkeypatch.setenv("CELLPROFILER", str(cellprofiler.command))
    monkeypatch.setenv("STARFISH", str(REPOSITORY / ".starfish" / "bin" / "python"))
    WORK[job_type].put(cloud.bucket, tmp_path / "put")
    return Worker(cloud, job_type, monkeypatch)


@pytest.mark.parametrize("job_type", [pytest.param(name, marks=REAL.get(name, ())) for name in WORK])
def test_a_job_needs_each_grant_of_its_role_and_no_other(worker: Worker, cloud: Cloud) -> None:
    before = {item.key for item in cloud.bucket.list("") if not item.key.startswith("runs/")}
    status, said = worker.do()
    assert status == 0, said
    superfluous = []
    for grant in cloud.grants(worker.role):
        with cloud.without(worker.role, grant):
            status, said = worker.do()
        if status == 0:
            superfluous.append(grant)
        else:
            assert cloud.bucket.uri("") in said, (grant, said)
            assert "permissions" in said, (grant, said)
        assert before <= {item.key for item in cloud.bucket.list("")}, grant
    assert [grant for grant in superfluous if grant[0] not in AFTER_FAILURES] == []


@pytest.mark.parametrize("job_type", sorted(WORK))
def test_a_job_writes_no_record_of_the_dispatcher_s_or_of_people(cloud: Cloud, job_type: str) -> None:
    role = cloud.role(f"Job{job_type.replace('_', '')}JobRole")
    credentials = cloud.permissions.variables(cloud.arn(role), JOBS)
    keys = {name.lower(): value for name, value in credentials.items()}
    client: Any = boto3.client  # of any service
    s3 = client("s3", endpoint_url=cloud.account.endpoint_url, region_name="us-east-1", **keys)
    bucket = cloud.bucket.bucket
    denied = [f"runs/r/{name}" for name in ("approvals/P1.json", "budget/0.json", "held.json", "notices/0.json")]
    denied += ["runs/r/submissions/0.json", "runs/rejected/m.json"]
    if not WORK[job_type].is_planned:
        denied.append("runs/r/request.json")
    for key in denied:
        with pytest.raises(ClientError, match="Access Denied"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"forged")
    s3.put_object(Bucket=bucket, Key="runs/r/shards/0.json", Body=b"a manifest")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="runs/r/large")["UploadId"]
    abort = next(grant for grant in cloud.grants(role) if grant[0] in AFTER_FAILURES)
    with cloud.without(role, abort), pytest.raises(ClientError, match="Access Denied"):
        s3.abort_multipart_upload(Bucket=bucket, Key="runs/r/large", UploadId=upload)
    s3.abort_multipart_upload(Bucket=bucket, Key="runs/r/large", UploadId=upload)


@dataclass
class Dispatching:
    """The dispatcher's function in a process of its own, as the local cloud runs it, and what it prints."""

    cloud: Cloud
    function: Function
    log: list[str]

    def tell(self, event: Mapping[str, Any]) -> bool:
        """Whether the function does what an event asks for."""
        try:
            answer = self.function.invoke(event)
        except LocalCloudError:
            return False
        return not (answer and answer["batchItemFailures"])

    def take(self, request: Mapping[str, Any], message: str) -> bool:
        """Whether it takes a message, by its id."""
        record = {"messageId": message, "body": json.dumps(request)}
        return self.tell({"Records": [record]})

    def carry_through(self) -> bool:
        """A run's message that could not be submitted, and was received again; the same request again; and the end of
        its job. Whether all but the first was done.
        """
        number = next(RUNS)
        request = {"run": f"dispatched-{number}", **WORK["run_cellprofiler"].request}
        role = self.cloud.role("DispatcherRole")
        submitting = next(grant for grant in self.cloud.grants(role) if grant[0] == "batch:SubmitJob")
        with self.cloud.without(role, submitting):
            assert not self.take(request, f"m{number}")
        if not (self.take(request, f"m{number}") and self.take(request, f"again{number}")):
            return False
        batch = self.cloud.account.client("batch")
        queue = self.cloud.stack.outputs["BatchJobQueueARN"]
        listed_jobs = batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]
        job, *_ = [one["jobId"] for one in listed_jobs if one["jobName"].startswith(f"dispatched-{number}-")]
        detail = batch.describe_jobs(jobs=[job])["jobs"][0]
        return self.tell({"detail": detail})


@pytest.fixture
def dispatching(cloud: Cloud, tmp_path: Path) -> Iterator[Dispatching]:
    arns = {
        one["FunctionName"]: one["FunctionArn"] for one in cloud.account.client("lambda").list_functions()["Functions"]
    }
    (arn,) = [arn for name, arn in arns.items() if "DispatcherFunction" in name]
    configuration = cloud.stack.function(arn, tmp_path)
    variables = {
        **configuration.variables,
        **cloud.account.variables,
        **cloud.permissions.variables(configuration.role, FUNCTIONS),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(configuration.asset),
    }
    log: list[str] = []
    function = Function(replace(configuration, variables=variables), log.append)
    put_site(cloud.bucket, tmp_path / "put")
    yield Dispatching(cloud, function, log)
    function.stop()


# Grants of the dispatcher's role that are judged here; the others are for what AWS does for it: log, receive, and keep
# what is lost. Which jobs and queues it may submit to is in the test below.
JUDGED = ("s3:", "sns:", "batch:ListJobs", "batch:DescribeJobs")


def test_the_dispatcher_needs_each_grant_of_its_role(dispatching: Dispatching, cloud: Cloud) -> None:
    assert dispatching.carry_through(), dispatching.log
    role = cloud.role("DispatcherRole")
    superfluous = []
    for grant in cloud.grants(role):
        if grant[0].startswith(JUDGED):
            with cloud.without(role, grant):
                if dispatching.carry_through():
                    superfluous.append(grant)
    assert superfluous == []
    assert dispatching.carry_through(), dispatching.log


def test_the_dispatcher_submits_what_it_is_told_of_and_nothing_else(dispatching: Dispatching, cloud: Cloud) -> None:
    variables = dispatching.function.configuration.variables
    told = [one["definition"] for one in json.loads(variables["JOB_TYPES"]).values()]
    role = cloud.role("DispatcherRole")
    granted = [on for action, on in cloud.grants(role) if action == "batch:SubmitJob"]
    assert sorted(on for on in granted if "job-definition" in on) == sorted(told)
    batch = cloud.permissions.client("batch", cloud.arn(role))
    queue = cloud.stack.outputs["BatchJobQueueARN"]
    for definition in told:
        assert batch.submit_job(jobName="one", jobQueue=queue, jobDefinition=definition)["jobId"]
        with cloud.without(role, ("batch:SubmitJob", definition)), pytest.raises(ClientError, match="SubmitJob"):
            batch.submit_job(jobName="one", jobQueue=queue, jobDefinition=definition)


def test_a_role_is_assumed_by_the_service_that_it_trusts_alone(cloud: Cloud) -> None:
    with pytest.raises(LocalCloudError, match="which is to assume it"):
        cloud.permissions.variables(cloud.arn(cloud.role("Jobmakereport")), FUNCTIONS)
