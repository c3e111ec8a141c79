"""Reads the templates of an assembly."""

import email
import json
from pathlib import Path
from typing import Any

Resource = dict[str, Any]


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


def said(statements: list[dict[str, Any]], effect: str = "Allow") -> set[str]:
    return {
        f"{action} on {render(resource)}"
        for statement in statements
        if statement["Effect"] == effect
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def permissions(folder: Path) -> set[str]:
    return said(statements(folder))


def function(folder: Path, construct: str) -> Resource:
    """The properties of the Lambda function of one construct."""
    return _named(folder, "Lambda::Function", f"{construct}Function")


def rule(folder: Path, construct: str) -> Resource:
    """The properties of one rule of EventBridge."""
    return _named(folder, "Events::Rule", construct)


def _named(folder: Path, kind: str, construct: str) -> Resource:
    """The properties of the only resource of a type whose logical id holds the construct's."""
    template = json.loads((folder / "batch-cpb.template.json").read_text())["Resources"]
    (found,) = [one for name, one in template.items() if one["Type"] == f"AWS::{kind}" and construct in name]
    properties: Resource = found["Properties"]
    return properties


def job_definitions(folder: Path) -> dict[str, Resource]:
    """The properties of each job type's job definition. Its log streams say which job type it is."""
    found = [one["Properties"] for one in resources(folder, "Batch::JobDefinition")]
    return {one["ContainerProperties"]["LogConfiguration"]["Options"]["awslogs-stream-prefix"]: one for one in found}


def hosts(folder: Path) -> tuple[Resource, Resource]:
    """The Spot and the On-Demand environment's resources."""
    found = [one["Properties"]["ComputeResources"] for one in resources(folder, "Batch::ComputeEnvironment")]
    spot, on_demand = sorted(found, key=lambda one: str(one["Type"]), reverse=True)
    return spot, on_demand


def user_data(folder: Path) -> dict[str, str]:
    """The parts of the hosts' user data, by content type."""
    template = only(folder, "EC2::LaunchTemplate")["LaunchTemplateData"]
    message = email.message_from_string(render(template["UserData"]))
    assert message.defects == []
    assert message.get_content_type() == "multipart/mixed"
    return {part.get_content_type(): str(part.get_payload()) for part in message.walk() if not part.is_multipart()}
