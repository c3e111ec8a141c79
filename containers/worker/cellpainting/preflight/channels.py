"""The images that the pipeline uses against the images that the load data names."""

from collections.abc import Iterable, Iterator, Sequence

from cellpainting.load_data import IMAGE_PREFIXES, LoadData
from cellpainting.pipelines import Pipeline
from cellpainting.preflight.finding import Finding, Severity


def check_channels(
    pipeline: Pipeline, table: LoadData, planned: Sequence[int], labels: Sequence[str]
) -> Iterator[Finding]:
    """Names that the load data has not, and planned image sets that have no file for one."""
    known = {image_name(table.columns[at].name): at for at in table.image_positions}
    for name in pipeline.input_images:
        if name in known:
            yield from _empty_cells(table, known[name], name, planned, labels)
        else:
            yield Finding(
                Severity.ERROR,
                name + _near_miss(name, known),
                f"the pipeline uses an image that the load data has not; it has {', '.join(known) or 'none'}",
                "rename the columns of the load data, or the images in the pipeline",
            )


def image_name(column: str) -> str:
    """What CellProfiler calls the image of a column."""
    prefix = next(prefix for prefix in IMAGE_PREFIXES if column.startswith(prefix))
    return column.removeprefix(prefix)


def _near_miss(name: str, known: Iterable[str]) -> str:
    near = [other for other in known if other.casefold() == name.casefold()]
    return f" (the load data has {near[0]}: case matters)" if near else ""


def _empty_cells(
    table: LoadData, at: int, name: str, planned: Sequence[int], labels: Sequence[str]
) -> Iterator[Finding]:
    for number in planned:
        if not table.rows[number][at]:
            yield Finding(
                Severity.ERROR,
                f"{labels[number]}: {name}",
                "the load data names no file for an image that the pipeline uses",
                "add the file, or take the image set out of the load data",
                (number,),
            )
