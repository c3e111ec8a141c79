"""A Batch queue and a bucket on moto's server, for the dispatcher to work on."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.batch.models import batch_backends
from moto.core.config import default_user_config
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from cellpainting.storage import S3Storage
from settings import Settings
from submission import Dispatcher

REGION = "us-east-1"


@pytest.fixture
def session() -> Iterator[Any]:
    """A Batch queue and definition whose jobs succeed at once, and a bucket, on moto's server."""
    default_user_config["batch"] = {"use_docker": False}
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    session = boto3.Session("local", "local", region_name=REGION)
    yield lambda service: session.client(service, endpoint_url=f"http://{host}:{port}")
    for backends in (batch_backends, s3_backends, iam_backends):
        backends.reset()
    server.stop()


@pytest.fixture
def dispatcher(session: Any) -> Dispatcher:
    iam, batch, s3 = session("iam"), session("batch"), session("s3")
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="cpus", type="UNMANAGED", state="ENABLED", serviceRole=role
    )["computeEnvironmentArn"]
    queue = batch.create_job_queue(
        jobQueueName="work",
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
    )["jobQueueArn"]
    definition = batch.register_job_definition(
        jobDefinitionName="cellprofiler",
        type="container",
        containerProperties={"image": "x", "vcpus": 1, "memory": 1024, "command": ["run", "Ref::request"]},
    )["jobDefinitionArn"]
    s3.create_bucket(Bucket="data")
    settings = Settings("data", (queue,), {"cellprofiler": definition})
    return Dispatcher(settings, S3Storage("data", s3), batch)
