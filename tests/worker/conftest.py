"""A queue for the commands that send."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.sqs.models import sqs_backends


@pytest.fixture
def queue(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """A queue on moto's server, named by the environment; gives the requests that were sent to it."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="requests")["QueueUrl"]
    monkeypatch.setenv("SQS_URL", url)
    yield lambda: [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=url).get("Messages", [])]
    sqs_backends.reset()
