"""Claims about the templates, in both storage modes."""

import json
import re
from pathlib import Path

import pytest

from cellpainting.dispatch.batch_jobs import attempt_timeout_s
from cellpainting.dispatch.submission import CLAIM_EXPIRES_S
from cellpainting.jobs import parse_job
from cellpainting.jobs.message import JOB_TYPES
from cellpainting.planning.plan_download import IMAGE_SETS_PER_SHARD
from constants import PRODUCTION
from tests.stacks.templates import (
    Resource,
    function,
    hosts,
    job_definitions,
    listed,
    only,
    render,
    resources,
    rule,
    statements,
    user_data,
)

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = {runtime.name: runtime for runtime in PRODUCTION.batch.runtimes}
JOBS = {job.job_type: job for job in PRODUCTION.batch.jobs}


@pytest.fixture(params=list(JOBS))
def definition(request: pytest.FixtureRequest, assembly: Path) -> Resource:
    """The job definition of each job type in turn."""
    return job_definitions(assembly)[request.param]


@pytest.fixture
def container(definition: Resource) -> Resource:
    """What a job definition says of its container."""
    properties = definition["ContainerProperties"]
    assert isinstance(properties, dict)
    return properties


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
        assert queue["VisibilityTimeout"] >= 6 * function(assembly, "Dispatcher")["Timeout"]

    def test_a_message_that_fails_three_times_is_kept_for_two_weeks(self, assembly: Path) -> None:
        queues = [one["Properties"] for one in resources(assembly, "SQS::Queue")]
        (requests,) = [queue for queue in queues if "RedrivePolicy" in queue]
        assert requests["RedrivePolicy"]["maxReceiveCount"] == 3
        kept = [queue["MessageRetentionPeriod"] for queue in queues if queue is not requests]
        assert kept == [14 * 24 * 3600] * 2  # refused messages, and events that could not be followed
        assert all(queue["SqsManagedSseEnabled"] for queue in queues)

    def test_it_is_told_when_a_job_of_our_queues_has_ended_but_not_of_each_array_child(self, assembly: Path) -> None:
        pattern = rule(assembly, "JobEnded")["EventPattern"]
        assert pattern["source"] == ["aws.batch"]
        assert pattern["detail-type"] == ["Batch Job State Change"]
        followed = [render(queue) for queue in pattern["detail"]["jobQueue"]]
        assert [("OnDemand" in queue, "JobQueueArn" in queue) for queue in followed] == [(False, True), (True, True)]
        assert pattern["detail"]["status"] == ["SUCCEEDED", "FAILED"]
        assert pattern["detail"]["arrayProperties"] == {"index": [{"exists": False}]}

    def test_an_event_that_cannot_be_followed_is_tried_again_and_kept(self, assembly: Path) -> None:
        (target,) = rule(assembly, "JobEnded")["Targets"]
        invoked = only(assembly, "Lambda::EventInvokeConfig")
        assert invoked["MaximumRetryAttempts"] == 2
        kept = invoked["DestinationConfig"]["OnFailure"]["Destination"]
        assert target["DeadLetterConfig"]["Arn"] == kept
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == invoked["MaximumEventAgeInSeconds"] == 6 * 3600

    def test_a_claim_is_given_up_only_when_the_function_cannot_be_at_work_any_more(self, assembly: Path) -> None:
        assert function(assembly, "Dispatcher")["Timeout"] < CLAIM_EXPIRES_S

    def test_it_knows_the_version_of_the_image_s_cellprofiler(self) -> None:
        lock = (ROOT / "containers" / "cellprofiler" / "requirements.lock").read_text()
        assert f"cellprofiler=={RUNTIMES['cellprofiler'].version} " in lock

    def test_it_knows_the_version_of_the_image_s_starfish(self) -> None:
        lock = (ROOT / "containers" / "starfish" / "requirements.lock").read_text()
        assert f"starfish=={RUNTIMES['starfish'].version} " in lock

    def test_more_memory_than_asked_for_still_fits_on_a_host(self) -> None:
        compute, most_mib = PRODUCTION.batch.compute, PRODUCTION.batch.dispatcher.max_memory_mib
        assert "m6i.4xlarge" in compute.instance_types  # of 64 GiB, some of which the system takes
        assert most_mib < 0.9 * 64 * 1024

    def test_it_is_told_the_bucket_the_queues_the_topic_and_a_definition_per_job_type(self, assembly: Path) -> None:
        variables = function(assembly, "Dispatcher")["Environment"]["Variables"]
        assert set(variables) == {
            "BUCKET",
            "JOB_QUEUES",
            "ON_DEMAND_QUEUE",
            "JOB_TYPES",
            "RUNS_TOPIC",
            "MAX_MEMORY_MIB",
        }
        told = json.loads(re.sub("<[^>]*>", "ARN", render(variables["JOB_TYPES"])))
        assert told == {
            job_type: {
                "definition": "ARN",
                "vcpus": job.vcpu,
                "memory_mib": job.memory_mib,
                "version": RUNTIMES[job.runtime].version,
            }
            for job_type, job in JOBS.items()
        }

    def test_spot_is_the_default_queue_and_on_demand_the_other(self, assembly: Path) -> None:
        variables = function(assembly, "Dispatcher")["Environment"]["Variables"]
        on_demand = render(variables["ON_DEMAND_QUEUE"])
        named = re.findall("<[^>]*>", render(variables["JOB_QUEUES"]))
        assert len(named) == 2
        assert "SpotJobs" in named[0]
        assert named[1] == on_demand
        assert "OnDemandJobs" in on_demand

    def test_its_variables_fit_where_lambda_keeps_them(self, assembly: Path) -> None:
        arn = "arn:aws:batch:us-east-1:123456789012:job-definition/JobbuildbackendDefinition1234567-1234567890abcdef:99"
        variables = function(assembly, "Dispatcher")["Environment"]["Variables"]
        text = "".join(name + re.sub("<[^>]*>", arn, render(value)) for name, value in variables.items())
        assert len(text) < 4096

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

    def test_it_may_submit_to_the_two_queues_and_the_definitions_only(self, assembly: Path) -> None:
        (submit,) = [one for one in statements(assembly) if one["Action"] == "batch:SubmitJob"]
        kinds = sorted(next(iter(resource)) for resource in submit["Resource"])
        assert kinds == [*["Fn::GetAtt"] * 2, *["Ref"] * len(JOBS)]

    def test_it_may_tell_that_a_run_has_finished_to_one_topic_which_is_encrypted_and_behind_tls(
        self, assembly: Path
    ) -> None:
        (publish,) = [one for one in statements(assembly) if one["Action"] == "sns:Publish"]
        template = json.loads((assembly / "batch-cpb.template.json").read_text())["Resources"]
        topic = template[publish["Resource"]["Ref"]]
        assert topic["Type"] == "AWS::SNS::Topic"
        assert "alias/aws/sns" in render(topic["Properties"]["KmsMasterKeyId"])
        policies = [one["Properties"] for one in resources(assembly, "SNS::TopicPolicy")]
        assert all("aws:SecureTransport" in json.dumps(policy) for policy in policies)
        assert publish["Resource"] in [topic for policy in policies for topic in policy["Topics"]]


class TestJobs:
    def test_there_is_one_job_definition_per_job_type_of_the_image_that_it_needs(self, assembly: Path) -> None:
        assert len(resources(assembly, "Batch::JobDefinition")) == len(JOBS)
        definitions = job_definitions(assembly)
        assert definitions.keys() == JOB_TYPES.keys()
        assert {name: job.runtime for name, job in JOBS.items()} == {
            name: job.runtime for name, job in JOB_TYPES.items()
        }
        images: dict[str, set[str]] = {runtime: set() for runtime in RUNTIMES}
        for name, definition in definitions.items():
            images[JOBS[name].runtime].add(render(definition["ContainerProperties"]["Image"]))
        assert [len(one) for one in images.values()] == [1] * len(RUNTIMES)
        assert len(set().union(*images.values())) == len(RUNTIMES)

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
        given = JOBS[job.job_type]
        assert given.timeout_s == attempt_timeout_s(job.timeout_s, IMAGE_SETS_PER_SHARD, given.vcpu)

    def test_hosts_are_spot_first_with_fewer_on_demand_in_reserve_and_none_when_idle(self, assembly: Path) -> None:
        spot, on_demand = hosts(assembly)
        assert spot["Type"] == "SPOT"
        assert spot["AllocationStrategy"] == "SPOT_PRICE_CAPACITY_OPTIMIZED"
        assert on_demand["Type"] == "EC2"
        assert on_demand["MaxvCpus"] < spot["MaxvCpus"]
        assert [one["MinvCpus"] for one in (spot, on_demand)] == [0, 0]

    def test_hosts_may_be_of_any_listed_family_and_size_and_some_have_a_disk_of_their_own(self, assembly: Path) -> None:
        for environment in hosts(assembly):
            assert environment["InstanceTypes"] == list(PRODUCTION.batch.compute.instance_types)
        with_disk = [family for family in PRODUCTION.batch.compute.instance_families if family.endswith("d")]
        assert with_disk

    def test_each_queue_has_one_compute_environment(self, assembly: Path) -> None:
        queues = [one["Properties"] for one in resources(assembly, "Batch::JobQueue")]
        assert [len(queue["ComputeEnvironmentOrder"]) for queue in queues] == [1, 1]

    def test_a_job_without_spot_capacity_is_cancelled_so_that_it_can_go_on_demand(self, assembly: Path) -> None:
        actions = [one["Properties"].get("JobStateTimeLimitActions") for one in resources(assembly, "Batch::JobQueue")]
        (action,) = next(filter(None, actions))
        assert action == {
            "Action": "CANCEL",
            "MaxTimeSeconds": 1800,
            "Reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
            "State": "RUNNABLE",
        }
        assert actions.count(None) == 1

    def test_hosts_are_locked_down(self, assembly: Path) -> None:
        template = only(assembly, "EC2::LaunchTemplate")["LaunchTemplateData"]
        assert template["MetadataOptions"]["HttpTokens"] == "required"
        assert [one["Ebs"]["Encrypted"] for one in template["BlockDeviceMappings"]] == [True]

    def test_user_data_is_mime_multi_part_and_prepares_disk_and_agent(self, assembly: Path) -> None:
        parts = user_data(assembly)
        assert list(parts)[:2] == ["text/cloud-boothook", "text/x-shellscript"]
        assert parts["text/cloud-boothook"] == (ROOT / "stacks" / "instance_storage.sh").read_text()
        assert "ECS_DISABLE_METRICS=true" in parts["text/x-shellscript"]

    def test_no_job_reaches_the_metadata_service_where_its_host_gets_credentials(self, assembly: Path) -> None:
        users = {job["ContainerProperties"]["User"].partition(":")[0] for job in job_definitions(assembly).values()}
        (uid,) = users
        rule = f"iptables --append OUTPUT --destination 169.254.169.254 --match owner --uid-owner {uid} --jump REJECT"
        assert rule in user_data(assembly)["text/x-shellscript"].splitlines()

    def test_a_job_asks_for_aws_in_its_own_region(self, container: Resource) -> None:
        environment = {one["Name"]: one["Value"] for one in container["Environment"]}
        assert environment["AWS_DEFAULT_REGION"] == {"Ref": "AWS::Region"}

    def test_every_log_group_forgets(self, assembly: Path) -> None:
        groups = resources(assembly, "Logs::LogGroup")
        assert len(groups) == 4
        assert all(group["Properties"]["RetentionInDays"] >= 30 for group in groups)


class TestNetwork:
    def test_hosts_have_no_way_out_but_the_endpoints(self, assembly: Path) -> None:
        assert not resources(assembly, "EC2::InternetGateway")
        assert not resources(assembly, "EC2::NatGateway")
        assert not any(one["Properties"]["MapPublicIpOnLaunch"] for one in resources(assembly, "EC2::Subnet"))
        endpoints = [one["Properties"] for one in resources(assembly, "EC2::VPCEndpoint")]
        names = {render(one["ServiceName"]).partition(">.")[2] for one in endpoints}
        assert names == {"ecr.api", "ecr.dkr", "ecs", "ecs-agent", "logs", "s3"}

    def test_an_endpoint_is_paid_for_in_one_zone_only(self, assembly: Path) -> None:
        endpoints = [one["Properties"] for one in resources(assembly, "EC2::VPCEndpoint")]
        assert {len(one["SubnetIds"]) for one in endpoints if one["VpcEndpointType"] == "Interface"} == {1}
        assert len(resources(assembly, "EC2::Subnet")) == 2

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


def test_asleep_there_is_nothing_that_costs_by_the_hour_and_no_host_is_started(asleep: Path) -> None:
    for kind in ("FSx::FileSystem", "EC2::NatGateway"):
        assert not resources(asleep, kind)
    assert [one["Properties"]["VpcEndpointType"] for one in resources(asleep, "EC2::VPCEndpoint")] == ["Gateway"]
    environments = [one["Properties"] for one in resources(asleep, "Batch::ComputeEnvironment")]
    assert [one["State"] for one in environments] == ["DISABLED", "DISABLED"]


def test_everything_that_takes_tags_can_be_told_from_the_rest_of_the_bill(assembly: Path) -> None:
    for kind in ("S3::Bucket", "Batch::ComputeEnvironment", "Batch::JobDefinition", "Lambda::Function", "SQS::Queue"):
        for one in resources(assembly, kind):
            assert "cell-painting-batch" in json.dumps(one["Properties"]["Tags"]), one
    (launched, _) = only(assembly, "EC2::LaunchTemplate")["LaunchTemplateData"]["TagSpecifications"]
    assert launched["ResourceType"] == "instance"
    assert {"Key": "project", "Value": "cell-painting-batch"} in launched["Tags"]


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
