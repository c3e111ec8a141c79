"""`cpb starfish-workflow` has the published options, and sends one message to a queue on moto's server."""

import json
import os
import subprocess
from typing import Any

import boto3
import pytest

from cellpainting.jobs import parse_message

PUBLISHED = (
    "--experiment-url=s3://data/iss/experiment.json",
    "--num-fovs=2",
    "--recipe-location=s3://data/iss/recipe.py",
    "--results-bucket=s3://data/iss/results/",
)
REQUEST = {
    "job_type": "process_fovs",
    "experiment_url": "iss/experiment.json",
    "recipe": "iss/recipe.py",
    "results": "iss/results/",
    "num_fovs": 2,
}


def queues(moto_url: str) -> Any:
    """SQS on moto's server."""
    return boto3.Session("local", "local", region_name="us-east-1").client("sqs", endpoint_url=moto_url)


@pytest.fixture
def variables(moto_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """With which `cpb` finds a queue of the test's own."""
    access = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
    queue_url = queues(moto_url).create_queue(QueueName=request.node.originalname[:70])["QueueUrl"]
    return {**access, "AWS_ENDPOINT_URL": moto_url, "AWS_BUCKET": "data", "SQS_URL": queue_url}


def workflow(variables: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **variables}
    return subprocess.run(
        ["cpb", "starfish-workflow", *options], check=False, capture_output=True, text=True, env=environment
    )


def received(variables: dict[str, str]) -> list[str]:
    messages = (
        queues(variables["AWS_ENDPOINT_URL"])
        .receive_message(QueueUrl=variables["SQS_URL"], MaxNumberOfMessages=10)
        .get("Messages", [])
    )
    return [message["Body"] for message in messages]


def test_published_options_become_one_message_in_which_the_own_bucket_s_places_are_keys(
    variables: dict[str, str],
) -> None:
    ended = workflow(variables, *PUBLISHED)
    assert ended.returncode == 0, ended.stderr
    (body,) = received(variables)
    assert json.loads(body) == REQUEST
    assert ended.stdout.split() == [run.run_id for run in parse_message(body)]


def test_an_experiment_elsewhere_and_a_queue_are_handed_on(variables: dict[str, str]) -> None:
    elsewhere = "--experiment-url=s3://spacetx.starfish.data.public/iss/experiment.json"
    ended = workflow(variables, elsewhere, *PUBLISHED[2:], "--job-queue=batch-cpb-queue")
    assert ended.returncode == 0, ended.stderr
    (body,) = received(variables)
    request = json.loads(body)
    assert request["experiment_url"] == "s3://spacetx.starfish.data.public/iss/experiment.json"
    assert request["job_queue"] == "batch-cpb-queue"
    assert "num_fovs" not in request


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--experiment-url=https://example.org/experiment.json", *PUBLISHED[1:]), "copy it to the bucket"),
        ((*PUBLISHED[:2], "--recipe-location=s3://other/recipe.py", PUBLISHED[3]), "leave out the scheme"),
        ((*PUBLISHED[:3], "--results-bucket=s3://data/"), "field 'results'"),
    ],
)
def test_what_no_run_could_use_is_refused_and_nothing_is_sent(
    variables: dict[str, str], options: tuple[str, ...], told: str
) -> None:
    ended = workflow(variables, *options)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert received(variables) == []


def test_without_a_queue_nothing_is_sent(variables: dict[str, str]) -> None:
    ended = workflow({**variables, "SQS_URL": ""}, *PUBLISHED)
    assert ended.returncode == 2
    assert "which queue?" in ended.stderr
