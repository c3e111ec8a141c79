"""The cause of a job's end is read from what Batch says of it."""

from typing import Any

import pytest

from cellpainting.dispatch.ended_job import Ending
from cellpainting.ledger import Cause

EXITED = "Essential container in task exited"
STARTED = 1_700_000_000_000


def job(exit_code: int | None, reason: str, container_reason: str | None = None, started: int = STARTED) -> Any:
    return {
        "startedAt": started,
        "statusReason": reason,
        "container": {"exitCode": exit_code, "reason": container_reason},
    }


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        (job(137, EXITED, "OutOfMemoryError: Container killed due to memory usage"), Cause.OUT_OF_MEMORY),
        (job(137, EXITED), Cause.OUT_OF_MEMORY),
        (job(137, "Host EC2 (instance i-0) terminated."), Cause.MACHINE_LOST),
        (job(137, "Job attempt duration exceeded timeout"), Cause.TIMEOUT),
        (job(75, EXITED), Cause.STORAGE_UNAVAILABLE),
        (job(143, EXITED), Cause.MACHINE_LOST),
        (job(1, EXITED), Cause.NOT_RUN),
        (job(2, EXITED), Cause.NOT_RUN),
        (job(None, "Terminated by the user", started=0), Cause.NOT_RUN),
        ({"startedAt": STARTED}, Cause.MACHINE_LOST),
    ],
)
def test_cause_is_what_the_host_did_before_what_that_did_to_the_container(ended: Any, cause: Cause) -> None:
    assert Ending.of(ended).cause == cause


def test_reason_says_all_that_batch_says() -> None:
    said = str(Ending.of(job(137, EXITED, "OutOfMemoryError: Container killed due to memory usage")))
    assert (
        said == f"the job ended with exit status 137: OutOfMemoryError: Container killed due to memory usage; {EXITED}"
    )
    assert "its log says why" in str(Ending.of(job(2, EXITED)))
    assert str(Ending.of({})) == "the job ended without an exit status: Batch gives no reason"
