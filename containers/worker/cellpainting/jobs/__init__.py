"""Requests: the text of a message becomes frozen dataclasses here and nowhere else. Standard library only."""

from cellpainting.jobs.build_backend import BuildBackend
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.jobs.make_profiles import MakeProfiles
from cellpainting.jobs.make_report import MakeReport
from cellpainting.jobs.message import Job, WholeJob, is_same_run, parse_job, parse_message
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.jobs.run_record import RunRecord

__all__ = [
    "BuildBackend",
    "DownloadImages",
    "Job",
    "MakeProfiles",
    "MakeReport",
    "ProcessPlate",
    "Resources",
    "RunCellProfiler",
    "RunRecord",
    "WholeJob",
    "is_same_run",
    "parse_job",
    "parse_message",
]
