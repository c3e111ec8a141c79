"""Typed reading of one JSON object: each field is taken once, what is left over is refused by name."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.run_record import RUNS

MAX_KEY_BYTES = 1024  # the longest key S3 takes
MAX_NAME_BYTES = 200  # of a folder; file systems take 255, of which files named after it need some
MOST_DIGITS = 20  # of a whole number; Python itself refuses to read thousands
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,111}")  # also a valid Batch job name once numbered
MOST_IN_RUN_NAME = 80  # of what a person names; stages add their own names to it
RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/_-]{0,511}")  # a name, name:revision or ARN
METADATA = re.compile(r"(Metadata_)?[A-Za-z0-9_]+")
NAME = re.compile(r"[A-Za-z0-9_]+")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Halves of characters, too, which JSON can name and no key can hold.
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
STAGE_MARK = "--"  # between the parts of a stage's run id
RUN_NAME_REMEDY = (
    f"write 2 to {MOST_IN_RUN_NAME} letters, digits, '-' or '_', starting with no dash, no two dashes together"
)
RESERVED_RUN_NAMES = frozenset({"rejected"})  # runs/rejected/ keeps the messages that were refused

Choice = TypeVar("Choice", bound=str)


class Fields:
    """The fields of one request, read by name and type.

    Raises
    ------
    InvalidRequest
        If `document` is not a JSON object.
    """

    def __init__(self, document: Any) -> None:
        if not isinstance(document, Mapping):
            raise InvalidRequest(
                f"a request is a JSON object, got {type(document).__name__} {document!r:.80}; "
                'write {"pipeline": ..., "input": ..., "output": ...}'
            )
        self._given = sorted(map(str, document))
        self._values = dict(document)
        self._known: list[str] = []

    def key(self, field: str) -> str:
        """A required key or prefix relative to the bucket, without the trailing slash.

        It can leave neither the bucket nor a folder that stands for it: no leading slash, no `..`.
        """
        value = self.optional_key(field)
        if value is None:
            raise self._missing(field)
        return value

    def key_or_run(self, field: str) -> str:
        """A required key or prefix as above, or `runs/<run id>`, which stands for what that run has left.

        Raises
        ------
        InvalidField
            If it is neither.
        """
        value = self._values.get(field)
        if not isinstance(value, str) or value.split("/")[0] != RUNS.rstrip("/"):
            return self.key(field)
        self._take(field)
        run_id = value.rstrip("/").partition("/")[2]
        if not _is_run_id(run_id):
            raise InvalidField(field, value, f"write '{RUNS}<run id>' to name a run, or a prefix outside of '{RUNS}'")
        return RUNS + run_id

    def key_or_address(self, field: str) -> str:
        """A required key as above, or `s3://bucket/key` of any bucket.

        Raises
        ------
        InvalidField
            If it is neither; what lies on a web server has to be copied first.
        """
        value = self._values.get(field)
        if not isinstance(value, str) or "://" not in value:
            return self.key(field)
        self._take(field)
        scheme, _, rest = value.partition("://")
        if scheme in ("http", "https"):
            raise InvalidField(field, value, "jobs reach no web server: copy it to the bucket and name its key")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not BUCKET.fullmatch(bucket) or not key:
            raise InvalidField(field, value, "write a key of the bucket, or s3://bucket/key of a public one")
        _check_key(field, key)
        return value

    def folder_name(self, field: str) -> str:
        """The required name of one folder, which is a part of keys; spaces may be in it.

        Raises
        ------
        InvalidField
            If it is no text, or a name that a key or a file system would not take.
        """
        value = self._take(field)
        if value is None:
            raise self._missing(field)
        if not isinstance(value, str) or not _is_folder_name(value):
            raise InvalidField(
                field,
                value,
                "write the name of one folder, such as 'BR00117035': without '/', '\\' and control characters, no dot "
                f"in front, no space at an end, not 'runs', at most {MAX_NAME_BYTES} bytes",
            )
        return value

    def optional_key(self, field: str, *, or_below: str = "") -> str | None:
        """A key or prefix as above, or None when the field is absent; `or_below` is a folder of records to allow."""
        value = self._take(field)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise InvalidField(field, value, "write a key relative to the bucket, such as 'examples/plate/images/'")
        _check_key(field, value.removeprefix(or_below) if or_below else value)
        return value.rstrip("/")

    def metadata_names(self, field: str) -> tuple[str, ...]:
        """Optional metadata columns, as a list or divided by commas; the prefix `Metadata_` may be left out."""
        value = self._take(field)
        names = value.split(",") if isinstance(value, str) else [] if value is None else value
        if not isinstance(names, list) or not all(isinstance(name, str) and METADATA.fullmatch(name) for name in names):
            raise InvalidField(field, value, "write metadata columns, such as ['Metadata_Plate', 'Metadata_Well']")
        columns = tuple(map(_metadata_column, names))
        if len(set(columns)) < len(columns):
            raise InvalidField(field, value, "name each column once")
        return columns

    def groups(self, field: str) -> tuple[Mapping[str, str], ...]:
        """Optional groups, each an object of the same metadata columns with a value each."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(_is_group(group) for group in value):
            raise InvalidField(field, value, 'write groups such as [{"Metadata_Plate": "P1", "Metadata_Well": "A01"}]')
        groups = tuple({_metadata_column(name): text for name, text in group.items()} for group in value)
        if len({tuple(sorted(group)) for group in groups}) > 1:
            raise InvalidField(field, value, "name the same metadata columns in every group")
        return groups

    def output_structure(self, field: str) -> str | None:
        """An optional folder below `output`, in which the names of metadata columns stand for their values."""
        value = self._take(field)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip("/"):
            raise InvalidField(field, value, "write a folder such as 'Metadata_Plate/analysis/Metadata_Well'")
        _check_key(field, value.strip("/"))
        return value.strip("/")

    def choice(self, field: str, choices: tuple[Choice, ...]) -> Choice | None:
        """One of a few words."""
        value = self._take(field)
        if value is None or value in choices:
            return cast("Choice | None", value)
        raise InvalidField(field, value, f"write one of {', '.join(choices)}")

    def words(self, field: str, choices: Sequence[str]) -> tuple[str, ...]:
        """An optional list of some of a few words."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not value or not all(word in choices for word in value):
            raise InvalidField(field, value, f"write a list of some of {', '.join(choices)}")
        return tuple(value)

    def text_map(self, field: str) -> tuple[tuple[str, str], ...]:
        """An optional object of texts, in its own order."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, Mapping) or not all(isinstance(text, str) and key for key, text in value.items()):
            raise InvalidField(field, value, 'write an object such as {"/data/plates/": "plates/"}')
        return tuple(value.items())

    def whole_number(self, field: str, *, minimum: int, maximum: int) -> int | None:
        """An optional whole number; the published messages write it as a string, so both are taken."""
        value = self._take(field)
        if value is None:
            return None
        is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS
        if isinstance(value, bool) or not (isinstance(value, int) or is_digits):
            raise InvalidField(field, value, f"write a whole number from {minimum} to {maximum}")
        number = int(value)
        if not minimum <= number <= maximum:
            raise InvalidField(field, value, f"write a whole number from {minimum} to {maximum}")
        return number

    def number(self, field: str, *, minimum: float, below: float) -> float | None:
        """An optional number, which like whole numbers may be a string."""
        value = self._take(field)
        if value is None:
            return None
        remedy = f"write a number from {minimum:g} to less than {below:g}"
        try:
            number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        except ValueError as error:
            raise InvalidField(field, value, remedy) from error
        if number is None or not minimum <= number < below:
            raise InvalidField(field, value, remedy)
        return number

    def names(self, field: str) -> tuple[str, ...]:
        """An optional list of names, such as those of channels, each once."""
        value = self._take(field)
        if value is None:
            return ()
        is_list = isinstance(value, list) and bool(value)
        if not is_list or not all(isinstance(name, str) and NAME.fullmatch(name) for name in value):
            raise InvalidField(field, value, "write a list of names, such as ['DNA', 'Mito']")
        if len(set(value)) < len(value):
            raise InvalidField(field, value, "name each once")
        return tuple(value)

    def values_of_columns(self, field: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """An optional object of metadata columns, with a list of values each, in its own order."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, Mapping) or not all(
            METADATA.fullmatch(name)
            and isinstance(texts, list)
            and texts
            and all(isinstance(text, str) for text in texts)
            for name, texts in value.items()
        ):
            raise InvalidField(
                field, value, 'write an object such as {"Metadata_Well": ["A01", "A02"]}, values as text'
            )
        return tuple((_metadata_column(name), tuple(texts)) for name, texts in value.items())

    def flag(self, field: str, *, default: bool = False) -> bool:
        """An optional true or false; `default` when absent."""
        value = self._take(field)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidField(field, value, "write true or false, without quotes")
        return value

    def run_name(self, field: str) -> str | None:
        """An optional name of the run: letters, digits, `-` and `_`. Two dashes are for the stages of a run."""
        value = self._matching(field, RUN_NAME, RUN_NAME_REMEDY)
        if value in RESERVED_RUN_NAMES:
            raise InvalidField(field, value, "this name is taken by the project itself; choose another")
        if value and not self.mentions("stage") and (len(value) > MOST_IN_RUN_NAME or STAGE_MARK in value):
            raise InvalidField(field, value, RUN_NAME_REMEDY)
        return value

    def run_names(self, field: str) -> tuple[str, ...]:
        """An optional list of ids of runs, those of stages too, each once; it may be empty."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and _is_run_id(one) for one in value):
            raise InvalidField(field, value, "write a list of ids of runs, such as ['plate1', 'plate1-illumination']")
        if len(set(value)) < len(value):
            raise InvalidField(field, value, "name each once")
        return tuple(value)

    def unfold(self, field: str) -> bool:
        """Put the members of an optional object in its place, each as `field.member`; False when it is absent.

        Raises
        ------
        InvalidField
            If it is no object, or an empty one.
        """
        value = self._take(field)
        if value is None:
            return False
        if not isinstance(value, Mapping) or not value:
            raise InvalidField(field, value, "write an object, or leave it out")
        self._values |= {f"{field}.{member}": content for member, content in value.items()}
        return True

    def unfold_list(self, field: str) -> tuple[str, ...]:
        """Put the members of a list of objects in its place as `unfold` does; returns what to call each of them.

        Raises
        ------
        InvalidField
            If it is no list of objects, or an empty one.
        """
        value = self._take(field)
        if not isinstance(value, list) or not value:
            raise InvalidField(field, value, "write a list of objects")
        self._values |= {f"{field}[{number}]": member for number, member in enumerate(value)}
        names = tuple(f"{field}[{number}]" for number in range(len(value)))
        for name in names:
            if not self.unfold(name):
                raise InvalidField(name, None, "write an object")
        return names

    def text(self, field: str) -> str:
        """A required text, printable and not empty."""
        value = self._take(field)
        if not isinstance(value, str) or not value.strip() or CONTROL_CHARACTERS.search(value):
            raise InvalidField(field, value, "write a text of printable characters")
        return value

    def is_given(self, field: str) -> bool:
        """Whether a field is there and has not been read yet."""
        self._known.append(field)
        return self._values.get(field) is not None

    def mentions(self, field: str) -> bool:
        """Whether the request has a field that people need not know of."""
        return field in self._given

    def is_list(self, field: str) -> bool:
        """Whether a field that may have several forms is a list."""
        return isinstance(self._values.get(field), list)

    def resource(self, field: str) -> str | None:
        """An optional name or ARN of a job queue or job definition."""
        return self._matching(field, RESOURCE, "write the name or ARN of one that the deployment lists")

    def refuse_unknown(self) -> None:
        """Refuse by name whatever nobody asked for: a misspelt field must not be ignored in silence."""
        for field, value in self._values.items():
            raise InvalidField(field, value, f"unknown field; the known ones are {', '.join(sorted(self._known))}")

    def _take(self, field: str) -> Any:
        self._known.append(field)
        return self._values.pop(field, None)

    def _missing(self, field: str) -> InvalidField:
        return InvalidField(field, None, f"a request needs it; the fields given are {self._given!s:.500}")

    def _matching(self, field: str, pattern: re.Pattern[str], remedy: str) -> str | None:
        value = self._take(field)
        if value is None:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise InvalidField(field, value, remedy)
        return value


def _is_run_id(value: str) -> bool:
    return bool(RUN_NAME.fullmatch(value)) and value not in RESERVED_RUN_NAMES


def _metadata_column(name: str) -> str:
    return "Metadata_" + name.removeprefix("Metadata_")


def _is_group(group: Any) -> bool:
    return (
        isinstance(group, Mapping)
        and bool(group)
        and all(METADATA.fullmatch(name) and isinstance(value, str) and value for name, value in group.items())
    )


def _is_folder_name(value: str) -> bool:
    is_key_part = "/" not in value and "\\" not in value and not CONTROL_CHARACTERS.search(value)
    is_name = bool(value) and value == value.strip() and not value.startswith(".") and value != RUNS.rstrip("/")
    return is_key_part and is_name and len(value.encode()) <= MAX_NAME_BYTES


def _check_key(field: str, value: str) -> None:
    if value.startswith("/"):
        raise InvalidField(field, value, "keys are relative to the bucket: leave out the leading '/'")
    if "://" in value:
        raise InvalidField(field, value, "keys are relative to the deployment's own bucket: leave out the scheme")
    if "\\" in value or CONTROL_CHARACTERS.search(value):
        raise InvalidField(field, value, "separate folders with '/' and use printable characters only")
    if any(part in ("", ".", "..") for part in value.rstrip("/").split("/")):
        raise InvalidField(field, value, "a key has no empty, '.' or '..' part: it must stay inside the bucket")
    if value.split("/")[0] == "runs":
        raise InvalidField(field, value, "'runs/' holds the records of runs; choose another prefix")
    if len(value.encode()) > MAX_KEY_BYTES:
        raise InvalidField(field, value[:60] + "...", f"a key has at most {MAX_KEY_BYTES} bytes")
