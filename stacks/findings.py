"""cdk-nag findings that are accepted, each with the reason, next to the resource it concerns."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

PACK = "AwsSolutions"


def accept(resource: IConstruct, rule: str, *, reason: str) -> None:
    """Accept one finding on a resource and all that is below it.

    `rule` is the rule's short name, with the finding in brackets where the rule reports several:
    "SQS3", "IAM5[Resource::*]". An id that matches nothing hides nothing.
    """
    cdk.Validations.of(resource).acknowledge(
        cdk.Acknowledgment(id=f"{PACK}::{PACK}-{rule}", reason=reason),
    )


def accept_objects(role: iam.IRole, bucket: s3.IBucket, keys: str, *, reason: str) -> None:
    """Accept that a role may use all objects that match `keys` in a bucket of another stack.

    cdk-nag names such a bucket by its export, whose name CDK generates.
    """
    exported = cdk.Stack.of(bucket).export_value(bucket.bucket_arn)
    name = cdk.Stack.of(role).resolve(exported)["Fn::ImportValue"]
    accept(role, f"IAM5[Resource::{name}/{keys}]", reason=reason)
