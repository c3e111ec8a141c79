"""Draws docs/images/architecture.svg from the templates: what is deployed, and what leads to what.

Boxes are resources and arrows are references between them, so that the picture is as the code is. What only watches the
others is left out.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
STACKS = ("network-cpb", "storage-cpb", "batch-cpb")
Resource = dict[str, Any]

# Type of resource: the column that its boxes are in, and what it is called.
BOXES = {
    "AWS::SQS::Queue": (1, "queue"),
    "AWS::Lambda::Function": (2, "function"),
    "AWS::SNS::Topic": (3, "topic"),
    "AWS::Batch::JobQueue": (3, "job queue"),
    "AWS::Batch::ComputeEnvironment": (4, "hosts"),
    "AWS::Batch::JobDefinition": (5, ""),
    "AWS::FSx::FileSystem": (5, "file system"),
    "AWS::S3::Bucket": (6, "bucket"),
}
# What is not in the templates but in the nature of Batch: hosts run jobs.
RUNS = ("AWS::Batch::ComputeEnvironment", "AWS::Batch::JobDefinition")
LEFT_OUT = ("Monitoring", "AccessLogs")  # how their ids begin
# Resources that are no boxes but lead from one to another: where from, where to, the type that is meant, and why.
ARROWS = {
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn", "FunctionName", "AWS::Lambda::Function", "messages"),
    "AWS::Events::Rule": ("EventPattern", "Targets", "AWS::Lambda::Function", "ends of jobs"),
    "AWS::Lambda::EventInvokeConfig": ("FunctionName", "DestinationConfig", "AWS::SQS::Queue", "what failed"),
    "AWS::FSx::DataRepositoryAssociation": ("DataRepositoryPath", "FileSystemId", "AWS::FSx::FileSystem", "shows"),
}
# Properties of boxes that name another box: the type that is meant, and why.
LINKS = {
    ("AWS::SQS::Queue", "RedrivePolicy"): ("AWS::SQS::Queue", "after 3 receives"),
    ("AWS::Batch::JobQueue", "ComputeEnvironmentOrder"): ("AWS::Batch::ComputeEnvironment", ""),
}
# What a role may do, where it leads to, and why.
PERMISSIONS = {
    "batch:SubmitJob": ("AWS::Batch::JobQueue", "jobs"),
    "sns:Publish": ("AWS::SNS::Topic", "run finished"),
    "s3:PutObject": ("AWS::S3::Bucket", "writes"),
}
WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 150, 72, 246, 100, 30
PRIVATE = (4, 5)  # columns of what is in the VPC
ROLES = ("Role", "ContainerProperties")  # where a box names its own role


@dataclass(frozen=True)
class Box:
    """One box: where it is, in columns and rows from 0, and its text. A column of fewer rows has them in its middle."""

    column: int
    row: float
    title: str
    lines: tuple[str, ...]

    @property
    def x(self) -> int:
        return MARGIN + self.column * ACROSS

    @property
    def y(self) -> int:
        return MARGIN + round(self.row * DOWN)


class Deployment:
    """The resources of all stacks, by stack and logical id, and what they refer to."""

    def __init__(self, folder: Path) -> None:
        self.resources: dict[str, Resource] = {}
        exports: dict[str, str] = {}
        for stack in STACKS:
            template = json.loads((folder / f"{stack}.template.json").read_text())
            self.resources |= template["Resources"]
            for output in template.get("Outputs", {}).values():
                if "Export" in output:
                    exports[str(output["Export"]["Name"])] = next(_names(output["Value"], exports), "")
        self._exports = exports

    def of(self, kind: str) -> Iterator[tuple[str, Resource]]:
        """The resources of a type."""
        return ((name, one["Properties"]) for name, one in self.resources.items() if one["Type"] == kind)

    def names(self, value: object) -> list[str]:
        """The logical ids that a value refers to, also those of other stacks."""
        return list(dict.fromkeys(_names(value, self._exports)))

    def permissions(self) -> Iterator[tuple[str, str, list[str]]]:
        """Box that has a role, action that the role allows, and the resources that it is allowed on."""
        owners = defaultdict(list)
        for name, one in self.resources.items():
            for role in self.names([one.get("Properties", {}).get(key) for key in ROLES]):
                owners[role].append(name)
        for _, policy in self.of("AWS::IAM::Policy"):
            for role, statement in product(self.names(policy["Roles"]), policy["PolicyDocument"]["Statement"]):
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                if statement["Effect"] == "Allow":
                    for name, action in product(owners[role], actions):
                        yield name, action, self.names(statement["Resource"])


def _names(value: object, exports: Mapping[str, str]) -> Iterator[str]:
    match value:
        case {"Ref": str() as name}:
            yield name
        case {"Fn::GetAtt": [str() as name, *_]}:
            yield name
        case {"Fn::ImportValue": str() as export}:
            yield exports[export]
        case dict():
            for inner in value.values():
                yield from _names(inner, exports)
        case list():
            for inner in value:
                yield from _names(inner, exports)


def main(picture: Path = PICTURE) -> None:
    """Draw the picture of the storage mode that has most."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, "CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": '{"storage": "fsx"}'}
        subprocess.run([sys.executable, str(ROOT / "app.py")], env=variables, check=True)
        deployment = Deployment(Path(folder))
    boxes, shown_by = place(deployment)
    picture.write_text("\n".join(draw(boxes, arrows(deployment, shown_by))) + "\n")


def place(deployment: Deployment) -> tuple[dict[str, Box], dict[str, str]]:
    """The boxes by id, and for each resource that is shown, the id of its box. Job types of one image share a box."""
    boxes = {"you": Box(0, 0, "you", ("cpb submit", "aws sqs send-message"))}
    shown_by: dict[str, str] = {}
    for kind, (column, called) in BOXES.items():
        for name, properties in deployment.of(kind):
            if name.startswith(LEFT_OUT):
                continue
            box_id, title, line = _identity(name, properties, called)
            shown_by[name] = box_id
            row = sum(box.column == column for box in boxes.values())
            box = boxes.setdefault(box_id, Box(column, row, title, ()))
            if line not in box.lines:
                boxes[box_id] = replace(box, lines=(*box.lines, line))
    return _centred(boxes), shown_by


def _centred(boxes: Mapping[str, Box]) -> dict[str, Box]:
    rows = Counter(box.column for box in boxes.values())
    most = max(rows.values())
    return {key: replace(box, row=box.row + (most - rows[box.column]) / 2) for key, box in boxes.items()}


def _identity(name: str, properties: Resource, called: str) -> tuple[str, str, str]:
    """The id of a resource's box, and its title and a line of text in it."""
    if "ContainerProperties" not in properties:
        return name, _title(name), called
    container = properties["ContainerProperties"]
    runtime = container["ExecutionRoleArn"]["Fn::GetAtt"][0]
    job_type = container["LogConfiguration"]["Options"]["awslogs-stream-prefix"]
    return runtime, f"image {runtime.removeprefix('Runtime').partition('ExecutionRole')[0]}", job_type


def _title(name: str) -> str:
    """A logical id in words, without the hash at its end and the constructs that say where it is."""
    words = re.sub(r"^(Hosts|Dispatcher(?=Lost))|Function$|Jobs$", "", name[:-8])
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words)


def arrows(deployment: Deployment, shown_by: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """From box to box, and why."""
    kinds = {name: one["Type"] for name, one in deployment.resources.items()}
    found: dict[tuple[str, str], str] = {}

    def lead(sources: Iterable[str], targets: Iterable[str], why: str, kind: str = "") -> None:
        for one, other in product(sources, targets):
            ends = (shown_by.get(one, ""), shown_by.get(other, ""))
            if all(ends) and ends[0] != ends[1] and kind in ("", kinds[other]):
                found.setdefault(ends, why)

    for kind, (source, target, meant, why) in ARROWS.items():
        for _, properties in deployment.of(kind):
            lead(deployment.names(properties.get(source)), deployment.names(properties.get(target)), why, meant)
    for (kind, link), (target, why) in LINKS.items():
        for name, properties in deployment.of(kind):
            lead([name], deployment.names(properties.get(link)), why, target)
    for name, action, resources in deployment.permissions():
        if action in PERMISSIONS:
            target, why = PERMISSIONS[action]
            lead([name], resources, why, target)
    hosts, jobs = [[name for name, _ in deployment.of(kind)] for kind in RUNS]
    lead(hosts, jobs, "")
    requests = [name for name in shown_by if name.startswith("Requests")]
    return {("you", shown_by[requests[0]]): "request", **found}


def draw(boxes: Mapping[str, Box], found: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """The lines of the picture."""
    width = max(box.x for box in boxes.values()) + WIDTH + MARGIN
    lane = max(box.y for box in boxes.values()) + HEIGHT + MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {lane + MARGIN}" font-family="sans-serif">'
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    yield '<path d="M0,0 L8,4 L0,8 z" fill="#789"/></marker>'
    yield from _private(boxes.values())
    for (source, target), why in found.items():
        yield from _arrow(*_path(boxes[source], boxes[target], lane), why)
    for box in boxes.values():
        yield from _box(box)
    yield "</svg>"


def _box(box: Box) -> Iterator[str]:
    middle, top = box.x + WIDTH // 2, box.y + (HEIGHT - 12 * len(box.lines)) // 2 + 2
    yield f'<rect x="{box.x}" y="{box.y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef3f8" stroke="#456"/>'
    yield f'<text x="{middle}" y="{top}" text-anchor="middle" font-size="13">{escape(box.title)}</text>'
    for number, line in enumerate(box.lines, start=1):
        y = top + 2 + 12 * number
        yield f'<text x="{middle}" y="{y}" text-anchor="middle" font-size="10" fill="#456">{escape(line)}</text>'


def _private(boxes: Iterable[Box]) -> Iterator[str]:
    """A frame around what has no way to the internet."""
    inside = [box for box in boxes if box.column in PRIVATE]
    x, y = min(box.x for box in inside) - 14, min(box.y for box in inside) - 10
    width = max(box.x for box in inside) + WIDTH + 14 - x
    height = max(box.y for box in inside) + HEIGHT + 10 - y
    frame = 'rx="8" fill="none" stroke="#9ab" stroke-dasharray="5 4"'
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" {frame}/>'
    told = "private subnets, no way to the internet"
    yield f'<text x="{x + 8}" y="{y + height - 8}" font-size="10" fill="#456">{told}</text>'


def _path(source: Box, target: Box, lane: int) -> tuple[str, int, int]:
    """The way of an arrow, and where its text is: between boxes of a column straight, to the next columns a curve from
    right to left, one back below the one there, and further on below all boxes.
    """
    middle = HEIGHT // 2
    if source.column == target.column:
        x = source.x + WIDTH // 2
        start, end = (source.y, target.y + HEIGHT + 3) if source.row > target.row else (source.y + HEIGHT, target.y - 3)
        return f"M{x},{start} L{x},{end}", x, (start + end) // 2 + 3
    if target.column > source.column + 2:
        x1, x2 = source.x + WIDTH // 2, target.x + WIDTH // 2
        return f"M{x1},{source.y + HEIGHT} V{lane} H{x2} V{target.y + HEIGHT + 3}", (x1 + x2) // 2, lane - 4
    x1, x2, y1, y2 = source.x + WIDTH, target.x - 3, source.y + middle, target.y + middle
    if target.column < source.column:
        x1, x2, y1, y2 = source.x, target.x + WIDTH + 3, y1 + 12, y2 + 12
    bend = (x1 + x2) // 2
    return f"M{x1},{y1} C{bend},{y1} {bend},{y2} {x2},{y2}", bend, (y1 + y2) // 2 + (12 if x2 < x1 else -4)


def _arrow(path: str, x: int, y: int, why: str) -> Iterator[str]:
    yield f'<path d="{path}" fill="none" stroke="#789" marker-end="url(#head)"/>'
    if why:
        halo = 'stroke="#fff" stroke-width="3" paint-order="stroke"'
        yield f'<text x="{x}" y="{y}" text-anchor="middle" font-size="10" fill="#345" {halo}>{escape(why)}</text>'


if __name__ == "__main__":
    main()
