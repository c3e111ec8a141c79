"""Claims about the buckets and, in storage mode `fsx`, the file system."""

import json
from pathlib import Path

import pytest

from tests.stacks.templates import (
    Resource,
    hosts,
    job_definitions,
    only,
    render,
    resources,
    user_data,
)


def data_bucket(folder: Path) -> Resource:
    template = json.loads((folder / "storage-cpb.template.json").read_text())
    (bucket,) = [
        one
        for one in template["Resources"].values()
        if one["Type"] == "AWS::S3::Bucket" and "LoggingConfiguration" in one["Properties"]
    ]
    assert isinstance(bucket, dict)
    return bucket


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

    def test_what_was_left_behind_is_removed_in_time_but_no_result(self, assembly: Path) -> None:
        everything, rejected = data_bucket(assembly)["Properties"]["LifecycleConfiguration"]["Rules"]
        assert everything == {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "ExpiredObjectDeleteMarker": True,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "Status": "Enabled",
        }
        assert rejected == {"ExpirationInDays": 90, "Prefix": "runs/rejected/", "Status": "Enabled"}

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
        for environment in hosts(assemblies["fsx"]):
            assert "SharedFileSystem" in json.dumps(environment["SecurityGroupIds"])

    def test_hosts_mount_it_where_jobs_look(self, assemblies: dict[str, Path]) -> None:
        config = user_data(assemblies["fsx"])["text/cloud-config"]
        assert config.startswith("#cloud-config\n")
        assert "  - lustre-client\n" in config
        (mount,) = [line for line in config.splitlines() if "mount -t lustre" in line]
        assert "@tcp:/<" in mount
        assert mount.endswith(" /fsx")

    def test_no_other_stack_uses_it_so_that_it_can_be_given_up(self, assemblies: dict[str, Path]) -> None:
        outputs = [
            json.loads((assemblies[mode] / f"{stack}.template.json").read_text()).get("Outputs", {})
            for stack in ("network-cpb", "storage-cpb")
            for mode in ("s3", "fsx")
        ]
        network_s3, network_fsx, storage_s3, storage_fsx = outputs
        assert network_s3 == network_fsx
        assert storage_s3 == storage_fsx
