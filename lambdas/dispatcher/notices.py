"""Tells a topic of each run that has come to an end: one message for each conclusion, whatever comes twice or dies."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from cellpainting.jobs import MakeReport, RunRecord, parse_job
from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Ledger, State
from cellpainting.ledger.staged_ledger import StagedLedger, StageState
from cellpainting.storage import Storage

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MOST_IN_SUBJECT = 99  # characters of ASCII, which is all that SNS takes
MOST_IN_LINE = 300  # characters of a reason, which may quote a log
MOST_LISTED = 10  # stages, or pages, of a run that may have hundreds
RETRIES = Config(retries={"mode": "standard", "max_attempts": 4})


@dataclass(frozen=True)
class Notice:
    """What people are told: `conclusion` is what no other end of the run has in common with this one."""

    conclusion: str
    told: str
    lines: tuple[str, ...]
    is_complete: bool

    def subject(self, run_id: str) -> str:
        """The subject; of a long name the end is left out, not of what is told."""
        most = MOST_IN_SUBJECT - len(f"Run : {self.told}")
        return f"Run {run_id if len(run_id) <= most else run_id[: most - 3] + '...'}: {self.told}"


class Notices:
    """Sends notices, and keeps in each run's record which were sent."""

    def __init__(self, storage: Storage, topic: str, sns: "SNSClient | None" = None) -> None:
        self._storage = storage
        self._topic = topic
        self._sns: SNSClient = sns or boto3.client("sns", config=RETRIES)

    def tell(self, run: RunRecord, ledger: Ledger) -> str:
        """Tell how a run has ended, unless that was told, and say in a sentence whether it was.

        Raises
        ------
        ClientError
            If SNS does not take it: the event that led here is to come again.
        """
        done, planned = sum(ledger.counts[state] for state in State if state.is_success), len(ledger.outcomes)
        conclusion = hashlib.sha256(json.dumps(ledger.summary).encode()).hexdigest()[:16]
        lines = tuple(self._lines(run, ledger))
        return self._tell(run, Notice(conclusion, f"{done} of {planned} image sets done", lines, ledger.is_complete))

    def tell_uncounted(self, run: RunRecord, planned: int, job_id: str) -> str:
        """The same of a run that is too large to be counted here, by the last of its jobs."""
        lines = (f"All its jobs have ended. 'cpb status {run.run_id}' counts its {planned} image sets.",)
        return self._tell(run, Notice(job_id, f"all jobs of {planned} image sets have ended", lines, is_complete=False))

    def _tell(self, run: RunRecord, notice: Notice) -> str:
        """Publish under a record that only one caller can create; the next one is for another try after a failure."""
        for number in count():
            key = run.keys.notice(notice.conclusion, number)
            if self._storage.create(key, _record(failure="")):
                break
            if not json.loads(self._storage.read(key))["failure"]:
                return "its notice was sent before"
        try:
            self._publish(run, notice)
        except Exception as error:
            self._storage.write(key, _record(failure=str(error)))
            raise
        return "its notice was sent"

    def _publish(self, run: RunRecord, notice: Notice) -> None:
        self._sns.publish(
            TopicArn=self._topic,
            Subject=notice.subject(run.run_id),
            Message="\n".join((f"Run {run.run_id} has come to an end: {notice.told}.", "", *notice.lines)),
            # By which a subscription can choose, such as only those that are not complete.
            MessageAttributes={
                "run": {"DataType": "String", "StringValue": run.run_id},
                "complete": {"DataType": "String", "StringValue": str(notice.is_complete).lower()},
            },
        )

    def _lines(self, run: RunRecord, ledger: Ledger) -> Iterator[str]:
        """Counts, what is not complete, and where to read more."""
        for title, counted in (("States", ledger.counts), ("Causes", ledger.causes)):
            if told := ", ".join(f"{number} {name}" for name, number in counted.items() if number):
                yield f"{title}: {told}"
        if ledger.planning_failure:
            yield f"It could not be planned: {ledger.planning_failure}"[:MOST_IN_LINE]
        if isinstance(ledger, StagedLedger):
            yield from _stage_lines(ledger)
        yield f"Ledger: {self._storage.uri(run.keys.ledger)}"
        yield f"Summary: {self._storage.uri(run.keys.summary)}"
        yield from (f"Page: {self._storage.uri(page)}" for page in self._pages(run, ledger))
        if not ledger.is_complete:
            yield f"What is worth sending again: cpb redrive {run.run_id}"

    def _pages(self, run: RunRecord, ledger: Ledger) -> Iterator[str]:
        """The keys of the pages that the run has made."""
        if isinstance(run.job, MakeReport) and ledger.is_complete:
            yield run.job.output
        stages = ledger.stages if isinstance(ledger, StagedLedger) else ()
        made = [one.stage.run_id for one in stages if one.stage.name == "report" and one.state is StageState.COMPLETE]
        for run_id in made[:MOST_LISTED]:
            job = parse_job(json.loads(self._storage.read(RunKeys(run_id).request)))
            if isinstance(job, MakeReport):
                yield job.output


def _stage_lines(ledger: StagedLedger) -> Iterator[str]:
    left = [one for one in ledger.stages if one.state is not StageState.COMPLETE]
    for one in left[:MOST_LISTED]:
        yield f"Stage {one.stage.label}: {one.state}: {next(one.problems, 'no reason is known')}"[:MOST_IN_LINE]
    if len(left) > MOST_LISTED:
        yield f"... and {len(left) - MOST_LISTED} more stages that are not complete"


def _record(*, failure: str) -> bytes:
    return json.dumps({"failure": failure}).encode()
