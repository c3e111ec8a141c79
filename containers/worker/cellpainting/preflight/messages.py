"""Requests on their way to the queue: as few messages as SQS takes, each sent as it was written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cellpainting.errors import InvalidRequest, StorageUnavailable
from cellpainting.jobs.run_record import RunRecord

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES = 1_048_576  # SQS's own limit, since 2025
BRACKETS = "[]"


@dataclass(frozen=True)
class Message:
    """One message body and the runs that it asks for."""

    body: str
    run_ids: tuple[str, ...]


def divide(body: str, records: Sequence[RunRecord]) -> list[Message]:
    """The body as it is or, when SQS would not take it, its list divided into several.

    Raises
    ------
    InvalidRequest
        If a single request is too large.
    """
    if _size(body) <= MAX_MESSAGE_BYTES:
        return [Message(body, tuple(record.run_id for record in records))]
    return list(_divided(records))


def send(messages: Sequence[Message], queue_url: str, client: "SQSClient | None" = None) -> Iterator[Message]:
    """Send one message after the other; yields each when the queue has it.

    Raises
    ------
    InvalidRequest
        If the queue refuses it.
    StorageUnavailable
        If the queue cannot be reached.
    """
    try:
        sqs: SQSClient = client or boto3.client("sqs")
        for message in messages:
            sqs.send_message(QueueUrl=queue_url, MessageBody=message.body)
            yield message
    except ClientError as error:
        raise InvalidRequest(
            f"the queue {queue_url!r} does not take the message: {error.response['Error']['Message']}; "
            "correct --queue-url, or ask for the permission sqs:SendMessage"
        ) from error
    except BotoCoreError as error:
        raise StorageUnavailable(
            f"the queue {queue_url!r} cannot be reached: {error}; check region, credentials and network, and try again"
        ) from error


def _divided(records: Sequence[RunRecord]) -> Iterator[Message]:
    members: list[str] = []
    run_ids: list[str] = []
    size = 0
    for record in records:
        text = json.dumps(dict(record.document), ensure_ascii=False)
        _require_sendable(record.run_id, text)
        if members and size + _size(text) + len(BRACKETS) > MAX_MESSAGE_BYTES:
            yield _list_of(members, run_ids)
            members, run_ids, size = [], [], 0
        members.append(text)
        run_ids.append(record.run_id)
        size += _size(text) + len(BRACKETS)  # each has a comma and a space, or a bracket, of its own
    yield _list_of(members, run_ids)


def _require_sendable(run_id: str, text: str) -> None:
    if _size(text) > MAX_MESSAGE_BYTES - len(BRACKETS):
        raise InvalidRequest(
            f"the request of run {run_id} has {_size(text):,} bytes, a message takes {MAX_MESSAGE_BYTES:,}; divide its "
            "groups among several requests with an 'output' each, or leave them out if they are all of the load data"
        )


def _list_of(members: Sequence[str], run_ids: Sequence[str]) -> Message:
    return Message(f"[{', '.join(members)}]", tuple(run_ids))


def _size(text: str) -> int:
    return len(text.encode())
