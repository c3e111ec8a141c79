"""The text of a .cppipe file, read as CellProfiler 4.2.8 reads it (`cellprofiler_core.pipeline.Pipeline.load`)."""

import io
import re
from collections.abc import Iterator

from cellpainting.errors import InvalidRequest
from cellpainting.pipelines.module import Module
from cellpainting.pipelines.pipeline import Pipeline

HDF5 = b"\x89HDF\r\n\x1a\n"
# The second is the same line after a mail filter rewrote its address; CellProfiler takes that too.
COOKIE = re.compile(
    r"CellProfiler Pipeline: (http://www\.cellprofiler\.org|https?://\S+\.proofpoint\.com.+http-3A__www\.cellprofiler\.org)"
)
LAST_VERSION = 5
MODULE = re.compile(r"(?P<name>\w+):\[(?P<attributes>.*)\]")
NUMBER = re.compile(r"module_num:(\d+)")
ESCAPED_BAR = r"\x7C"
# How CellProfiler 3 wrote a metadata tag, and what is meant; beside an escaped bar only one right after it is seen.
TAG, TAG_AFTER_BAR = (r"\\\\g<", r"\g<"), (r"\x7C\\\\g<", r"|\g<")
ENABLED = re.compile(r"\|enabled:(True|False)")
EXPORT = "open it in CellProfiler and choose File > Export > Pipeline to get a .cppipe"


def parse_pipeline(content: bytes, name: str) -> Pipeline:
    """Read the text of a pipeline; `name` is what messages call it.

    Raises
    ------
    InvalidRequest
        If it is a project or batch file, no pipeline at all, truncated, or without modules.
    """
    blocks = _blocks(_text(content, name))
    header = next(blocks, [])
    if not header or not COOKIE.match(header[0]):
        raise InvalidRequest(f"{name!r} is not a CellProfiler pipeline: it begins with {content[:40]!r}; {EXPORT}")
    fields = dict(line.partition(":")[::2] for line in header)
    _require_readable(fields, name)
    count = _module_count(fields, name)
    modules = [_module(lines, name) for lines in blocks if not _is_file_list(fields, lines)]
    if count is not None and len(modules) != count:
        raise InvalidRequest(
            f"{name!r} says that it has {count} modules and has {len(modules)}: it was cut or edited; export it again"
        )
    if not modules:
        raise InvalidRequest(f"{name!r} has no modules; {EXPORT}")
    return Pipeline(tuple(modules))


def _text(content: bytes, name: str) -> str:
    if content.startswith(HDF5):
        raise InvalidRequest(f"{name!r} is a project or batch file (HDF5), whose modules cannot be read here; {EXPORT}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("unicode_escape", errors="replace")  # as CellProfiler does; old files are Latin-1


def _blocks(text: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in io.StringIO(text, newline=None):  # any of the three line ends
        if line.strip():
            block.append(line.strip())
        elif block:
            yield block
            block = []
    if block:
        yield block


def _require_readable(fields: dict[str, str], name: str) -> None:
    version = fields.get("Version", "")
    if version.isdigit() and int(version) > LAST_VERSION:
        raise InvalidRequest(
            f"{name!r} is of pipeline format {version}; CellProfiler 4.2 reads up to {LAST_VERSION}: export it there"
        )


def _module_count(fields: dict[str, str], name: str) -> int | None:
    count = fields.get("ModuleCount")
    if count is not None and not count.isdigit():
        raise InvalidRequest(f"{name!r} has ModuleCount:{count}, which is no number; export it again")
    return None if count is None else int(count)


def _is_file_list(fields: dict[str, str], lines: list[str]) -> bool:
    return fields.get("HasImagePlaneDetails") == "True" and lines[0].startswith('"Version"')


def _module(lines: list[str], name: str) -> Module:
    head = MODULE.fullmatch(lines[0])
    number = NUMBER.search(lines[0])
    if head is None or number is None:
        raise InvalidRequest(f"{name!r} has the line {lines[0]:.60} where a module begins; export it again")
    enabled = ENABLED.findall(head["attributes"])  # notes, which may say anything, stand before it
    settings = tuple(_setting(line, head["name"], name) for line in lines[1:])
    return Module(int(number[1]), head["name"], not enabled or enabled[-1] == "True", settings)


def _setting(line: str, module: str, name: str) -> tuple[str, str]:
    label, separator, value = line.partition(":")
    if not separator:
        raise InvalidRequest(f"{name!r} has the line {line:.60} among the settings of {module}; export it again")
    return label, _decoded(value)


def _decoded(value: str) -> str:
    """Undo the escapes of older files, which also wrote values as UTF-16 with its byte order mark."""
    value = value.replace(*(TAG_AFTER_BAR if ESCAPED_BAR in value else TAG))
    if "\\x" in value:
        try:
            value = value.encode().decode("unicode_escape")
        except UnicodeDecodeError:
            return value  # as CellProfiler does: a Windows path, say
    return value.replace("\x00", "").strip("ÿþ") if len(value) > 1 else value
