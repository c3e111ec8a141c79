"""A Batch queue and a bucket on moto's server, for the dispatcher to work on."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.batch.models import batch_backends
from moto.core.config import default_user_config
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.jobs import RunRecord, parse_message
from cellpainting.jobs.message import JOB_TYPES
from cellpainting.storage import S3Storage
from dispatcher import Dispatcher
from job_ends import JobEnds
from notices import Notices
from settings import JobType, Settings
from tests.worker.planning.conftest import HEADER, LOAD_DATA, MODULE

ACCOUNT, REGION = "123456789012", "us-east-1"
VERSION = "4.2.8.1"
PIPELINE = HEADER.format(count=1) + MODULE.format(
    name="LoadData", number=1, revision=6, settings=LOAD_DATA.format(is_grouped="No", keys="")
)
FOLDER_REQUEST = {"pipeline": "p/x.cppipe", "input": "p/images/", "output": "p/results/"}
BACKEND_REQUEST = {
    "job_type": "build_backend",
    "analysis": "p/analysis",
    "output": "p/backend",
    "batch": "B1",
    "plate": "P1",
}
PROFILES_REQUEST = {"job_type": "make_profiles", "config": "p/config_files/plates.yml"}
PAGE_REQUEST = {"job_type": "make_report", "plate": "P1", "runs": ["plate-1"], "output": "p/P1.html"}
PLATE_REQUEST = {"pipeline": "p/plate.cppipe", "load_data": "p/load_data.csv", "output": "p/results/"}


def run_of(**fields: Any) -> RunRecord:
    """The published request, with other fields."""
    return parse_message(json.dumps({**FOLDER_REQUEST, **fields}))[0]


def plate_of(**fields: Any) -> RunRecord:
    """A request over load data, with other fields."""
    return parse_message(json.dumps({**PLATE_REQUEST, **fields}))[0]


def backend_of(**fields: Any) -> RunRecord:
    """A request for the backend of a plate, with other fields."""
    return parse_message(json.dumps({**BACKEND_REQUEST, **fields}))[0]


def profiles_of(**fields: Any) -> RunRecord:
    """A request for the profiles of a configuration, with other fields."""
    return parse_message(json.dumps({**PROFILES_REQUEST, **fields}))[0]


def page_of(**fields: Any) -> RunRecord:
    """A request for the page about a plate, with other fields."""
    return parse_message(json.dumps({**PAGE_REQUEST, **fields}))[0]


def load_data_of(image_sets: int, plate: str = "P1") -> bytes:
    """Load data of wells of one site each."""
    lines = ["Metadata_Plate,Metadata_Well,Metadata_Site,URL_OrigDNA"]
    lines += [f"{plate},W{number:05},1,s3://data/p/images/{number}.tif" for number in range(image_sets)]
    return "\n".join(lines).encode()


class Cloud:
    """What the dispatcher works on, and what it did there."""

    def __init__(self, dispatcher: Dispatcher, batch: Any, sns: Any) -> None:
        self.dispatcher = dispatcher
        self.storage = dispatcher.storage
        self.batch = batch
        notices = Notices(dispatcher.storage, dispatcher.settings.runs_topic, sns)
        self.ends = JobEnds(dispatcher, BatchJobs(batch), notices)

    def dispatch(self, run: RunRecord, message_id: str, *, is_planned_here: bool = True) -> str:
        """What the handler does with one request."""
        decision = self.dispatcher.decide(run, message_id, is_planned_here=is_planned_here)
        return self.dispatcher.carry_out(decision)

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that Batch was given, array children left out."""
        ids = [job_id for job_id in batch_backends[ACCOUNT][REGION]._jobs if ":" not in job_id]
        return list(self.batch.describe_jobs(jobs=ids)["jobs"]) if ids else []

    def overrides(self, job_id: str) -> dict[str, Any]:
        """What a job was given instead of its definition's own."""
        return dict(batch_backends[ACCOUNT][REGION]._jobs[job_id].container_overrides)

    def set_status(self, job_id: str, status: str, exit_code: int | None = None, reason: str = "") -> None:
        """End a job, or bring it back to life."""
        job = batch_backends[ACCOUNT][REGION]._jobs[job_id]
        job.status, job.exit_code, job.job_stopped_reason = status, exit_code, reason

    def detail(self, job: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """The detail of the event of an ended job."""
        return {**self.batch.describe_jobs(jobs=[job["jobId"]])["jobs"][0], **changed}


def environment_of(cloud: Cloud, endpoint_url: str) -> dict[str, str]:
    """The variables that the deployment gives the function, and those that lead it to a server."""
    settings = cloud.dispatcher.settings
    return {
        "BUCKET": "data",
        "JOB_QUEUES": json.dumps(settings.job_queues),
        "ON_DEMAND_QUEUE": settings.on_demand_queue,
        "JOB_TYPES": json.dumps({name: asdict(job_type) for name, job_type in settings.job_types.items()}),
        "RUNS_TOPIC": settings.runs_topic,
        "MAX_MEMORY_MIB": str(settings.max_memory_mib),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
    }


@pytest.fixture(scope="module")
def client(moto_url: str) -> Any:
    """Makes the client of a service, once: that takes longer than many a test."""
    session = boto3.Session("local", "local", region_name=REGION)
    return cache(lambda service: session.client(service, endpoint_url=moto_url))


@pytest.fixture
def session(client: Any) -> Iterator[Any]:
    """Clients of an empty account on moto's server, in whose Batch jobs succeed at once."""
    default_user_config["batch"] = {"use_docker": False}
    yield client
    for backends in (batch_backends, s3_backends, iam_backends, sns_backends, sqs_backends):
        backends.reset()


@pytest.fixture
def cloud(session: Any, tmp_path: Path) -> Cloud:
    iam, batch, s3 = session("iam"), session("batch"), session("s3")
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="cpus", type="UNMANAGED", state="ENABLED", serviceRole=role
    )["computeEnvironmentArn"]
    queue, on_demand = [
        batch.create_job_queue(
            jobQueueName=name,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
        )["jobQueueArn"]
        for name in ("work", "on-demand")
    ]
    definitions = {
        name: batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={"image": "x", "vcpus": 1, "memory": 4096, "command": ["run", "Ref::request"]},
        )["jobDefinitionArn"]
        for name in ("cellprofiler", "profiling", "starfish")
    }
    s3.create_bucket(Bucket="data")
    storage = S3Storage("data", s3)
    storage.write("p/x.cppipe", b"the text of a pipeline")
    storage.write("p/images/1.tif", b"image")
    storage.write("p/plate.cppipe", PIPELINE.encode())
    storage.write("p/load_data.csv", load_data_of(3))
    versions = {"cellprofiler": VERSION, "profiling": "", "starfish": "0.3.4"}
    job_types = {
        name: JobType(definitions[job.runtime], vcpus=1, memory_mib=4096, version=versions[job.runtime])
        for name, job in JOB_TYPES.items()
    }
    sns = session("sns")
    topic = sns.create_topic(Name="runs")["TopicArn"]
    settings = Settings("data", (queue, on_demand), on_demand, job_types, topic, max_memory_mib=10_000)
    return Cloud(Dispatcher(settings, storage, BatchJobs(batch)), batch, sns)
