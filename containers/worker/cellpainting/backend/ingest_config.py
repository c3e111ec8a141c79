"""What the CSVs are called: cytominer-database's `ingest_config.ini`, of which the file names still mean something."""

import configparser
from dataclasses import dataclass

from cellpainting.errors import InvalidRequest

SECTION = "filenames"


@dataclass(frozen=True)
class FileNames:
    """The CSV of image sets, the one with all compartments side by side, and that of the run's own facts.

    Case does not matter. Every other CSV beside them is a table of objects, named after its file.
    """

    image: str = "Image.csv"
    object: str = "object.csv"
    experiment: str = "Experiment.csv"


def read_ingest_config(content: bytes, name: str) -> FileNames:
    """Read the section `[filenames]`; engine, schema and metadata sections are accepted and change nothing.

    Raises
    ------
    InvalidRequest
        If it is not an INI file, or a name is no plain file name that ends in .csv.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(content.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{name} is no ingest configuration ({error}); write it as ingest_config.ini") from error
    known = FileNames()
    named = {field: parser.get(SECTION, field, fallback=getattr(known, field)) for field in vars(known)}
    for field, value in named.items():
        if not value.casefold().endswith(".csv") or "/" in value:
            raise InvalidRequest(f"{name}: [{SECTION}] {field} = {value!r}; write a file name such as Image.csv")
    return FileNames(**named)
