"""The stages of plates share the budget of their run: they wait for each other, stop together and go on together."""

import json
from typing import Any

import pytest

from cellpainting.cost.prices import shipped_prices
from cellpainting.dispatch.submission import read_submission
from cellpainting.jobs.run_record import RunKeys, RunRecord
from cellpainting.ledger import read_ledger
from cellpainting.ledger.staged_ledger import StagedLedger, StageState
from job_ends import JobEnds
from tests.conftest import LOAD_DATA_PIPELINE
from tests.lambdas.conftest import Cloud
from tests.lambdas.test_budget import do
from tests.lambdas.test_stages import (
    CHAIN,
    ILLUMINATION,
    RUN,
    WELLS,
    blocked,
    do_all,
    do_stage,
    end,
    new_jobs,
    put_plates,
    record_of,
    request,
    waits_for,
)

USD_PER_S = shipped_prices().on_demand.usd / 3600
SLOW_S = 400  # of a shard of the analysis, of which a default says 101
ONE_LEFT_OUT = 2.6 * SLOW_S * USD_PER_S  # for two of three shards, and all else


def limited(**fields: Any) -> RunRecord:
    """A request whose shards take what they take by CellProfiler's own means."""
    return request(accelerate=False, **fields)


@pytest.fixture
def plates(cloud: Cloud) -> Cloud:
    put_plates(cloud, "P1")
    cloud.storage.write("p/illum.cppipe", ILLUMINATION)
    cloud.storage.write("p/analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes())
    rows = ("well_position\ttreatment", *(f"{well}\tx" for well in WELLS))
    cloud.storage.write("p/platemap.txt", "\n".join(rows).encode())
    return cloud


@pytest.fixture
def ends(plates: Cloud) -> JobEnds:
    return plates.ends


def states(cloud: Cloud) -> dict[str, StageState]:
    ledger = read_ledger(cloud.storage, RUN)
    assert isinstance(ledger, StagedLedger)
    return {f"{one.stage.plate}--{one.stage.name}": one.state for one in ledger.stages}


def end_analysis(cloud: Cloud, ends: JobEnds, job: dict[str, Any], number: int, plate: str = "P1") -> None:
    """Let a submission of the analysis end, each shard of which was slow."""
    run = record_of(cloud, "analysis", plate)
    for shard in read_submission(run.keys, number, cloud.storage).shard_numbers:
        do(cloud, run, shard, SLOW_S)
    end(cloud, ends, job)


def spend(cloud: Cloud, ends: JobEnds) -> None:
    """Let a plate use up a budget that one shard of its analysis is too many for."""
    cloud.dispatch(limited(budget_usd=ONE_LEFT_OUT), "m1")
    first = new_jobs(cloud)
    do_stage(cloud, "illumination")
    end(cloud, ends, first["P1--illumination"])
    for number, job in enumerate((first["P1--analysis"], None)):
        end_analysis(cloud, ends, job or new_jobs(cloud, 2)["P1--analysis"], number)


class TestOnePlate:
    def test_a_budget_that_is_ample_is_not_felt(self, plates: Cloud) -> None:
        plates.dispatch(limited(budget_usd=1), "m1")
        assert len(new_jobs(plates)) == len(CHAIN)

    def test_a_part_of_the_analysis_goes_first_and_nothing_after_it(self, plates: Cloud) -> None:
        plates.dispatch(limited(budget_usd=ONE_LEFT_OUT), "m1")
        jobs = new_jobs(plates)
        assert list(jobs) == ["P1--illumination", "P1--analysis"]
        assert waits_for(plates, jobs["P1--analysis"]) == {"P1--illumination"}
        assert read_submission(record_of(plates, "analysis").keys, 0, plates.storage).shard_numbers == (0,)
        assert "waits for what the budget of the run has left" in blocked(plates, "backend")
        assert "waits for what the budget of the run has left" in blocked(plates, "report")

    def test_the_end_of_an_earlier_stage_does_not_submit_them_either(self, plates: Cloud, ends: JobEnds) -> None:
        plates.dispatch(limited(budget_usd=ONE_LEFT_OUT), "m1")
        jobs = new_jobs(plates)
        do_stage(plates, "illumination")
        end(plates, ends, jobs["P1--illumination"])
        assert len(plates.jobs) == 2

    def test_when_it_is_used_up_the_page_is_made_and_the_rest_accounted_for(
        self,
        plates: Cloud,
        ends: JobEnds,
    ) -> None:
        spend(plates, ends)
        (last,) = new_jobs(plates, 3).items()
        assert last[0] == "P1--report"
        do_stage(plates, "report")
        assert "nothing of this run is left" in end(plates, ends, last[1])
        summary = json.loads(plates.storage.read(RunKeys(RUN).summary))
        assert (summary["states"]["done"], summary["causes"]) == (2, {"budget": 1})
        stage = json.loads(plates.storage.read(record_of(plates, "analysis").keys.summary))
        assert stage["causes"] == {"budget": 1}
        assert states(plates) == {
            "P1--illumination": StageState.COMPLETE,
            "P1--analysis": StageState.INCOMPLETE,
            "P1--backend": StageState.BLOCKED,
            "P1--profiles": StageState.BLOCKED,
            "P1--report": StageState.COMPLETE,
        }
        assert read_ledger(plates.storage, RUN).is_over

    def test_with_a_larger_budget_the_rest_is_done_and_all_that_follows(self, plates: Cloud, ends: JobEnds) -> None:
        spend(plates, ends)
        (report,) = new_jobs(plates, 3).values()
        do_stage(plates, "report")
        end(plates, ends, report)
        before = len(plates.jobs)
        plates.dispatch(limited(budget_usd=1), "m2")
        jobs = new_jobs(plates, before)
        assert list(jobs) == [f"P1--{stage}" for stage in CHAIN[1:]]
        number = 2
        assert read_submission(record_of(plates, "analysis").keys, number, plates.storage).shard_numbers == (2,)
        end_analysis(plates, ends, jobs["P1--analysis"], number)
        do_all(plates, ends, {name: job for name, job in jobs.items() if name != "P1--analysis"})
        assert read_ledger(plates.storage, RUN).is_complete


def test_plates_share_one_budget_and_what_one_has_reserved_the_other_has_not(plates: Cloud, ends: JobEnds) -> None:
    put_plates(plates, "P1", "P2")
    plates.dispatch(limited(budget_usd=3.7 * SLOW_S * USD_PER_S), "m1")
    jobs = new_jobs(plates)
    assert set(jobs) == {f"{plate}--{stage}" for plate in ("P1", "P2") for stage in ("illumination", "analysis")}
    for plate in ("P1", "P2"):
        do_stage(plates, "illumination", plate)
        end(plates, ends, jobs[f"{plate}--illumination"])
    end_analysis(plates, ends, jobs["P1--analysis"], 0)
    rest = new_jobs(plates, len(jobs))
    assert list(rest) == [f"P1--{stage}" for stage in CHAIN[1:]]
    end_analysis(plates, ends, jobs["P2--analysis"], 0, "P2")
    assert len(plates.jobs) == len(jobs) + len(rest)
    end_analysis(plates, ends, rest["P1--analysis"], 1)
    do_all(plates, ends, {name: job for name, job in rest.items() if name != "P1--analysis"})
    assert len(plates.jobs) == len(jobs) + len(rest)  # not even for the page of P2 is anything left
    ended = states(plates)
    assert all(ended[f"P1--{stage}"] is StageState.COMPLETE for stage in CHAIN)
    assert ended["P2--analysis"] is ended["P2--report"] is StageState.INCOMPLETE
    assert read_ledger(plates.storage, record_of(plates, "analysis", "P2").run_id).causes == {"budget": 2}
    assert read_ledger(plates.storage, RUN).is_over
