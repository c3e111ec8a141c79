"""Claims about what roles and policies allow, in both storage modes."""

import json
from pathlib import Path
from typing import Any

import pytest

from constants import PRODUCTION
from tests.stacks.templates import (
    job_definitions,
    permissions,
    resources,
    said,
)

JOBS = {job.job_type: job for job in PRODUCTION.batch.jobs}

# Every permission of an allowed statement that has a `*` in it, and why nothing narrower will do.
REASONS = {
    "batch:DescribeJobs on *": "has no resource-level permissions",
    "batch:ListJobs on *": "has no resource-level permissions",
    "ecr:GetAuthorizationToken on *": "has no resource-level permissions",
    "s3:AbortMultipartUpload on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:DeleteObject on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:GetObject on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:PutObject on <Data>/*": "requests name keys anywhere in the data bucket",
    "s3:AbortMultipartUpload on <Data>/*.html": "a page lies where its request says",
    "s3:PutObject on <Data>/*.html": "a page lies where its request says",
    "s3:AbortMultipartUpload on <Data>/runs/*": "one folder per run",
    "s3:DeleteObject on <Data>/runs/*": "one folder per run",
    "s3:PutObject on <Data>/runs/*": "one folder per run",
}


def job_policies(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The statements of each job type's own role, by way of its job definition."""
    template = json.loads((folder / "batch-cpb.template.json").read_text())["Resources"]
    policies = {
        role["Ref"]: policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in template.values()
        if policy["Type"] == "AWS::IAM::Policy"
        for role in policy["Properties"]["Roles"]
    }
    return {
        job_type: policies[definition["ContainerProperties"]["JobRoleArn"]["Fn::GetAtt"][0]]
        for job_type, definition in job_definitions(folder).items()
    }


class TestPermissions:
    def test_every_wildcard_has_a_written_reason(self, assembly: Path) -> None:
        wildcards = {permission for permission in permissions(assembly) if "*" in permission}
        assert wildcards == set(REASONS)

    def test_no_role_has_policies_of_its_own_or_managed_ones_but_the_hosts(self, assembly: Path) -> None:
        roles = [one["Properties"] for one in resources(assembly, "IAM::Role")]
        assert not any("Policies" in role for role in roles)
        managed = [role for role in roles if "ManagedPolicyArns" in role]
        assert [role["Description"] for role in managed] == ["ECS agent on the hosts of Cell Painting Batch"]

    @pytest.mark.parametrize("job_type", JOBS)
    def test_a_job_may_read_the_data_bucket_and_write_where_its_type_has_to(
        self, assembly: Path, job_type: str
    ) -> None:
        allowed = said(job_policies(assembly)[job_type])
        reads = {"s3:ListBucket on <Data>", "s3:GetObject on <Data>/*"}
        verbs = {"s3:AbortMultipartUpload": JOBS[job_type].writes, "s3:PutObject": JOBS[job_type].writes}
        verbs["s3:DeleteObject"] = JOBS[job_type].deletes
        assert allowed == reads | {f"{verb} on <Data>/{keys}" for verb, patterns in verbs.items() for keys in patterns}

    @pytest.mark.parametrize("job_type", JOBS)
    def test_no_job_may_approve_of_results_or_write_what_the_dispatcher_goes_by(
        self, assembly: Path, job_type: str
    ) -> None:
        denied = said(job_policies(assembly)[job_type], "Deny")
        kept = ("approvals/*", "budget/*", "held.json", "notices/*", "submissions/*")
        records = [*(f"runs/*/{key}" for key in kept), "runs/rejected/*"]
        records += [] if job_type in ("process_plate", "process_fovs") else ["runs/*/request.json"]
        assert denied == {f"s3:{verb}Object on <Data>/{keys}" for verb in ("Put", "Delete") for keys in records}

    def test_what_only_plans_writes_run_records_only(self) -> None:
        planning = [job for job in JOBS.values() if job.plans_stages]
        assert {job.job_type for job in planning} == {"process_plate", "process_fovs"}
        assert all(job.writes == ("runs/*",) for job in planning)

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
