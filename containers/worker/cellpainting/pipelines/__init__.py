"""A pipeline's own text: its modules, and what they say of load data, groups and images. Standard library only."""

from cellpainting.pipelines.module import Module
from cellpainting.pipelines.parse import parse_pipeline
from cellpainting.pipelines.pipeline import Pipeline

__all__ = ["Module", "Pipeline", "parse_pipeline"]
