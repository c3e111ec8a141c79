"""`storage-cpb`: the data bucket, which outlives everything else."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constants import StorageSettings


class StorageStack(cdk.Stack):
    """What must outlive every other stack: images, pipelines, results and run records."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StorageSettings,
        env: cdk.Environment | None = None,
    ) -> None:
        super().__init__(scope, id_, env=env, description="Cell Painting Batch: storage")
        self.settings = settings
        self.bucket = self._build_bucket(settings, self._build_access_log_bucket(settings))

    def _build_access_log_bucket(self, settings: StorageSettings) -> s3.Bucket:
        return s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(settings.access_log_days))],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _build_bucket(self, settings: StorageSettings, access_logs: s3.IBucket) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Data",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            versioned=True,
            server_access_logs_bucket=access_logs,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(settings.incomplete_upload_days),
                    noncurrent_version_expiration=cdk.Duration.days(settings.noncurrent_version_days),
                    expired_object_delete_marker=True,
                ),
                s3.LifecycleRule(prefix="runs/rejected/", expiration=cdk.Duration.days(settings.rejected_message_days)),
            ],
            # Images can't be taken again: deleting the stack leaves the bucket.
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
