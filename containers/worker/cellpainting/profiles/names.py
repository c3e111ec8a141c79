"""Columns of profiles and platemaps that the field's programs agree on."""

METADATA = "Metadata_"
IMAGE = "Image_"  # what features of whole images begin with
PLATE, WELL, SITE = "Metadata_Plate", "Metadata_Well", "Metadata_Site"
OBJECT_COUNT = "Metadata_Object_Count"
CONTROL_TYPE, NEGATIVE_CONTROL = "Metadata_control_type", "negcon"
PERT_TYPE, TREATED = "Metadata_pert_type", "trt"
PLATEMAP_WELL = "Metadata_well_position"
# Columns that name a well's treatment, in the order in which they are looked for: JUMP-Target's, JUMP's, others'.
TREATMENTS = (
    "Metadata_broad_sample",
    "Metadata_JCP2022",
    "Metadata_pert_iname",
    "Metadata_InChIKey",
    "Metadata_gene",
    "Metadata_compound",
    "Metadata_treatment",
)
IMAGE_COLUMNS = {f"Image_{name}": name for name in (PLATE, WELL, SITE)}  # as older backends have them


def metadata_name(column: str) -> str:
    """A column's name with the prefix that makes it metadata."""
    return column if column.startswith(METADATA) else METADATA + column
