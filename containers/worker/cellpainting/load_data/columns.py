"""From the columns of a file, in any dialect, to those of the normalised table; what LoadData itself does decides.

CellProfiler 4.2.8, `modules/loaddata.py`: `header_to_column` (only the six names of locations lose `Image_`),
`prepare_run` (a URL_ column is preferred to FileName_ and PathName_; Metadata_Well is made of row and column) and
`get_measurement_columns` (types).
"""

from collections.abc import Mapping, Sequence

from cellpainting.errors import InvalidRequest, NoImageSets
from cellpainting.load_data.places import Places, locate_all, split_url
from cellpainting.load_data.table import Column, LoadData, ValueType
from cellpainting.load_data.value_type import value_type

# The two kinds of image columns by their category: the prefix of the kind.
LOCATIONS = {prefix + category: prefix for prefix in ("", "Objects") for category in ("URL", "FileName", "PathName")}
LOCATION_NAMES = tuple(LOCATIONS)
# A table that CellProfiler once exported has them. LoadData would believe them; every run numbers its own image sets.
NUMBERED_BY_CELLPROFILER = frozenset({"ImageNumber", "Group_Number", "Group_Index", "Group_Length"})

WELL = "Metadata_Well"
WELL_ROWS = frozenset({"wellrow", "well_row", "row"})
WELL_COLUMNS = frozenset({"wellcol", "well_col", "wellcolumn", "well_column", "column", "col"})

Columns = dict[str, Sequence[str]]


def make_table(header: Sequence[str], values: Sequence[Sequence[str]], file: str, places: Places) -> LoadData:
    """The normalised table of one file, from its header and the values of each of its columns.

    Raises
    ------
    InvalidRequest
        If there is no image set, no image column, a column without a name, a column twice, a PathName_ without its
        FileName_, or an image location that cannot be used.
    """
    names = [_without_image_prefix(name) for name in header]
    _check_names(names, file)
    if not values or not values[0]:
        raise NoImageSets(f"load data {file}: got a header and no image set; add a row for each image set")
    columns = _with_locations(dict(zip(names, values, strict=True)), file, places)
    types = {name: ValueType.TEXT if _is_always_text(name) else value_type(texts) for name, texts in columns.items()}
    if made_of := _well_is_made_of(columns):
        columns[WELL] = _wells(made_of, columns, types, file)
        types[WELL] = ValueType.TEXT
    return LoadData(tuple(Column(name, types[name]) for name in columns), tuple(zip(*columns.values(), strict=True)))


def _without_image_prefix(name: str) -> str:
    short = name.removeprefix("Image_")
    return short if "_" in short and short.partition("_")[0] in LOCATIONS else name


def _check_names(names: Sequence[str], file: str) -> None:
    if "" in names:
        raise InvalidRequest(
            f"load data {file}: column {names.index('') + 1} has no name, and LoadData fails at it; "
            "name it, or remove it (a data frame's index is left out with index=False)"
        )
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InvalidRequest(f"load data {file}: got the columns {twice} more than once; keep one of each")


def _with_locations(columns: Columns, file: str, places: Places) -> Columns:
    """The columns with each image in one, where the first of its columns was."""
    result: Columns = {}
    for name, values in columns.items():
        category, _, image = name.partition("_")
        if image and category in LOCATIONS:
            url = f"{LOCATIONS[category]}URL_{image}"
            if url not in result:
                result[url] = _locations(LOCATIONS[category], image, columns, file, places)
        elif name not in NUMBERED_BY_CELLPROFILER:
            result[name] = values
    if not any(name.startswith(("URL_", "ObjectsURL_")) for name in result):
        raise InvalidRequest(
            f"load data {file}: got no image column in {list(columns)}; add URL_<channel>, or FileName_<channel> "
            "and PathName_<channel>, with commas between the fields"
        )
    return result


def _locations(prefix: str, image: str, columns: Columns, file: str, places: Places) -> list[str]:
    url, name, path = (f"{prefix}{category}_{image}" for category in ("URL", "FileName", "PathName"))
    if url in columns:
        named, pairs = url, [split_url(text) for text in columns[url]]
    elif name in columns:
        folders = columns.get(path) or [""] * len(columns[name])
        named, pairs = name, list(zip(folders, columns[name], strict=True))
    else:
        raise InvalidRequest(f"load data {file}: got {path} without {name}, which LoadData needs; add that column")
    try:
        return locate_all([folder for folder, _ in pairs], [text for _, text in pairs], places)
    except InvalidRequest as error:
        raise InvalidRequest(f"load data {file}, column {named}: {error}") from error


def _is_always_text(name: str) -> bool:
    """Whether LoadData takes a column for text by its name alone; only the second word of a metadata name counts."""
    if name.startswith(LOCATION_NAMES):
        return True
    return name.startswith("Metadata_") and name.split("_")[1].lower() in WELL_COLUMNS


def _well_is_made_of(columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """The columns of row and column that LoadData makes the well of, when there is no well."""
    tags = {name.removeprefix("Metadata_").lower(): name for name in columns if name.startswith("Metadata_")}
    rows = [name for tag, name in tags.items() if tag in WELL_ROWS]
    numbers = [name for tag, name in tags.items() if tag in WELL_COLUMNS]
    return (rows[-1], numbers[-1]) if rows and numbers and "well" not in tags else None


def _wells(made_of: tuple[str, str], columns: Columns, types: Mapping[str, ValueType], file: str) -> list[str]:
    for name in made_of:
        if types[name] is not ValueType.TEXT:
            raise InvalidRequest(
                f"load data {file}: {name} has numbers such as {columns[name][0]!r}, of which LoadData cannot make "
                f"the missing {WELL}; add {WELL}, with values such as 'A01'"
            )
    row, number = made_of
    return [letter + digits for letter, digits in zip(columns[row], columns[number], strict=True)]
