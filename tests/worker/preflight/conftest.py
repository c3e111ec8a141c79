"""The pipeline that most of these tests are about."""

import pytest

from cellpainting.pipelines import Pipeline, parse_pipeline
from tests.worker.preflight.plates import PIPELINE


@pytest.fixture
def pipeline() -> Pipeline:
    return parse_pipeline(PIPELINE, "p.cppipe")
