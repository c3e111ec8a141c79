"""IAM: jobs and functions act by their roles, and are refused what the roles' policies do not allow.

moto evaluates policies, but for all requests or for none, and knows the resource of S3 requests alone. Here requests
are judged that were signed with credentials of `Permissions`; all others are the administrator's, who may do anything.
Conditions, policies of buckets and queues, and what AWS itself does with a role are not looked at.
"""

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMRequest, S3IAMRequest
from moto.s3.models import s3_backends
from moto.s3.responses import ACTION_MAP

from cellpainting.errors import LocalCloudError
from cellpainting.local.deployment import REGION, Account
from cellpainting.local.moto_models import ACCOUNT

JOBS, FUNCTIONS = "ecs-tasks.amazonaws.com", "lambda.amazonaws.com"  # who assumes the roles
SIGNED_AS = {"monitoring": "cloudwatch"}  # services whose actions have another prefix than their signatures


class Permissions:
    """The roles' credentials: made when a role is first assumed, and judged at each request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._credentials: dict[tuple[str, str], dict[str, str]] = {}  # by role and service
        self._keys: set[str] = set()
        ActionAuthenticatorMixin._authenticate_and_authorize_action = self._judge_if_ours()
        ACTION_MAP["BUCKET"]["HEAD"]["DEFAULT"] = "ListBucket"  # the permission that HeadBucket asks for

    def variables(self, role: str, service: str) -> Mapping[str, str]:
        """The environment that makes a process act by a role, given its ARN; `service` is who assumes it.

        Raises
        ------
        LocalCloudError
            If the role does not trust the service.
        """
        if (role, service) not in self._credentials:
            self._require_trust(role, service)
            assumed = self._account.client("sts").assume_role(RoleArn=role, RoleSessionName="local")["Credentials"]
            self._keys.add(assumed["AccessKeyId"])
            self._credentials[role, service] = {
                "AWS_ACCESS_KEY_ID": assumed["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": assumed["SecretAccessKey"],
                "AWS_SESSION_TOKEN": assumed["SessionToken"],
            }
        return self._credentials[role, service]

    def client(self, service: str, role: str) -> Any:
        """A boto3 client that acts by a function's role, as Lambda does when it receives messages for it."""
        variables = self.variables(role, FUNCTIONS)
        keys = {name.lower(): value for name, value in variables.items()}
        endpoint_url, config = self._account.endpoint_url, Config(proxies={})
        client: Any = boto3.client  # of any service
        return client(service, endpoint_url=endpoint_url, config=config, region_name=REGION, **keys)

    def _require_trust(self, role: str, service: str) -> None:
        name = role.rpartition("/")[2]
        document = self._account.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        trusted = [statement["Principal"].get("Service") for statement in document["Statement"]]
        if service not in trusted:
            raise LocalCloudError(f"the role {name} trusts {trusted}, and not {service}, which is to assume it")

    def _judge_if_ours(self) -> Any:
        def judge(request: Any, kind: type[IAMRequest], resource: str = "*") -> None:
            signature = request.headers.get("Authorization", "")
            key = signature.partition("Credential=")[2].partition("/")[0]
            if key in self._keys:
                _judge(request, kind, resource)

        return judge


def _judge(request: Any, kind: type[IAMRequest], resource: str) -> None:
    """Raise the service's own error unless the role's policies allow the action on each resource that it is about."""
    asked = kind(
        account_id=request.current_account,
        method=request.method,
        path=request.raw_path,
        data=request.data,
        body=request.raw_body,
        headers=request.headers,
        action=request._get_action(),
    )
    service, _, action = asked._action.partition(":")
    if service == "batch":  # whose own answer is in lower case
        action = request._get_action_from_method_and_request_uri(request.normalized_request)
    asked._action = f"{SIGNED_AS.get(service, service)}:{action}"
    for one in [resource] if kind is S3IAMRequest else _resources(request, asked._action):
        asked.check_action_permitted(one)
    if asked._action == "s3:GetObject" and not _is_there(resource):
        # S3 tells only those who may list a bucket that something is not in it.
        asked._action = "s3:ListBucket"
        asked.check_action_permitted(resource.partition("/")[0])


def _resources(request: Any, action: str) -> list[str]:
    """What a request is about, where policies can say so."""
    if action == "batch:SubmitJob":
        submitted = json.loads(request.body)
        return [submitted["jobQueue"], submitted["jobDefinition"]]
    if action == "sns:Publish":
        return [request._get_param("TopicArn")]
    if action.startswith("sqs:"):
        return [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{request._get_param('QueueUrl').rpartition('/')[2]}"]
    return ["*"]


def _is_there(resource: str) -> bool:
    bucket, _, key = resource.rpartition(":")[2].partition("/")
    kept = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    return kept is not None and key in kept.keys
