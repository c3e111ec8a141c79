"""The bucket as a file system: FSx for Lustre, and how a host mounts it."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constants import SharedFileSystemSettings


class SharedFileSystem(Construct):
    """A Lustre file system that shows the whole bucket: <mount point>/<key> is s3://<bucket>/<key>."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        vpc: ec2.IVpc,
        bucket: s3.IBucket,
        settings: SharedFileSystemSettings,
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self.mount_point = settings.mount_point
        self.security_group = self._build_security_group(vpc)
        self.file_system = self._build_file_system(vpc)
        self._link(bucket)

    def _build_security_group(self, vpc: ec2.IVpc) -> ec2.SecurityGroup:
        """One group for file servers and hosts alike: Lustre opens connections in both directions.

        LustreFileSystem itself lets members reach each other on Lustre's ports, 988 to 1023.
        """
        return ec2.SecurityGroup(
            self, "Members", vpc=vpc, description="Lustre file servers and the hosts that mount them"
        )

    def _build_file_system(self, vpc: ec2.IVpc) -> fsx.LustreFileSystem:
        return fsx.LustreFileSystem(
            self,
            "FileSystem",
            vpc=vpc,
            vpc_subnet=_first_private_subnet(vpc),
            security_group=self.security_group,
            storage_capacity_gib=self._settings.capacity_gib,
            # The version that the Lustre client of Amazon Linux 2023 speaks.
            file_system_type_version=fsx.FileSystemTypeVersion.V_2_15,
            lustre_configuration=fsx.LustreConfiguration(
                deployment_type=fsx.LustreDeploymentType.PERSISTENT_2,
                per_unit_storage_throughput=self._settings.throughput_mbps_per_tib,
                data_compression_type=fsx.LustreDataCompressionType.LZ4,
            ),
            # A view of the bucket that nothing but S3 writes to: there is nothing in it to lose.
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _link(self, bucket: s3.IBucket) -> None:
        """Changes flow from the bucket to the file system only: jobs write their results to S3."""
        association = fsx.CfnDataRepositoryAssociation
        association(
            self,
            "Bucket",
            file_system_id=self.file_system.file_system_id,
            file_system_path="/",
            data_repository_path=f"s3://{bucket.bucket_name}/",
            batch_import_meta_data_on_create=True,
            s3=association.S3Property(
                auto_import_policy=association.AutoImportPolicyProperty(events=["NEW", "CHANGED", "DELETED"])
            ),
        )

    def cloud_config(self) -> str:
        """How a host mounts it, for cloud-init: install the client (its repository is in S3, so that the gateway
        endpoint suffices) and mount.

        The ECS agent starts after cloud-init. Masked, it never does, so a host whose mount failed takes
        no jobs instead of handing them an empty folder.
        """
        folder = self.mount_point
        source = f"{self.file_system.dns_name}@tcp:/{self.file_system.mount_name}"
        return "\n".join(
            [
                "#cloud-config",
                "packages:",
                "  - lustre-client",
                "runcmd:",
                f"  - mkdir -p {folder}",
                f"  - mount -t lustre -o relatime,flock {source} {folder}",
                f"  - mountpoint -q {folder} || systemctl mask ecs",
                "",
            ]
        )


def _first_private_subnet(vpc: ec2.IVpc) -> ec2.ISubnet:
    """A Lustre file system lives in one zone."""
    return (vpc.isolated_subnets or vpc.private_subnets)[0]
