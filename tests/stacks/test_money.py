"""What a lab is told of costs before they are there: at each synthesis, and by a monthly budget."""

import json
from pathlib import Path

import pytest

from constants import COST_TAG
from tests.stacks.templates import only, resources


def idle_cost(folder: Path) -> str:
    """What the command line prints of the stack."""
    metadata = json.loads((folder / "batch-cpb.metadata.json").read_text())
    told = [str(one["data"]) for entries in metadata.values() for one in entries if one["type"] == "aws:cdk:info"]
    (sentence,) = [text for text in told if "idle cost" in text]
    return sentence


def test_each_synthesis_tells_what_is_paid_for_when_nothing_runs(assemblies: dict[str, Path], asleep: Path) -> None:
    assert "5 interface endpoints" in idle_cost(assemblies["s3"])
    assert "FSx" not in idle_cost(assemblies["s3"])
    assert "FSx for Lustre of 1200 GiB $5.72" in idle_cost(assemblies["fsx"])
    assert "endpoints" not in idle_cost(asleep)
    assert "FSx" not in idle_cost(asleep)


def test_a_month_has_a_budget_of_what_bears_the_deployment_s_tag(assembly: Path) -> None:
    budget = only(assembly, "Budgets::Budget")
    assert budget["Budget"]["TimeUnit"] == "MONTHLY"
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 1000, "Unit": "USD"}
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:{COST_TAG[0]}${COST_TAG[1]}"]}


@pytest.mark.parametrize(("kind", "percent"), [("ACTUAL", 80), ("FORECASTED", 100)])
def test_it_is_told_where_alarms_are_told_which_it_may(assembly: Path, kind: str, percent: int) -> None:
    told = only(assembly, "Budgets::Budget")["NotificationsWithSubscribers"]
    (one,) = [each for each in told if each["Notification"]["NotificationType"] == kind]
    assert one["Notification"]["Threshold"] == percent
    (subscriber,) = one["Subscribers"]
    (policy,) = [
        each["Properties"]["PolicyDocument"]["Statement"]
        for each in resources(assembly, "SNS::TopicPolicy")
        if subscriber["Address"] in each["Properties"]["Topics"]
    ]
    (allowed,) = [each for each in policy if each["Principal"] == {"Service": "budgets.amazonaws.com"}]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "sns:Publish")
    assert "aws:SourceAccount" in json.dumps(allowed["Condition"])
