"""What the deployment tells of itself: alarms, whom they reach, the counting of jobs, and the dashboard."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cellpainting.metrics import Metric
from constants import PRODUCTION
from tests.stacks.templates import Resource, function, only, render, resources, rule

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = PRODUCTION.batch.monitoring


@pytest.fixture
def template(assembly: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((assembly / "batch-cpb.template.json").read_text())["Resources"]
    return found


@pytest.fixture
def alarms(template: dict[str, Any]) -> dict[str, Resource]:
    """The alarms' properties by the metric that they watch and, of a queue or function, what that is."""
    found = [one["Properties"] for one in template.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    return {
        " ".join([alarm["MetricName"], *(render(one["Value"]) for one in alarm.get("Dimensions", []))]): alarm
        for alarm in found
    }


@pytest.fixture
def dashboard(assembly: Path) -> list[dict[str, Any]]:
    """The widgets' properties."""
    body = render(only(assembly, "CloudWatch::Dashboard")["DashboardBody"])
    widgets = json.loads(re.sub(r"<\{.*?\}>", "TOKEN", body))["widgets"]
    return [widget["properties"] for widget in widgets]


def topic_policy(template: dict[str, Any], topic: str) -> list[dict[str, Any]]:
    (policy,) = [
        one["Properties"]
        for one in template.values()
        if one["Type"] == "AWS::SNS::TopicPolicy" and {"Ref": topic} in one["Properties"]["Topics"]
    ]
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return statements


class TestAlarms:
    def test_there_is_one_on_dead_letters_lost_events_functions_stuck_jobs_and_failed_image_sets(
        self, alarms: dict[str, Resource]
    ) -> None:
        watched = sorted(re.sub("<.*?Monitoring.*>", "watcher", name) for name in alarms)
        assert [re.sub(r"<.*?(DeadLetters|LostEvents|DispatcherFunction).*>", r"\1", name) for name in watched] == [
            "ApproximateNumberOfMessagesVisible DeadLetters",
            "ApproximateNumberOfMessagesVisible LostEvents",
            "Errors DispatcherFunction",
            "Errors watcher",
            "ImageSetsFailed",
            "JobsHeldUp on-demand",
            "JobsHeldUp spot",
        ]

    def test_a_single_message_or_error_is_enough(self, alarms: dict[str, Resource]) -> None:
        for name in alarms:
            if name != "ImageSetsFailed":
                assert alarms[name]["Threshold"] == 1
                assert alarms[name]["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"

    def test_jobs_may_wait_for_hosts_and_for_spot_before_they_are_stuck(self, alarms: dict[str, Resource]) -> None:
        held_up = alarms["JobsHeldUp spot"]
        waited_s = held_up["Period"] * held_up["EvaluationPeriods"]
        assert waited_s == SETTINGS.held_up_minutes * 60
        assert waited_s > PRODUCTION.batch.compute.no_capacity_s + 600

    def test_a_deployment_where_nothing_happens_is_well(self, alarms: dict[str, Resource]) -> None:
        assert {alarm["TreatMissingData"] for alarm in alarms.values()} == {"notBreaching"}

    def test_each_says_what_happened_and_where_to_read_on_and_goes_to_the_topic(
        self, template: dict[str, Any], alarms: dict[str, Resource]
    ) -> None:
        for alarm in alarms.values():
            assert alarm["AlarmDescription"].endswith("docs/watching.md of Cell Painting Batch.")
            (action,) = alarm["AlarmActions"]
            assert template[action["Ref"]]["Properties"]["DisplayName"] == "Cell Painting Batch alarms"

    def test_each_is_in_the_guide_with_what_to_do(self, template: dict[str, Any]) -> None:
        guide = (ROOT / "docs" / "watching.md").read_text()
        headings = {line.removeprefix("### ") for line in guide.splitlines() if line.startswith("### ")}
        rows = re.findall(r"^\| (`.*?) \| .* \| \[(.*?)\]\(#", guide, re.MULTILINE)
        named = {name: heading for names, heading in rows for name in re.findall("`(.*?)`", names)}
        kinds = ("AWS::CloudWatch::Alarm", "AWS::Events::Rule")
        told = {name.replace("-", "") for name in named}
        for name, one in template.items():
            if one["Type"] == kinds[0] or (one["Type"] == kinds[1] and "QueueBlocked" in name):
                assert name.removeprefix("Monitoring")[:-8] in told
        assert set(named.values()) <= headings

    def test_every_metric_of_ours_is_one_that_is_printed(
        self, alarms: dict[str, Resource], dashboard: list[dict[str, Any]]
    ) -> None:
        labels = {metric.label for metric in Metric}
        named = {alarm["MetricName"] for alarm in alarms.values() if alarm["Namespace"] == "CellPaintingBatch"}
        assert named == {"JobsHeldUp", "ImageSetsFailed"}
        for line in (line for widget in dashboard for line in widget.get("metrics", [])):
            if line[0] == "CellPaintingBatch":
                named.add(line[1])
            elif isinstance(line[0], dict):
                named |= set(re.findall('MetricName="(.*?)"', line[0]["expression"]))
        assert named == labels

    def test_they_are_few_enough_to_be_free(self, alarms: dict[str, Resource]) -> None:
        assert len(alarms) <= 10


class TestTopic:
    @pytest.fixture
    def topic(self, template: dict[str, Any]) -> str:
        (name,) = [
            name
            for name, one in template.items()
            if one["Type"] == "AWS::SNS::Topic" and "alarms" in one["Properties"]["DisplayName"]
        ]
        return name

    def test_it_is_behind_tls_and_services_alone_publish(self, template: dict[str, Any], topic: str) -> None:
        deny, *allowed = topic_policy(template, topic)
        assert deny["Effect"] == "Deny"
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        conditions = {one["Principal"]["Service"]: one.get("Condition") for one in allowed}
        assert set(conditions) == {"cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com"}
        ours = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert conditions["cloudwatch.amazonaws.com"] == conditions["budgets.amazonaws.com"] == ours

    def test_nobody_is_subscribed_until_an_address_is_set(self, assembly: Path, tmp_path: Path) -> None:
        assert not resources(assembly, "SNS::Subscription")
        code = (
            "from dataclasses import replace\n"
            "import constants\n"
            "batch = constants.PRODUCTION.batch\n"
            "mailed = replace(batch, monitoring=replace(batch.monitoring, alarm_email='lab@example.org'))\n"
            "constants.PRODUCTION = replace(constants.PRODUCTION, batch=mailed)\n"
            "import app\n"
            "app.build().synth()\n"
        )
        environment = {"CDK_OUTDIR": str(tmp_path / "out"), "PYTHONPATH": str(ROOT)}
        ended = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True)
        assert ended.returncode == 0, ended.stderr
        subscription = only(tmp_path / "out", "SNS::Subscription")
        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "lab@example.org")

    def test_batch_itself_tells_why_a_queue_is_blocked(self, assembly: Path, topic: str) -> None:
        blocked = rule(assembly, "QueueBlocked")
        assert blocked["EventPattern"]["detail-type"] == ["Batch Job Queue Blocked"]
        assert len(blocked["EventPattern"]["detail"]["jobQueue"]) == 2
        (target,) = blocked["Targets"]
        assert target["Arn"] == {"Ref": topic}
        assert set(target["InputTransformer"]["InputPathsMap"].values()) == {
            "$.detail.jobName",
            "$.detail.jobQueue",
            "$.detail.statusReason",
        }


class TestWatcher:
    def test_it_is_called_by_the_clock_and_when_an_attempt_of_our_jobs_has_lost_its_host(self, assembly: Path) -> None:
        clock, lost = rule(assembly, "WatcherClock"), rule(assembly, "WatcherHostLost")
        assert clock["ScheduleExpression"] == f"rate({SETTINGS.watch_every_minutes} minutes)"
        detail = lost["EventPattern"]["detail"]
        assert (detail["status"], len(detail["jobQueue"])) == (["RUNNABLE", "FAILED"], 2)
        assert detail["attempts"] == {"statusReason": [{"prefix": "Host EC2"}]}
        assert clock["Targets"][0]["Arn"] == lost["Targets"][0]["Arn"]

    def test_it_may_look_at_jobs_write_its_log_and_nothing_else(self, template: dict[str, Any]) -> None:
        (policy,) = [
            one["Properties"]["PolicyDocument"]["Statement"]
            for name, one in template.items()
            if one["Type"] == "AWS::IAM::Policy" and "Watcher" in name
        ]
        write, look = policy
        assert write["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert "WatcherLogs" in json.dumps(write["Resource"])
        assert (look["Action"], look["Resource"]) == (["batch:DescribeJobs", "batch:ListJobs"], "*")

    def test_it_knows_both_queues_by_the_names_of_its_metrics(self, assembly: Path) -> None:
        variables = function(assembly, "Watcher")["Environment"]["Variables"]
        assert set(variables) == {"JOB_QUEUES"}
        told = json.loads(re.sub("<[^>]*>", "ARN", render(variables["JOB_QUEUES"])))
        assert told == {"spot": "ARN", "on-demand": "ARN"}

    def test_its_asset_is_its_own_modules_and_the_format_of_metrics(self, assembly: Path) -> None:
        bundle = assembly / f"asset.{function(assembly, 'Watcher')['Code']['S3Key'].removesuffix('.zip')}"
        own = {file.name for file in (ROOT / "lambdas" / "watcher").glob("*.py")}
        bundled = {str(file.relative_to(bundle)) for file in bundle.rglob("*") if file.is_file()}
        assert bundled == own | {"cellpainting/__init__.py", "cellpainting/metrics.py"}


class TestDashboard:
    def test_it_shows_what_waits_what_runs_what_is_done_and_what_it_costs(
        self, dashboard: list[dict[str, Any]]
    ) -> None:
        assert [widget["title"] for widget in dashboard] == [
            "Alarms",
            "Requests",
            "Dispatcher",
            "Jobs, spot queue",
            "Jobs, on-demand queue",
            "Attempts that lost their host (Spot)",
            "Image sets done",
            "Image sets without cells",
            "Image sets not done",
            "vCPU seconds per image set",
            "Estimated US dollars per image set",
            "Estimated US dollars an hour",
            "Peak memory, MiB",
        ]

    def test_it_shows_all_alarms(self, dashboard: list[dict[str, Any]], alarms: dict[str, Resource]) -> None:
        assert len(dashboard[0]["alarms"]) == len(alarms)

    def test_requests_are_shown_with_their_age_and_what_nobody_takes(self, dashboard: list[dict[str, Any]]) -> None:
        labels = [line[4]["label"] for line in dashboard[1]["metrics"]]
        assert labels == ["waiting", "being dispatched", "dead letters", "lost events", "age of the oldest"]

    def test_seconds_and_price_are_divided_by_all_image_sets_that_ended(self, dashboard: list[dict[str, Any]]) -> None:
        for widget, metric in ((dashboard[9], "VcpuSeconds"), (dashboard[10], "EstimatedUsd")):
            lines = [line for line in widget["metrics"] if "run_cellprofiler" in line]
            assert [line[1] for line in lines] == [metric, "ImageSetsDone", "ImageSetsNoCells", "ImageSetsFailed"]
            dividend, *divisor = (line[4]["id"] for line in lines)
            assert widget["metrics"][0][0]["expression"] == f"{dividend} / ({' + '.join(divisor)})"
            assert {line[4]["stat"] for line in lines} == {"Sum"}


def test_jobs_are_told_to_print_what_cloudwatch_reads(assembly: Path) -> None:
    for definition in resources(assembly, "Batch::JobDefinition"):
        container = definition["Properties"]["ContainerProperties"]
        assert {"Name": "CPB_LOG_FORMAT", "Value": "json"} in container["Environment"]
        # Metrics are made of what reaches CloudWatch Logs as it was printed, a line an event.
        assert set(container["LogConfiguration"]["Options"]) == {
            "awslogs-group",
            "awslogs-region",
            "awslogs-stream-prefix",
        }


def test_settings_of_the_alarm_are_whole_periods_of_the_watcher() -> None:
    assert SETTINGS.held_up_minutes % SETTINGS.watch_every_minutes == 0
