"""Requests: the text of a message becomes frozen dataclasses here and nowhere else. Standard library only."""

from cellpainting.jobs.build_backend import BuildBackend
from cellpainting.jobs.decode_fovs import DecodeFovs
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.jobs.make_profiles import MakeProfiles
from cellpainting.jobs.make_report import MakeReport
from cellpainting.jobs.merge_fovs import MergeFovs
from cellpainting.jobs.message import Job, StagedJob, WholeJob, is_same_run, parse_job, parse_message
from cellpainting.jobs.process_fovs import ProcessFovs
from cellpainting.jobs.process_plate import ProcessPlate
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.jobs.run_record import RunRecord

__all__ = [
    "BuildBackend",
    "DecodeFovs",
    "DownloadImages",
    "Job",
    "MakeProfiles",
    "MakeReport",
    "MergeFovs",
    "ProcessFovs",
    "ProcessPlate",
    "Resources",
    "RunCellProfiler",
    "RunRecord",
    "StagedJob",
    "WholeJob",
    "is_same_run",
    "parse_job",
    "parse_message",
]
