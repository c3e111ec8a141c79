"""docs/acceleration.md tells of every accelerated part and every unstable column."""

import re

import pytest

from cellpainting.cellprofiler.inside.accelerated.parts import PARTS
from cellpainting.cellprofiler.inside.accelerated.tolerance import UNSTABLE
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "acceleration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [part.name for part in PARTS])
def test_part_has_a_row(name: str) -> None:
    assert re.search(rf"^\| `?{re.escape(name)}`? \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("rule", UNSTABLE, ids=[rule.columns for rule in UNSTABLE])
def test_unstable_columns_have_a_row_with_the_reason(rule: "tuple[str, float, str]") -> None:
    columns, absolute, reason = rule
    assert f"| `{columns}` | {absolute:g} | {reason} |" in PAGE
