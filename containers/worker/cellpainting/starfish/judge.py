"""What became of a field of view, from how the process of the recipe ended and what it says of itself."""

import signal

from cellpainting.ledger import Cause, ImageSet, Outcome, State
from cellpainting.starfish.confined import Ended, Limits


def judge(image_set: ImageSet, ended: Ended, limits: Limits, what: str) -> Outcome:
    """Done, if the process of `what` ended by itself, with status 0, and says how many spots there are."""
    spots = ended.report.get("spots")
    if ended.status == 0 and isinstance(spots, int) and spots >= 0:
        return Outcome(image_set, State.DONE if spots else State.NO_CELLS)
    cause, reason = _failure(ended, limits, what)
    return Outcome(image_set, State.FAILED, reason, cause)


def _failure(ended: Ended, limits: Limits, what: str) -> tuple[Cause, str]:
    if ended.is_timed_out:
        reason = f"{what} was stopped after timeout_s={limits.timeout_s:g} seconds; raise timeout_s"
        return Cause.TIMEOUT, reason
    had = f"it had {limits.data_mib} MiB, those of the job less the worker's own; raise job_memory"
    error = ended.report.get("error")
    if isinstance(error, str):
        if ended.report.get("is_out_of_memory"):
            return Cause.OUT_OF_MEMORY, f"{what} ran out of memory ({error}): {had}"
        return Cause.PIPELINE_ERROR, f"{what} failed: {error}"
    if ended.status == -signal.SIGKILL:
        return Cause.OUT_OF_MEMORY, f"{what} was killed from outside, most often for lack of memory: {had}"
    how = signal.Signals(-ended.status).name if ended.status < 0 else f"status {ended.status}"
    return Cause.PIPELINE_ERROR, f"the process of {what} ended with {how} and gave no result; see the log"
