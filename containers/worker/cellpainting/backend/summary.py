"""From the records of all batches to the report on the ingest."""

import resource
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version

from cellpainting.backend.analysis import Analysis
from cellpainting.backend.batch import BatchReader, is_relationships
from cellpainting.backend.batch_record import BatchRecord, MixedTypes, Oddity, Rejection
from cellpainting.backend.build import Builder, Built
from cellpainting.backend.csv_sets import table_name
from cellpainting.backend.csv_table import NO_OBJECTS
from cellpainting.backend.image_index import ImageIndex
from cellpainting.backend.names import IMAGE
from cellpainting.backend.outcomes import missing_rows, numbered, outcomes_of
from cellpainting.backend.report import ColumnDifference, IngestReport, TableReport, column_differences


def summarise(
    index: ImageIndex,
    analysis: Analysis,
    records: Sequence[BatchRecord],
    builder: Builder,
    built: Built,
    reader: BatchReader,
) -> IngestReport:
    """Put together what there is to say, but for what the ingest itself knows: batch, digest, files, time."""
    left_out = [one for files, reason in index.unreadable + index.copies for one in reader.rejected_set(files, reason)]
    found = [one for record in records for one in record.rejections] + left_out
    foreign = [one for one in found if one.reason == NO_OBJECTS and one.table not in builder.tables]
    rejections = [one for one in found if one not in foreign]
    rejections += missing_rows(index, builder.counts, builder.compartments, rejections)
    rejections.sort(key=lambda one: (one.file, one.table, one.image_number or 0))  # whoever was read first
    planned = [one for one in analysis.planned if one.image_set.plate in ("", builder.plate)]
    outcomes = outcomes_of(index, builder.counts, builder.compartments, rejections, planned)
    batch = next((one.image_set.batch for one in planned), "")
    return IngestReport(
        plate=builder.plate,
        batch=batch,
        analysis=analysis.name,
        made_from="",
        version=version("cellpainting"),
        aggregate=builder.settings.aggregate,
        outcomes=numbered(outcomes, batch),
        objects=builder.objects_by_well,
        tables=_tables(records, builder, rejections, left_out),
        rejections=tuple(rejections),
        refusals=(*built.refusals, *_not_there(builder)),
        oddities=(*_renumbered(index), *(one for record in records for one in record.oddities), *built.oddities),
        differences=tuple(_differences(records)),
        mixed=_mixed(records),
        left_out=(*_relationships(index), *(one.file for one in foreign)),
        files=(),
        bytes_read=sum(record.size for record in records),
        seconds=0.0,
        peak_memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


def _relationships(index: ImageIndex) -> list[str]:
    return [file.key for one in index.sets for name, file in one.files.tables.items() if is_relationships(name)]


def _tables(
    records: Sequence[BatchRecord], builder: Builder, rejections: Sequence[Rejection], left_out: Sequence[Rejection]
) -> dict[str, TableReport]:
    rejected = Counter[str]()
    for one in rejections:
        rejected[one.table] += one.rows
    total, taken, others = Counter[str](), Counter[str](), Counter[str]()
    for record in records:
        total.update(record.rows_in)
        taken.update(record.rows_out)
        others.update(record.rows_of_other_plates)
    for one in left_out:
        total[one.table] += one.rows
    columns = {name: 0 for name in sorted(rejected) if name}  # of some, nothing at all could be taken
    columns |= {name: len(table.columns) for name, table in builder.tables.items()}
    return {
        name: TableReport(total[name], taken[name], rejected[name], others[name], count)
        for name, count in columns.items()
    }


def _not_there(builder: Builder) -> list[str]:
    """Tables that were asked for by name and that no set has."""
    names = map(table_name, builder.settings.compartments)
    return [f"no {name}: no image set of the plate has a file of it" for name in names if name not in builder.tables]


def _differences(records: Sequence[BatchRecord]) -> list[ColumnDifference]:
    found: dict[str, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for table, columns in record.columns.items():
            for names, folders in columns.items():
                found[table][names] += folders
    return [one for table in sorted(found) for one in column_differences(table, found[table])]


def _mixed(records: Sequence[BatchRecord]) -> dict[str, MixedTypes]:
    mixed: dict[str, MixedTypes] = {}
    for record in records:
        for name, types in record.mixed.items():
            mixed[name] = mixed[name].plus(types) if name in mixed else types
    return mixed


def _renumbered(index: ImageIndex) -> list[Oddity]:
    problem = "another Image.csv has the same CRC-32: its TableNumber is the next one that is free"
    return [Oddity(f"{folder}/{IMAGE}.csv", problem) for folder in index.renumbered]
