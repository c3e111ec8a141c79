"""Reads metrics as CloudWatch Logs does: documents of the embedded metric format, judged by its published schema."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from tests.conftest import DATA

SCHEMA = Draft202012Validator(json.loads((DATA / "embedded_metric_format.json").read_text()))


def figures(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The documents with metrics among JSON lines, each valid, with every name in it resolved as the text demands."""
    found = [document for line in lines if "_aws" in (document := json.loads(line))]
    for document in found:
        SCHEMA.validate(document)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == "CellPaintingBatch"
            for metric in directive["Metrics"]:
                assert isinstance(document[metric["Name"]], int | float), metric
            for name in directive["Dimensions"][0]:
                assert isinstance(document[name], str), name
    return found


def dimensions(document: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """The sets of dimensions that a document gives each metric."""
    sets: dict[str, list[list[str]]] = {}
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            sets.setdefault(metric["Name"], []).extend(directive["Dimensions"])
    return sets
