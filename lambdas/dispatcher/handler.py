"""The dispatcher Lambda: per record parse, plan, submit; the records that failed go back to the queue.

A record that fails is received again until the queue moves it to the dead-letter queue; nothing is deleted here.
"""

import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from cellpainting.errors import CellPaintingError, InvalidRequest
from cellpainting.jobs import RunRecord, parse_message
from cellpainting.jobs.run_record import rejected_key
from cellpainting.storage import S3Storage
from settings import Settings
from submission import Dispatcher

# A message of 1 MiB holds thousands of requests, each a few calls to S3: too many to make one after the other.
DISPATCHERS = 16
SETTINGS = Settings.from_environment()
DISPATCHER = Dispatcher(SETTINGS, S3Storage(SETTINGS.bucket))


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Carry out the messages of one event and name those that failed (partial batch response)."""
    failed = [record["messageId"] for record in event["Records"] if not _is_dispatched(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _is_dispatched(record: dict[str, Any]) -> bool:
    message_id = record["messageId"]
    try:
        runs = _checked_runs(record)
        with ThreadPoolExecutor(DISPATCHERS) as dispatchers:
            list(dispatchers.map(partial(_dispatch, message_id), runs))
    except CellPaintingError as error:
        _log(message_id, level="ERROR", reason=str(error))
        return False
    except Exception:  # one record's surprise must not take the others of its batch with it
        _log(message_id, level="ERROR", reason=traceback.format_exc())
        return False
    return True


def _dispatch(message_id: str, run: RunRecord) -> None:
    _log(message_id, run=run.run_id, outcome=DISPATCHER.dispatch(run, message_id))


def _checked_runs(record: dict[str, Any]) -> tuple[RunRecord, ...]:
    try:
        runs = parse_message(record["body"])
        with ThreadPoolExecutor(DISPATCHERS) as checkers:
            list(checkers.map(DISPATCHER.check, runs))
    except InvalidRequest as error:
        document = {"message_id": record["messageId"], "reason": str(error), "body": record["body"]}
        DISPATCHER.storage.write(rejected_key(record["messageId"]), json.dumps(document, indent=1).encode())
        raise
    return runs


def _log(message_id: str, *, level: str = "INFO", **values: str) -> None:
    print(json.dumps({"level": level, "message_id": message_id, **values}), flush=True)
