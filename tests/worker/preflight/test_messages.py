"""Requests become as few messages as SQS takes, and every one of them is a message that the dispatcher reads."""

import json

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.jobs import RunRecord, parse_message
from cellpainting.preflight.messages import MAX_MESSAGE_BYTES, divide
from tests.worker.preflight.plates import REQUEST, record_of


def body_of(records: list[RunRecord]) -> str:
    return json.dumps([dict(record.document) for record in records])


def with_groups(count: int, number: int = 0) -> RunRecord:
    """A request of so many groups, 24 bytes each."""
    return record_of(output=f"r{number}", groups=[{"Metadata_Well": f"{one:06}"} for one in range(count)])


def test_what_fits_is_sent_as_it_was_written() -> None:
    body = f"  {json.dumps(REQUEST, indent=8)}\n"
    (message,) = divide(body, parse_message(body))
    assert message.body == body
    assert message.run_ids == (record_of().run_id,)


def test_a_list_that_is_too_large_becomes_several_lists_with_every_request_once() -> None:
    records = [with_groups(8_000, number) for number in range(12)]
    messages = divide(body_of(records), records)
    assert 2 < len(messages) < 6
    assert all(len(message.body.encode()) <= MAX_MESSAGE_BYTES for message in messages)
    read = [record for message in messages for record in parse_message(message.body)]
    assert [record.run_id for record in read] == [record.run_id for record in records]
    assert [run_id for message in messages for run_id in message.run_ids] == [record.run_id for record in records]


def test_members_that_just_fit_stay_together() -> None:
    records = [record_of(output="x" * 200 + str(number)) for number in range(4_000)]
    messages = divide(body_of(records), records)
    assert len(messages) == -(-len(body_of(records)) // MAX_MESSAGE_BYTES)
    assert all(len(message.body.encode()) <= MAX_MESSAGE_BYTES for message in messages)


def test_a_single_request_that_is_too_large_is_refused_by_name() -> None:
    record = with_groups(50_000)
    with pytest.raises(InvalidRequest, match=rf"{record.run_id} has 1,\d+,\d+ bytes"):
        divide(body_of([record]), [record])
