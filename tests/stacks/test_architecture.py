"""The picture of the deployment is drawn from its templates."""

import re
from itertools import pairwise
from pathlib import Path

from cellpainting.jobs.message import JOB_TYPES
from scripts.architecture import Deployment, arrows, draw, place

ROOT = Path(__file__).resolve().parents[2]


def picture(folder: Path) -> str:
    deployment = Deployment(folder)
    boxes, shown_by = place(deployment)
    return "\n".join(draw(boxes, arrows(deployment, shown_by))) + "\n"


def test_the_picture_in_the_documentation_is_that_of_the_templates_as_they_are(assemblies: dict[str, Path]) -> None:
    kept = (ROOT / "docs" / "images" / "architecture.svg").read_text()
    assert picture(assemblies["fsx"]) == kept, "make architecture draws it anew"


def test_it_shows_every_job_type_both_kinds_of_hosts_and_the_way_of_a_request(assemblies: dict[str, Path]) -> None:
    texts = re.findall(r">([^<>]+)</text>", picture(assemblies["fsx"]))
    assert set(JOB_TYPES) | {"Requests", "Dispatcher", "Spot", "On Demand", "Data", "Dead Letters"} <= set(texts)
    deployment = Deployment(assemblies["fsx"])
    boxes, shown_by = place(deployment)
    named = {(boxes[source].title, boxes[target].title) for source, target in arrows(deployment, shown_by)}
    way = ["you", "Requests", "Dispatcher", "Spot", "Spot", "image cellprofiler", "Data"]
    assert set(pairwise(way)) <= named


def test_a_deployment_without_the_file_system_has_none_in_its_picture(assemblies: dict[str, Path]) -> None:
    assert "Shared File System" not in picture(assemblies["s3"])
