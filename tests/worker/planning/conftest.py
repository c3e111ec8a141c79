"""Small tables and pipelines to plan with."""

from collections.abc import Sequence

from cellpainting.load_data import Column, LoadData, ValueType
from cellpainting.load_data.value_type import value_type
from cellpainting.pipelines import Pipeline, parse_pipeline

HEADER = """CellProfiler Pipeline: http://www.cellprofiler.org
Version:5
DateRevision:428
GitHash:
ModuleCount:{count}
HasImagePlaneDetails:False
"""
MODULE = (
    "\n{name}:[module_num:{number}|svn_version:'Unknown'|variable_revision_number:{revision}|enabled:True]\n{settings}"
)
LOAD_DATA = """    Load images based on this data?:Yes
    Group images by metadata?:{is_grouped}
    Select metadata tags for grouping:{keys}
"""
ILLUM = """    Select the input image:OrigDNA
    Name the output image:IllumDNA
    Calculate function for each image individually, or based on all images?:All: First cycle
"""


def pipeline_of(*, group_by: str = "", aggregates: bool = False) -> Pipeline:
    """A LoadData pipeline, grouped or not, with or without an illumination function over all images."""
    return parse_pipeline(pipeline_text(group_by=group_by, aggregates=aggregates).encode(), "small.cppipe")


def pipeline_text(*, group_by: str = "", aggregates: bool = False) -> str:
    """The text of such a pipeline."""
    load_data = LOAD_DATA.format(is_grouped="Yes" if group_by else "No", keys=group_by)
    modules = [("LoadData", 6, load_data)]
    modules += [("CorrectIlluminationCalculate", 2, ILLUM)] if aggregates else []
    return HEADER.format(count=len(modules)) + "".join(
        MODULE.format(name=name, number=number, revision=revision, settings=settings)
        for number, (name, revision, settings) in enumerate(modules, start=1)
    )


def table_of(image_sets: Sequence[tuple[str, str, str]]) -> LoadData:
    """Load data with a plate, a well and a site per image set, and the image that they name."""
    names = ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
    columns = [Column(name, value_type([row[at] for row in image_sets])) for at, name in enumerate(names)]
    rows = tuple((*row, f"images/{'_'.join(row)}.tif") for row in image_sets)
    return LoadData((*columns, Column("URL_OrigDNA", ValueType.TEXT)), rows)


def plate_of(wells: int, sites: int, plate: str = "P1") -> LoadData:
    """A plate of so many wells with so many sites each."""
    rows, columns = "ABCDEFGHIJKLMNOP", 24
    names = [f"{rows[number // columns]}{number % columns + 1:02}" for number in range(wells)]
    return table_of([(plate, well, str(site)) for well in names for site in range(1, sites + 1)])
