"""Claims about the templates, in both storage modes."""

import email
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cellpainting.dispatch.batch_jobs import attempt_timeout_s
from cellpainting.dispatch.submission import CLAIM_EXPIRES_S
from cellpainting.jobs import parse_job
from cellpainting.jobs.message import JOB_TYPES
from cellpainting.planning.plan_download import IMAGE_SETS_PER_SHARD
from constants import PRODUCTION

ROOT = Path(__file__).resolve().parents[2]
WORKERS = {worker.runtime: worker for worker in PRODUCTION.batch.workers}
Resource = dict[str, Any]

# Every permission of an allowed statement that has a `*` in it, and why nothing narrower will do.
REASONS = {
    "batch:DescribeJobs on *": "has no resource-level permissions",
    "batch:ListJobs on *": "has no resource-level permissions",
    "ecr:GetAuthorizationToken on *": "has no resource-level permissions",
    "s3:AbortMultipartUpload on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:DeleteObject on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:GetObject on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:PutObject on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:PutObject on <Data>/runs/*": "one folder per run",
}


def resources(folder: Path, kind: str) -> list[Resource]:
    """All resources of one type, in all stacks."""
    found = []
    for file in sorted(folder.glob("*.template.json")):
        template = json.loads(file.read_text())
        found += [one for one in template["Resources"].values() if one["Type"] == f"AWS::{kind}"]
    return found


def only(folder: Path, kind: str) -> Resource:
    (properties,) = [one["Properties"] for one in resources(folder, kind)]
    assert isinstance(properties, dict)
    return properties


def job_definitions(folder: Path) -> dict[str, Resource]:
    """The properties of each runtime's job definition. Its log streams say which runtime it is."""
    found = [one["Properties"] for one in resources(folder, "Batch::JobDefinition")]
    return {one["ContainerProperties"]["LogConfiguration"]["Options"]["awslogs-stream-prefix"]: one for one in found}


@pytest.fixture(params=list(WORKERS))
def definition(request: pytest.FixtureRequest, assembly: Path) -> Resource:
    """The job definition of each runtime in turn."""
    return job_definitions(assembly)[request.param]


@pytest.fixture
def container(definition: Resource) -> Resource:
    """What a job definition says of its container."""
    properties = definition["ContainerProperties"]
    assert isinstance(properties, dict)
    return properties


def data_bucket(folder: Path) -> Resource:
    template = json.loads((folder / "storage-cpb.template.json").read_text())
    (bucket,) = [
        one
        for one in template["Resources"].values()
        if one["Type"] == "AWS::S3::Bucket" and "LoggingConfiguration" in one["Properties"]
    ]
    assert isinstance(bucket, dict)
    return bucket


def render(value: object) -> str:
    """Text in place of CloudFormation's functions, with a name in angle brackets for what is unknown."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str() as separator, list() as parts]}:
            return separator.join(render(part) for part in parts)
        case {"Fn::Base64": inner}:
            return render(inner)
        case {"Fn::ImportValue": str() as name}:
            return "<Data>" if "GetAttData" in name else f"<{name}>"
        case _:
            return f"<{json.dumps(value)}>"


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(folder: Path) -> list[dict[str, Any]]:
    return [
        statement
        for policy in resources(folder, "IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def permissions(folder: Path) -> set[str]:
    return {
        f"{action} on {render(resource)}"
        for statement in statements(folder)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


class TestDispatcher:
    def test_partial_batch_responses_are_on(self, assembly: Path) -> None:
        mapping = only(assembly, "Lambda::EventSourceMapping")
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BatchSize"] == 1
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2

    def test_a_message_stays_hidden_six_times_as_long_as_the_function_may_run(self, assembly: Path) -> None:
        source = only(assembly, "Lambda::EventSourceMapping")["EventSourceArn"]["Fn::GetAtt"][0]
        template = json.loads((assembly / "batch-cpb.template.json").read_text())
        queue = template["Resources"][source]["Properties"]
        assert queue["VisibilityTimeout"] >= 6 * only(assembly, "Lambda::Function")["Timeout"]

    def test_a_message_that_fails_three_times_is_kept_for_two_weeks(self, assembly: Path) -> None:
        queues = [one["Properties"] for one in resources(assembly, "SQS::Queue")]
        (requests,) = [queue for queue in queues if "RedrivePolicy" in queue]
        assert requests["RedrivePolicy"]["maxReceiveCount"] == 3
        kept = [queue["MessageRetentionPeriod"] for queue in queues if queue is not requests]
        assert kept == [14 * 24 * 3600] * 2  # refused messages, and events that could not be followed
        assert all(queue["SqsManagedSseEnabled"] for queue in queues)

    def test_it_is_told_when_a_job_of_our_queue_has_ended_but_not_of_each_array_child(self, assembly: Path) -> None:
        rule = only(assembly, "Events::Rule")
        pattern = rule["EventPattern"]
        assert pattern["source"] == ["aws.batch"]
        assert pattern["detail-type"] == ["Batch Job State Change"]
        assert [next(iter(queue)) for queue in pattern["detail"]["jobQueue"]] == ["Fn::GetAtt"]
        assert pattern["detail"]["status"] == ["SUCCEEDED", "FAILED"]
        assert pattern["detail"]["arrayProperties"] == {"index": [{"exists": False}]}

    def test_an_event_that_cannot_be_followed_is_tried_again_and_kept(self, assembly: Path) -> None:
        (target,) = only(assembly, "Events::Rule")["Targets"]
        invoked = only(assembly, "Lambda::EventInvokeConfig")
        assert invoked["MaximumRetryAttempts"] == 2
        kept = invoked["DestinationConfig"]["OnFailure"]["Destination"]
        assert target["DeadLetterConfig"]["Arn"] == kept
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == invoked["MaximumEventAgeInSeconds"] == 6 * 3600

    def test_a_claim_is_given_up_only_when_the_function_cannot_be_at_work_any_more(self, assembly: Path) -> None:
        assert only(assembly, "Lambda::Function")["Timeout"] < CLAIM_EXPIRES_S

    def test_it_knows_the_version_of_the_image_s_cellprofiler(self) -> None:
        lock = (ROOT / "containers" / "cellprofiler" / "requirements.lock").read_text()
        assert f"cellprofiler=={WORKERS['cellprofiler'].version} " in lock

    def test_it_knows_the_version_of_the_image_s_starfish(self) -> None:
        lock = (ROOT / "containers" / "starfish" / "requirements.lock").read_text()
        assert f"starfish=={WORKERS['starfish'].version} " in lock

    def test_more_memory_than_asked_for_still_fits_on_the_smallest_host(self) -> None:
        smallest_mib = 64 * 1024  # of the instance types that PRODUCTION lists
        assert (
            PRODUCTION.batch.dispatcher.max_memory_mib < smallest_mib < 2.1 * PRODUCTION.batch.dispatcher.max_memory_mib
        )

    def test_it_is_told_the_bucket_the_queues_and_a_definition_per_runtime(self, assembly: Path) -> None:
        variables = only(assembly, "Lambda::Function")["Environment"]["Variables"]
        assert set(variables) == {"BUCKET", "JOB_QUEUES", "RUNTIMES", "MAX_MEMORY_MIB"}
        assert "JobQueueArn" in render(variables["JOB_QUEUES"])
        told = json.loads(re.sub("<[^>]*>", "ARN", render(variables["RUNTIMES"])))
        assert told == {
            runtime: {
                "definition": "ARN",
                "vcpus": worker.vcpu,
                "memory_mib": worker.memory_mib,
                "version": worker.version,
            }
            for runtime, worker in WORKERS.items()
        }

    def test_it_writes_run_records_and_nothing_else(self, assembly: Path) -> None:
        (policy,) = [
            one["Properties"]["PolicyDocument"]["Statement"]
            for one in resources(assembly, "IAM::Policy")
            if "batch:SubmitJob" in json.dumps(one)
        ]
        written = [one for one in policy if any(":Put" in word or ":Delete" in word for word in listed(one["Action"]))]
        assert [(one["Action"], render(one["Resource"])) for one in written if "s3:" in json.dumps(one["Action"])] == [
            ("s3:PutObject", "<Data>/runs/*")
        ]

    def test_it_may_submit_to_one_queue_and_the_definitions_only(self, assembly: Path) -> None:
        (submit,) = [one for one in statements(assembly) if one["Action"] == "batch:SubmitJob"]
        kinds = sorted(next(iter(resource)) for resource in submit["Resource"])
        assert kinds == ["Fn::GetAtt", *["Ref"] * len(WORKERS)]


class TestPermissions:
    def test_every_wildcard_has_a_written_reason(self, assembly: Path) -> None:
        wildcards = {permission for permission in permissions(assembly) if "*" in permission}
        assert wildcards == set(REASONS)

    def test_no_role_has_policies_of_its_own_or_managed_ones_but_the_hosts(self, assembly: Path) -> None:
        roles = [one["Properties"] for one in resources(assembly, "IAM::Role")]
        assert not any("Policies" in role for role in roles)
        managed = [role for role in roles if "ManagedPolicyArns" in role]
        assert [role["Description"] for role in managed] == ["ECS agent on the hosts of Cell Painting Batch"]

    def test_a_job_of_any_runtime_may_list_read_write_and_delete_in_the_data_bucket(self, assembly: Path) -> None:
        policies = [one["Properties"]["PolicyDocument"]["Statement"] for one in resources(assembly, "IAM::Policy")]
        roles = [
            {f"{action} on {render(one['Resource'])}" for one in policy for action in listed(one["Action"])}
            for policy in policies
            if "s3:DeleteObject" in json.dumps(policy)
        ]
        objects = {f"s3:{verb}Object on <Data>/*" for verb in ("Get", "Put", "Delete")}
        assert len(roles) == len(WORKERS)
        assert all(objects | {"s3:ListBucket on <Data>"} <= role for role in roles)

    def test_a_job_may_submit_no_jobs(self, assembly: Path) -> None:
        submitting = [one for one in resources(assembly, "IAM::Policy") if "batch:SubmitJob" in json.dumps(one)]
        assert len(submitting) == 1
        assert "sqs:ReceiveMessage" in json.dumps(submitting)  # the dispatcher's

    def test_a_resource_policy_lets_nobody_in_but_services_that_leave_something(self, assembly: Path) -> None:
        policies = resources(assembly, "SQS::QueuePolicy") + resources(assembly, "S3::BucketPolicy")
        allowed = [
            statement["Principal"]
            for policy in policies
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Allow"
        ]
        assert allowed == [{"Service": "events.amazonaws.com"}, {"Service": "logging.s3.amazonaws.com"}]


class TestJobs:
    def test_there_is_one_job_definition_per_runtime_that_a_job_type_has(self, assembly: Path) -> None:
        assert len(resources(assembly, "Batch::JobDefinition")) == len(WORKERS)
        assert job_definitions(assembly).keys() == {job.runtime for job in JOB_TYPES.values()}

    def test_a_container_is_neither_privileged_nor_root_and_cannot_change_its_image(self, container: Resource) -> None:
        assert container["Privileged"] is False
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] not in ("", "0", "root")
        assert not container["User"].startswith("0:")

    def test_scratch_is_a_writable_volume_that_goes_with_the_container(self, container: Resource) -> None:
        environment = {one["Name"]: one["Value"] for one in container["Environment"]}
        writable = [one for one in container["MountPoints"] if not one["ReadOnly"]]
        assert [one["ContainerPath"] for one in writable] == [environment["CPB_SCRATCH"]]
        assert {"Name": writable[0]["SourceVolume"], "Host": {}} in container["Volumes"]

    def test_the_command_is_the_worker_s_own(self, definition: Resource) -> None:
        command = ["run", "--request", "Ref::request", "--shard", "Ref::shard", "--submission", "Ref::submission"]
        assert definition["ContainerProperties"]["Command"] == command
        assert definition["Parameters"] == {"request": "", "shard": "0", "submission": ""}

    def test_a_worker_is_told_what_its_container_has(self, container: Resource) -> None:
        environment = {one["Name"]: one["Value"] for one in container["Environment"]}
        given = {one["Type"]: one["Value"] for one in container["ResourceRequirements"]}
        assert environment["CPB_VCPUS"] == given["VCPU"]
        assert environment["CPB_MEMORY_MIB"] == given["MEMORY"]

    def test_a_lost_host_is_tried_again_and_failed_work_or_too_little_memory_is_not(self, definition: Resource) -> None:
        retry = definition["RetryStrategy"]
        assert retry["Attempts"] == 3
        assert retry["EvaluateOnExit"] == [
            {"Action": "RETRY", "OnStatusReason": "Host EC2*"},
            {"Action": "EXIT", "OnReason": "OutOfMemoryError*"},
            {"Action": "EXIT", "OnExitCode": "1"},
            {"Action": "EXIT", "OnExitCode": "2"},
        ]

    def test_a_download_has_the_time_that_the_largest_shard_may_take(self) -> None:
        job = parse_job({"job_type": "download_images", "load_data": "load_data.csv", "output": "training"})
        worker = WORKERS[job.runtime]
        assert worker.timeout_s == attempt_timeout_s(job.timeout_s, IMAGE_SETS_PER_SHARD, worker.vcpu)

    def test_hosts_are_spot_cost_nothing_when_idle_and_are_locked_down(self, assembly: Path) -> None:
        hosts = only(assembly, "Batch::ComputeEnvironment")["ComputeResources"]
        assert hosts["Type"] == "SPOT"
        assert hosts["AllocationStrategy"] == "SPOT_PRICE_CAPACITY_OPTIMIZED"
        assert hosts["MinvCpus"] == 0
        template = only(assembly, "EC2::LaunchTemplate")["LaunchTemplateData"]
        assert template["MetadataOptions"]["HttpTokens"] == "required"
        assert [one["Ebs"]["Encrypted"] for one in template["BlockDeviceMappings"]] == [True]

    def test_every_log_group_forgets(self, assembly: Path) -> None:
        groups = resources(assembly, "Logs::LogGroup")
        assert len(groups) == 3
        assert all(group["Properties"]["RetentionInDays"] >= 30 for group in groups)


class TestStorage:
    def test_the_data_bucket_outlives_its_stack_and_keeps_what_is_overwritten(self, assembly: Path) -> None:
        bucket = data_bucket(assembly)
        assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
        assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}

    def test_every_bucket_is_encrypted_and_blocked_from_the_public(self, assembly: Path) -> None:
        for bucket in resources(assembly, "S3::Bucket"):
            assert "BucketEncryption" in bucket["Properties"]
            blocked = bucket["Properties"]["PublicAccessBlockConfiguration"]
            assert len(blocked) == 4
            assert all(blocked.values())

    @pytest.mark.parametrize(
        ("kind", "holder"), [("S3::BucketPolicy", "S3::Bucket"), ("SQS::QueuePolicy", "SQS::Queue")]
    )
    def test_every_bucket_and_queue_is_reached_over_tls_only(self, assembly: Path, kind: str, holder: str) -> None:
        refusal = {"Bool": {"aws:SecureTransport": "false"}}
        policies = resources(assembly, kind)
        assert len(policies) == len(resources(assembly, holder))
        for policy in policies:
            refusals = [
                one
                for one in policy["Properties"]["PolicyDocument"]["Statement"]
                if one["Effect"] == "Deny" and one["Condition"] == refusal
            ]
            assert len(refusals) == 1

    def test_without_the_file_system_nothing_of_it_is_left(self, assemblies: dict[str, Path]) -> None:
        text = "".join(file.read_text().lower() for file in assemblies["s3"].glob("*.template.json"))
        assert "fsx" not in text
        assert "lustre" not in text


class TestFileSystem:
    def test_it_shows_the_whole_bucket_and_follows_it(self, assemblies: dict[str, Path]) -> None:
        link = only(assemblies["fsx"], "FSx::DataRepositoryAssociation")
        assert link["FileSystemPath"] == "/"
        assert render(link["DataRepositoryPath"]).startswith("s3://<")
        assert render(link["DataRepositoryPath"]).endswith(">/")
        assert link["S3"] == {"AutoImportPolicy": {"Events": ["NEW", "CHANGED", "DELETED"]}}

    def test_jobs_read_it_and_cannot_write_to_it(self, assemblies: dict[str, Path]) -> None:
        for definition in job_definitions(assemblies["fsx"]).values():
            container = definition["ContainerProperties"]
            (shared,) = [one for one in container["MountPoints"] if one["SourceVolume"] == "shared"]
            assert shared == {"ContainerPath": "/fsx", "ReadOnly": True, "SourceVolume": "shared"}
            assert {"Name": "shared", "Host": {"SourcePath": "/fsx"}} in container["Volumes"]
            assert {"Name": "CPB_INPUT_ROOT", "Value": "/fsx"} in container["Environment"]

    def test_hosts_and_file_servers_share_a_group_with_lustre_s_ports(self, assemblies: dict[str, Path]) -> None:
        rules = [one["Properties"] for one in resources(assemblies["fsx"], "EC2::SecurityGroupIngress")]
        assert rules
        assert all(rule["GroupId"] == rule["SourceSecurityGroupId"] for rule in rules)
        opened = {port for rule in rules for port in range(rule["FromPort"], rule["ToPort"] + 1)}
        assert {988, *range(1018, 1024)} <= opened
        groups = only(assemblies["fsx"], "Batch::ComputeEnvironment")["ComputeResources"]["SecurityGroupIds"]
        assert "SharedFileSystem" in json.dumps(groups)

    def test_user_data_is_mime_multi_part_and_mounts_it_where_jobs_look(self, assemblies: dict[str, Path]) -> None:
        template = only(assemblies["fsx"], "EC2::LaunchTemplate")["LaunchTemplateData"]
        message = email.message_from_string(render(template["UserData"]))
        assert message.defects == []
        assert message.get_content_type() == "multipart/mixed"
        _, part = message.walk()
        assert part.get_content_type() == "text/cloud-config"
        config = str(part.get_payload())
        assert config.startswith("#cloud-config\n")
        assert "  - lustre-client\n" in config
        (mount,) = [line for line in config.splitlines() if "mount -t lustre" in line]
        assert "@tcp:/<" in mount
        assert mount.endswith(" /fsx")


class TestNetwork:
    def test_hosts_have_no_way_out_but_the_endpoints(self, assembly: Path) -> None:
        assert not resources(assembly, "EC2::InternetGateway")
        assert not resources(assembly, "EC2::NatGateway")
        assert not any(one["Properties"]["MapPublicIpOnLaunch"] for one in resources(assembly, "EC2::Subnet"))
        endpoints = [one["Properties"] for one in resources(assembly, "EC2::VPCEndpoint")]
        names = {render(one["ServiceName"]).partition(">.")[2] for one in endpoints}
        assert names == {"ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", "s3"}

    def test_the_endpoint_of_s3_leads_to_public_buckets_of_others_too(self, assembly: Path) -> None:
        endpoints = [one["Properties"] for one in resources(assembly, "EC2::VPCEndpoint")]
        (s3,) = [one for one in endpoints if one["VpcEndpointType"] == "Gateway"]
        assert "PolicyDocument" not in s3  # which would name the buckets

    def test_traffic_is_logged(self, assembly: Path) -> None:
        assert only(assembly, "EC2::FlowLog")["TrafficType"] == "ALL"


def test_people_and_scripts_find_the_outputs_they_look_up(assembly: Path) -> None:
    outputs = json.loads((assembly / "batch-cpb.template.json").read_text())["Outputs"]
    assert {"BucketName", "SQSQueueURL", "BatchJobQueueARN"} <= set(outputs)
    exports = {name: output["Export"]["Name"] for name, output in outputs.items() if "Export" in output}
    assert exports == {"BucketName": "BucketName", "SQSQueueURL": "SQSQueueURL"}


def test_nothing_has_a_physical_name(assembly: Path) -> None:
    named = {
        "BucketName",
        "QueueName",
        "FunctionName",
        "RoleName",
        "JobQueueName",
        "JobDefinitionName",
        "LogGroupName",
    }
    for file in assembly.glob("*.template.json"):
        for resource in json.loads(file.read_text())["Resources"].values():
            properties = resource.get("Properties", {})
            assert not [key for key in named if isinstance(properties.get(key), str)], resource
