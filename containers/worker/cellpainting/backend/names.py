"""Names of tables and columns that cytominer-database, pycytominer and CellProfiler go by."""

IMAGE, EXPERIMENT = "Image", "Experiment"  # tables that are none of objects
COMBINED = ""  # stands for the table of a file that has several

TABLE_NUMBER, IMAGE_NUMBER, OBJECT_NUMBER = "TableNumber", "ImageNumber", "ObjectNumber"
PLATE, WELL, SITE = "Metadata_Plate", "Metadata_Well", "Metadata_Site"
COUNT = "Count_"  # what columns begin with that count an image set's objects
FILE = "_file"  # which of the files a row is of, by position, while rows are put together
