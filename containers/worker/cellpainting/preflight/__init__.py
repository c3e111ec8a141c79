"""What can be known of a request before anything is spent on it: load data, pipeline, storage and plate layout."""

from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.preflight import Preflight, check_request

__all__ = ["Finding", "Preflight", "Severity", "check_request"]
