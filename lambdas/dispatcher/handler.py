"""The dispatcher Lambda. Messages of the queue: parse, plan, submit; those that failed go back to the queue, which
moves them to the dead-letter queue in the end. Events of Batch: what follows from the end of a job.
"""

import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from cellpainting.dispatch.batch_jobs import BatchJobs
from cellpainting.errors import CellPaintingError, InvalidRequest, MissingInput
from cellpainting.jobs import parse_message
from cellpainting.jobs.run_record import rejected_key
from cellpainting.storage import S3Storage
from dispatcher import Decision, Dispatcher
from job_ends import JobEnds
from notices import Notices
from settings import Settings

# A message of 1 MiB holds thousands of requests, each a few calls to S3: too many to make one after the other.
DISPATCHERS = 16
SETTINGS = Settings.from_environment()
JOBS = BatchJobs()
DISPATCHER = Dispatcher(SETTINGS, S3Storage(SETTINGS.bucket), JOBS)
JOB_ENDS = JobEnds(DISPATCHER, JOBS, Notices(DISPATCHER.storage, SETTINGS.runs_topic))


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]] | None:
    """Carry out the messages of one event and name those that failed, or follow the end of one job.

    An event of Batch that fails is received again: the function raises.
    """
    if "Records" not in event:
        detail = event["detail"]
        outcome = JOB_ENDS.follow(detail)
        _log(run=JOB_ENDS.run_id(detail), job=detail["jobName"], job_id=detail["jobId"], outcome=outcome)
        return None
    failed = [record["messageId"] for record in event["Records"] if not _is_dispatched(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _is_dispatched(record: dict[str, Any]) -> bool:
    message_id = record["messageId"]
    try:
        with ThreadPoolExecutor(DISPATCHERS) as dispatchers:
            outcomes = dispatchers.map(DISPATCHER.carry_out, decisions := _decide(record))
            for decision, outcome in zip(decisions, outcomes, strict=True):
                _log(message_id=message_id, run=decision.run.run_id, outcome=outcome)
    except CellPaintingError as error:
        _log(level="ERROR", message_id=message_id, reason=str(error))
        return False
    except Exception:  # one record's surprise must not take the others of its batch with it
        _log(level="ERROR", message_id=message_id, reason=traceback.format_exc())
        return False
    return True


def _decide(record: dict[str, Any]) -> list[Decision]:
    """Find out what is to be done for all requests of a message, before anything is done for one."""
    message_id = record["messageId"]
    try:
        runs = parse_message(record["body"])
        with ThreadPoolExecutor(DISPATCHERS) as checkers:
            list(checkers.map(DISPATCHER.check, runs))
            here = DISPATCHER.planned_here(runs)
            return list(
                checkers.map(lambda run: DISPATCHER.decide(run, message_id, is_planned_here=run.run_id in here), runs)
            )
    except (InvalidRequest, MissingInput) as error:
        document = {"message_id": message_id, "reason": str(error), "body": record["body"]}
        DISPATCHER.storage.write(rejected_key(message_id), json.dumps(document, indent=1).encode())
        raise


def _log(*, level: str = "INFO", **values: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(json.dumps({"time": now, "level": level, **values}), flush=True)
