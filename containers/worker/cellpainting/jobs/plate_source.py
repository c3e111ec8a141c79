"""The plates that a request is about: of one table of image sets, of a list, or of a table of plates."""

import csv
import io
from dataclasses import dataclass

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.fields import Fields

PLATE_TABLE_SUFFIX = ".csv"


@dataclass(frozen=True)
class PlateSource:
    """Where a plate comes from: a table of its image sets. Without `plate`, all plates that the table has."""

    load_data: str
    plate: str | None = None
    batch: str | None = None
    platemap: str | None = None

    def __str__(self) -> str:
        """What people call it."""
        return self.plate or f"the plates of {self.load_data}"


def parse_plates(fields: Fields) -> tuple[tuple[PlateSource, ...], str | None]:
    """The plates of a request: of one table, of a list, or of a table of plates."""
    if not fields.is_given("plates"):
        return (_parse_source(fields, ""),), None
    shared = {name: fields.optional_key(name) for name in ("load_data", "platemap")}
    batch = fields.folder_name("batch") if fields.is_given("batch") else None
    if not fields.is_list("plates"):
        table = fields.key("plates")
        if not table.endswith(PLATE_TABLE_SUFFIX):
            raise InvalidField("plates", table, "write a list of plates, or the key of a table of them, a CSV")
        for name, value in (*shared.items(), ("batch", batch)):
            if value:
                raise InvalidField(name, value, "the table of plates says it; leave it out")
        return (), table
    return tuple(
        _parse_source(fields, f"{name}.", batch=batch, **shared) for name in fields.unfold_list("plates")
    ), None


def _parse_source(
    fields: Fields, prefix: str, *, load_data: str | None = None, batch: str | None = None, platemap: str | None = None
) -> PlateSource:
    """One plate, whose fields begin with `prefix`; what it does not say itself is what the request says of all."""

    def name(field: str) -> str | None:
        return fields.folder_name(prefix + field) if fields.is_given(prefix + field) else None

    table = fields.optional_key(f"{prefix}load_data") if load_data else fields.key(f"{prefix}load_data")
    return PlateSource(
        load_data=table or load_data or "",
        plate=name("plate"),
        batch=name("batch") or batch,
        platemap=fields.optional_key(f"{prefix}platemap") or platemap,
    )


def read_plate_table(content: bytes, name: str) -> tuple[PlateSource, ...]:
    """The plates of a table in CSV, with the column `load_data` and, as far as needed, `plate`, `batch` and `platemap`.

    Raises
    ------
    InvalidRequest
        Naming the row, the column, the value got and what to write instead.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"table of plates {name}: {error}; save it as CSV UTF-8") from error
    if not rows:
        raise InvalidRequest(f"table of plates {name}: got no plate; write a header and a row for each")
    return tuple(_parse_row(row, f"table of plates {name}, row {number}") for number, row in enumerate(rows, start=2))


def _parse_row(row: dict[str, str], where: str) -> PlateSource:
    fields = Fields({column: value for column, value in row.items() if value})
    try:
        source = _parse_source(fields, "")
        fields.refuse_unknown()
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from error
    return source
