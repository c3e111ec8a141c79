"""Batch's retry strategy: whether an attempt that failed is followed by another."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from cellpainting.local.attempt import Outcome


def lower_keys(document: Any) -> Any:
    """A CloudFormation document with the API's spelling: the first letter of every key in lower case."""
    if isinstance(document, Mapping):
        return {key[:1].lower() + key[1:]: lower_keys(value) for key, value in document.items()}
    if isinstance(document, list):
        return [lower_keys(item) for item in document]
    return document


def is_retried(strategy: Mapping[str, Any], attempt: int, outcome: Outcome) -> bool:
    """Apply `attempts` and `evaluateOnExit`: the first condition that matches decides; without one, try again."""
    if attempt >= int(strategy.get("attempts", 1)):
        return False
    for condition in strategy.get("evaluateOnExit", []):
        if _matches(condition, outcome):
            return str(condition["action"]).upper() == "RETRY"
    return True


def _matches(condition: Mapping[str, str], outcome: Outcome) -> bool:
    facts = {"onExitCode": str(outcome.exit_code), "onStatusReason": outcome.status_reason, "onReason": ""}
    return all(fnmatchcase(facts[name], pattern) for name, pattern in condition.items() if name in facts)
