"""What is measured of one pair of images, and when it isn't."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By what there is a setting for ("manders"): numbers for images, arrays of one for each object.
Values = Mapping[str, tuple[Any, ...]]


class OtherwiseThanUsual(Exception):
    """Images or objects for which CellProfiler raises an error, or warns and goes on with what is no number."""
