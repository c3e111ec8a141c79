"""The real CDK command line deploys into an empty local cloud, which then does what a request asks for."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.jobs import parse_message
from tests.conftest import REPOSITORY, SPOTS_PIPELINE, write_site
from tests.docs.test_cleaning_up import DELETE_DATA, DELETE_LOGS, shell
from tests.local.conftest import LocalUp, start_local_up

pytestmark = [pytest.mark.deploy, pytest.mark.cellprofiler]

STACKS = ("network-cpb", "storage-cpb", "batch-cpb")
# A program asks before it allows more, or deletes; here it has nobody to ask.
UNASKED = {"deploy": ["--require-approval", "never"], "destroy": ["--force"]}


@dataclass(frozen=True)
class Terminal:
    """A second terminal beside `cpb local up --empty`, with the lines pasted that it prints."""

    up: LocalUp
    folder: Path
    options: tuple[str, ...]

    def cdk(self, *words: str, options: tuple[str, ...] | None = None) -> "subprocess.CompletedProcess[str]":
        """A CDK command with the context options of this account, or others; returns when it has ended."""
        chosen = self.options if options is None else options
        line = [
            "cdk",
            *words,
            *chosen,
            *UNASKED.get(words[0], []),
            "--no-notices",
            "--output",
            str(self.folder / "cdk.out"),
        ]
        variables = {"HOME": str(self.folder), "CDK_DISABLE_CLI_TELEMETRY": "true", **self.up.variables}
        return subprocess.run(
            line,
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def aws(self, *words: str) -> str:
        """An AWS command, which succeeds; returns what it prints."""
        line = ["aws", "--endpoint-url", self.up.variables["AWS_ENDPOINT_URL"], *words, "--output", "text"]
        return subprocess.run(line, env=self.up.environment, capture_output=True, text=True, check=True).stdout.strip()

    def output(self, export_name: str) -> str:
        """An output of batch-cpb, looked up as README does."""
        query = f"Stacks[0].Outputs[?ExportName=='{export_name}'].OutputValue"
        return self.aws("cloudformation", "describe-stacks", "--stack-name", "batch-cpb", "--query", query)

    def measure(self, name: str) -> dict[str, Any]:
        """Upload a site and send a request for it with the AWS command; returns the run's summary."""
        write_site(self.folder / name / "images", "A01")
        (self.folder / name / "spots.cppipe").write_bytes(SPOTS_PIPELINE.read_bytes())
        self.aws("s3", "sync", "--quiet", str(self.folder / name), f"s3://{self.output('BucketName')}/{name}")
        message = {"pipeline": f"{name}/spots.cppipe", "input": f"{name}/images/", "output": f"{name}/results/"}
        url = self.output("SQSQueueURL")
        self.aws("sqs", "send-message", "--queue-url", url, "--message-body", json.dumps(message))
        return self.up.summary(parse_message(json.dumps(message))[0].run_id)

    def definitions(self) -> list[dict[str, Any]]:
        """The job definitions that jobs can be submitted with."""
        found = self.up.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        return list(found)


@pytest.fixture(scope="module", params=["s3", "fsx"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def terminal(mode: str, tmp_path_factory: pytest.TempPathFactory, cellprofiler: CellProfiler) -> Iterator[Terminal]:
    """An account into which the commands of README have deployed, in either storage mode."""
    up = start_local_up(tmp_path_factory.mktemp("cloud"), cellprofiler, "--empty")
    options = () if mode == "s3" else ("-c", "storage=fsx")
    opened = Terminal(up, tmp_path_factory.mktemp("terminal"), options)
    for words in (("bootstrap",), ("deploy", "network-cpb"), ("deploy", "batch-cpb")):
        ended = opened.cdk(*words)
        assert ended.returncode == 0, ended.stdout
    yield opened
    assert up.stop() == 0


def mounts_of(definition: dict[str, Any]) -> list[str]:
    return [point["containerPath"] for point in definition["containerProperties"]["mountPoints"]]


def test_a_request_sent_with_the_aws_command_completes(terminal: Terminal, mode: str) -> None:
    summary = terminal.measure("first")
    assert summary["complete"]
    assert summary["states"]["done"] == 1
    assert (terminal.up.folder / "first" / "results" / "Image.csv").exists()
    assert all(("/fsx" in mounts_of(definition)) == (mode == "fsx") for definition in terminal.definitions())


def test_a_second_deployment_changes_nothing(terminal: Terminal) -> None:
    ended = terminal.cdk("deploy", "batch-cpb")
    assert ended.returncode == 0, ended.stdout
    assert [stack for stack in STACKS if f"{stack} (no changes)" in ended.stdout] == list(STACKS)


def test_what_is_deployed_does_not_differ_from_the_app(terminal: Terminal) -> None:
    ended = terminal.cdk("diff")
    assert ended.returncode == 0, ended.stdout
    assert "Number of stacks with differences: 0" in ended.stdout
    assert "Could not create a change set" not in ended.stdout


@pytest.mark.parametrize("mode", ["fsx"], indirect=True, scope="module")
def test_another_storage_mode_takes_effect_and_loses_nothing(terminal: Terminal) -> None:
    bucket, queue = terminal.output("BucketName"), terminal.output("SQSQueueURL")
    ended = terminal.cdk("deploy", "batch-cpb", options=())
    assert ended.returncode == 0, ended.stdout
    assert (terminal.output("BucketName"), terminal.output("SQSQueueURL")) == (bucket, queue)
    assert {mount for one in terminal.definitions() for mount in mounts_of(one)} == {"/tmp"}  # noqa: S108
    assert not terminal.up.client("fsx").describe_file_systems()["FileSystems"]
    assert terminal.measure("after")["complete"]


@pytest.mark.parametrize("mode", ["s3"], indirect=True, scope="module")
def test_a_deployment_can_be_put_to_sleep_and_woken(terminal: Terminal) -> None:
    awake = what_is_left(terminal.up)["endpoints"]
    for options, endpoints in ((("-c", "asleep=true"), 1), ((), len(awake))):
        ended = terminal.cdk("deploy", "--all", options=options)
        assert ended.returncode == 0, ended.stdout
        assert len(what_is_left(terminal.up)["endpoints"]) == endpoints
    assert len(awake) > 1


def test_destroying_leaves_the_buckets_and_says_so_until_they_are_deleted_on_purpose(terminal: Terminal) -> None:
    terminal.measure("kept")
    data = terminal.output("BucketName")
    ended = terminal.cdk("destroy", "--all")
    assert ended.returncode == 0, ended.stdout
    told = [line.split("|") for line in ended.stdout.splitlines() if "DELETE_SKIPPED" in line]
    assert sorted((kind.strip(), name.split()[0]) for *_, kind, name in told) == [
        ("AWS::S3::Bucket", "AccessLogs"),
        ("AWS::S3::Bucket", "Data"),
    ]
    left = what_is_left(terminal.up)
    assert [name.partition("-data")[0].partition("-accesslogs")[0] for name in left.pop("buckets")] == [
        "storage-cpb"
    ] * 2
    assert not any(left.values()), left
    assert terminal.up.client("s3").head_object(Bucket=data, Key="kept/results/Image.csv")
    for script in (DELETE_DATA, DELETE_LOGS):
        deleted = shell(script, terminal.up.variables)
        assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert what_is_left(terminal.up)["buckets"] == []
    assert not [path for path in terminal.up.folder.rglob("*") if path.is_file()]


def what_is_left(up: LocalUp) -> dict[str, list[str]]:
    """What the stacks made and is still there; what `cdk bootstrap` made, and AWS's own, left out."""
    ec2, batch, iam = up.client("ec2"), up.client("batch"), up.client("iam")
    return {
        "buckets": [
            bucket["Name"]
            for bucket in up.client("s3").list_buckets()["Buckets"]
            if not bucket["Name"].startswith("cdk-")
        ],
        "roles": [role["RoleName"] for role in iam.list_roles()["Roles"] if "-cpb-" in role["RoleName"]],
        "profiles": [one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]],
        "functions": [one["FunctionName"] for one in up.client("lambda").list_functions()["Functions"]],
        "queues": up.client("sqs").list_queues().get("QueueUrls", []),
        "log groups": [one["logGroupName"] for one in up.client("logs").describe_log_groups()["logGroups"]],
        "rules": [one["Name"] for one in up.client("events").list_rules()["Rules"]],
        "hosts": [
            one["computeEnvironmentName"] for one in batch.describe_compute_environments()["computeEnvironments"]
        ],
        "job queues": [one["jobQueueName"] for one in batch.describe_job_queues()["jobQueues"]],
        "definitions": [
            one["jobDefinitionName"] for one in batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        ],
        "file systems": [one["FileSystemId"] for one in up.client("fsx").describe_file_systems()["FileSystems"]],
        "networks": [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "endpoints": [
            one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["State"] != "deleted"
        ],
        "templates": [one["LaunchTemplateId"] for one in ec2.describe_launch_templates()["LaunchTemplates"]],
        "stacks": [
            one["StackName"]
            for one in up.client("cloudformation").describe_stacks()["Stacks"]
            if one["StackName"].endswith("-cpb")
        ],
    }
