"""Load data: every dialect in, one normalised table of image sets out. CSV with the standard library alone."""

from cellpainting.load_data.places import Places, locate
from cellpainting.load_data.read_csv import read_csv
from cellpainting.load_data.table import IMAGE_PREFIXES, Column, LoadData, ValueType
from cellpainting.load_data.value_type import canonical, value_type
from cellpainting.load_data.write_csv import write_csv
from cellpainting.load_data.write_table import write_table

__all__ = [
    "IMAGE_PREFIXES",
    "Column",
    "LoadData",
    "Places",
    "ValueType",
    "canonical",
    "locate",
    "read_csv",
    "value_type",
    "write_csv",
    "write_table",
]
