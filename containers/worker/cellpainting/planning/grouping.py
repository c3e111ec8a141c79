"""Which image sets CellProfiler measures together, and the folder that each such group's results go to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.load_data import LoadData
from cellpainting.pipelines import Pipeline

PLATE = "Metadata_Plate"
# What a folder is named by, where neither request nor pipeline says it: the Gallery's order.
GALLERY_KEYS = ("Metadata_Source", "Metadata_Batch", PLATE, "Metadata_Well", "Metadata_Site")
IMAGE_SET_KEYS = (PLATE, "Metadata_Well", "Metadata_Site")
SEPARATORS = re.compile(r"[/\\]")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Grouping:
    """`group_by` are metadata columns; none means that all image sets are one group."""

    group_by: tuple[str, ...]
    output_structure: str


def choose_grouping(job: RunCellProfiler, pipeline: Pipeline, table: LoadData) -> Grouping:
    """The request's grouping, else the pipeline's own, else by image set.

    A pipeline that is not grouped and puts image sets together, an illumination function say, stays whole.

    Raises
    ------
    InvalidRequest
        If the load data has no such column, or the groups would divide what the pipeline puts together.
    """
    group_by = tuple(job.group_by or (job.groups and job.groups[0]) or _own_grouping(pipeline, table))
    _require_columns(group_by, table)
    _require_whole(group_by, pipeline, table)
    return Grouping(group_by, job.output_structure or default_structure(group_by))


def default_structure(group_by: Sequence[str]) -> str:
    """The Cell Painting Gallery's folders below `analysis/<batch>/` or `illum/` (formats: Gallery keys)."""
    joined = "-".join(name for name in group_by if name not in GALLERY_KEYS[:2]) or "-".join(group_by)
    return f"{PLATE}/analysis/{joined}" if PLATE in group_by and joined != PLATE else joined


def folder_name(structure: str, values: Mapping[str, str]) -> str:
    """The folder of one group: each metadata column's name in `structure` replaced by the group's value.

    Raises
    ------
    InvalidRequest
        If a value is empty or leads elsewhere.
    """
    if not values:
        return ""
    names = "|".join(re.escape(name) for name in sorted(values, key=len, reverse=True))
    folder = re.sub(names, lambda match: _part(match[0], values[match[0]]), structure)
    if unknown := re.search(r"Metadata_[A-Za-z0-9]+", re.sub(names, "", structure)):
        raise InvalidField("output_structure", structure, f"{unknown[0]} is no column of the load data; correct it")
    if any(part in ("", ".", "..") for part in folder.split("/")):
        raise InvalidField("output_structure", structure, f"it gives the folder {folder!r}; use other columns")
    return folder


def _own_grouping(pipeline: Pipeline, table: LoadData) -> tuple[str, ...]:
    if not pipeline.grouping and pipeline.aggregates:
        return ()
    keys = pipeline.grouping or tuple(name for name in IMAGE_SET_KEYS if name in table.positions)
    return tuple(sorted(keys, key=lambda name: GALLERY_KEYS.index(name) if name in GALLERY_KEYS else len(GALLERY_KEYS)))


def _require_columns(group_by: Sequence[str], table: LoadData) -> None:
    known = [name for name in table.positions if name.startswith("Metadata_")]
    for name in group_by:
        if name not in known:
            raise InvalidField(
                "group_by", name, f"the load data has no such column; it has {', '.join(known) or 'no metadata'}"
            )


def _require_whole(group_by: Sequence[str], pipeline: Pipeline, table: LoadData) -> None:
    if not pipeline.aggregates:
        return
    inner = [table.positions[name] for name in pipeline.grouping if name in table.positions]
    outer = [table.positions[name] for name in group_by]
    groups: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in table.rows:
        together = tuple(row[at] for at in inner)
        group = tuple(row[at] for at in outer)
        if groups.setdefault(together, group) != group:
            raise InvalidRequest(
                f"group_by {list(group_by)} would divide image sets that {pipeline.aggregates[0]} puts together: the "
                f"pipeline groups by {list(pipeline.grouping) or 'nothing'}; group by the same or less"
            )


def _part(name: str, value: str) -> str:
    if not value.strip() or UNPRINTABLE.search(value):
        raise InvalidRequest(f"an image set has {name}={value!r}, which cannot name a folder; correct the load data")
    return SEPARATORS.sub("_", value)
