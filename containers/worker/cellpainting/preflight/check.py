"""Load data, pipeline, request and plate layout against each other: pure, without the storage."""

from collections.abc import Iterator

from cellpainting.errors import InvalidRequest
from cellpainting.jobs.run_cellprofiler import RunCellProfiler
from cellpainting.ledger.image_set import ImageSet
from cellpainting.load_data import LoadData
from cellpainting.pipelines import Pipeline
from cellpainting.planning.grouping import choose_grouping
from cellpainting.planning.selection import Selection, select, select_all
from cellpainting.preflight.channels import check_channels
from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.groups import check_groups, find_near_misses
from cellpainting.preflight.image_sets import check_image_sets, check_mixed_plates
from cellpainting.preflight.modules import check_modules
from cellpainting.preflight.plate_layout import check_plates


def check(job: RunCellProfiler, pipeline: Pipeline, table: LoadData, selection: Selection | None) -> list[Finding]:
    """All that the texts tell. `selection` is None when the request's grouping cannot be used."""
    image_sets = tuple(
        ImageSet.of(0, number, table.metadata(row), table.images(row)) for number, row in enumerate(table.rows, start=1)
    )
    labels = [image_set.label for image_set in image_sets]
    findings = [
        *check_modules(job, pipeline),
        *check_channels(pipeline, table, planned_rows(table, selection), labels),
        *_pipeline_keys(pipeline, table),
        *check_plates(image_sets),
        *check_image_sets(table, image_sets),
    ]
    if selection is not None:
        findings += check_groups(selection, find_near_misses(table, selection), labels)
        findings += check_mixed_plates(selection, image_sets)
    return findings


def choose_selection(job: RunCellProfiler, pipeline: Pipeline, table: LoadData) -> Selection | None:
    """The image sets of each group; None if planning would refuse the grouping, and say why."""
    try:
        group_by = choose_grouping(job, pipeline, table).group_by
    except InvalidRequest:
        return None
    return select(table, group_by, job.groups) if job.groups else select_all(table, group_by)


def planned_rows(table: LoadData, selection: Selection | None) -> list[int]:
    """The numbers of the rows that would be measured; all, as long as it is not known which."""
    if selection is None:
        return list(range(len(table.rows)))
    return [number for numbers in selection.rows.values() for number in numbers]


def _pipeline_keys(pipeline: Pipeline, table: LoadData) -> Iterator[Finding]:
    known = [name for name in table.positions if name.startswith("Metadata_")]
    for name in pipeline.grouping:
        if name not in known:
            yield Finding(
                Severity.ERROR,
                name,
                f"the pipeline groups by a column that the load data has not; it has {', '.join(known) or 'none'}",
                "add it to the load data, or take it out of the pipeline's grouping",
            )
