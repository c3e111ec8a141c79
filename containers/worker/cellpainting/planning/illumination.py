"""Where the illumination functions of a plate are, or will be, and the load data that names them.

All stages of a plate are planned before the first has run. What the analysis uses is called by its columns, IllumDNA
say; an illumination pipeline may call the same image UpsampledIllumDNA and save it as `<plate>_IllumDNA.npy`. So it
is first looked for by the names of files, and by those of images where no file has the name.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from cellpainting.errors import InvalidRequest
from cellpainting.load_data import IMAGE_PREFIXES, Column, LoadData, ValueType, canonical
from cellpainting.pipelines import Module, Pipeline
from cellpainting.pipelines.metadata_tags import fill_tags
from cellpainting.pipelines.saved_images import IMAGE, METHOD, NAME, SINGLE_NAME, saved_image
from cellpainting.planning.grouping import PLATE, folder_name
from cellpainting.storage.base import Storage

SUFFIXES = (".npy", ".mat", ".tif", ".tiff", ".png")
COUNTED_BY_CELLPROFILER = ("Series", "Frame")  # tags that are no metadata
UNUSABLE = re.compile(r"[\\\x00-\x1f\x7f]")  # load data takes a backslash for a slash


def functions_needed(analysis: Pipeline, table: LoadData) -> tuple[str, ...]:
    """The images that the analysis uses and the load data has no column for, in the order of their use."""
    known = table.positions
    return tuple(name for name in analysis.input_images if not any(kind + name in known for kind in IMAGE_PREFIXES))


def functions_made(illumination: Pipeline, names: Iterable[str], table: LoadData, folder: str) -> dict[str, str]:
    """The key that each of these functions will have. Other images that the pipeline saves may have any settings.

    `table` is the load data of one group, its columns of the types that they have in the pipeline's run, for file
    names have what LoadData makes of a value: a plate `0042` among numbers alone is `42`. `folder` is where the
    group's results go.

    Raises
    ------
    InvalidRequest
        If one is not made, or its settings do not tell its file.
    """
    saving = illumination.enabled("SaveImages")
    modules = {name: _modules(name, saving) for name in names}
    if missing := [name for name, found in modules.items() if not found]:
        made = [f"{one.value(IMAGE)} as {one.value(NAME)}" for one in saving]
        raise InvalidRequest(
            f"an analysis needs {', '.join(missing)}, which the load data has not; the illumination pipeline saves "
            f"{_listed(made)}; name the files <plate>_{missing[0]} and so on, or add columns URL_{missing[0]} and so on"
        )
    return {name: _key(_only(name, found), table, folder) for name, found in modules.items()}


def functions_found(storage: Storage, prefix: str, plate: str, names: Iterable[str]) -> dict[str, str]:
    """The key of each of these functions among the files of a plate's folder, `<prefix>/<plate>/`.

    There the name of a file is the function's, or ends in `_` and it. Without such a folder the files right in
    `prefix` are looked at, which may be of several plates: they are called `<name>` or `<plate>_<name>`.

    Raises
    ------
    InvalidRequest
        If a function has no file, or several.
    """
    prefix = prefix.rstrip("/")
    own = _images(storage, "/".join(filter(None, (prefix, folder_name(PLATE, {PLATE: plate})))))
    shared = [] if own else [key for key in _images(storage, prefix) if posixpath.dirname(key) == prefix]
    found = {}
    for name in names:
        keys = [key for key in own if _is_called(_stem(key), name)]
        keys += [key for key in shared if _stem(key) in (name, f"{plate}_{name}")]
        if len(keys) != 1:
            raise InvalidRequest(
                f"illumination function {name!r} of plate {plate!r}: got {len(keys)} files below {prefix!r}, "
                f"{_listed(keys or own or shared)}; there has to be one, {plate}_{name}.npy say"
            )
        found[name] = keys[0]
    return found


def with_illumination(table: LoadData, functions: Mapping[str, str]) -> LoadData:
    """The table with a column `URL_<name>` for each function, in the place of those of the same name that it has."""
    urls = {f"URL_{name}": key for name, key in functions.items()}
    kept = [at for at, column in enumerate(table.columns) if column.name not in urls]
    columns = (*(table.columns[at] for at in kept), *(Column(name, ValueType.TEXT) for name in urls))
    return LoadData(columns, tuple((*(row[at] for at in kept), *urls.values()) for row in table.rows))


def _modules(name: str, saving: Sequence[Module]) -> list[Module]:
    """The modules that save a function."""
    by_file = [one for one in saving if one.says(METHOD, SINGLE_NAME) and _is_called(one.value(NAME), name)]
    return by_file or [one for one in saving if one.says(IMAGE, name)]


def _only(name: str, modules: Sequence[Module]) -> Module:
    if len(modules) > 1:
        raise InvalidRequest(
            f"the modules {', '.join(str(one.number) for one in modules)} (SaveImages) all save {name!r}; "
            f"name one file <plate>_{name}, and the others otherwise"
        )
    return modules[0]


def _is_called(stem: str, name: str) -> bool:
    return stem == name or stem.endswith(f"_{name}")


def _key(module: Module, table: LoadData, folder: str) -> str:
    saved = saved_image(module)
    where = f"module {module.number} (SaveImages)"
    value_of = _value_in(table, where)
    name, below = fill_tags(saved.name, value_of), posixpath.normpath(fill_tags(saved.folder, value_of))
    if "/" in name or UNUSABLE.search(name + below) or below.startswith("/") or ".." in below.split("/"):
        raise InvalidRequest(
            f"{where} saves {saved.image!r} as {name!r} in {below!r}, which cannot be used; write folders in "
            "'Output file location' only, with '/' between them and none that leads elsewhere"
        )
    parts = (folder.rstrip("/"), below, f"{name}.{saved.extension}")
    return "/".join(part for part in parts if part not in ("", "."))


def _value_in(table: LoadData, where: str) -> Callable[[str], str]:
    """What CellProfiler puts in the place of a tag; it has to be the same for all image sets of the group."""

    def value_of(tag: str) -> str:
        at = table.positions.get(f"Metadata_{tag}")
        if at is None or tag in COUNTED_BY_CELLPROFILER:
            known = ", ".join(name for name in table.positions if name.startswith("Metadata_"))
            raise InvalidRequest(f"{where}: got the tag {tag!r}, the load data has {known}; use one of these")
        values = list(dict.fromkeys(row[at] for row in table.rows))
        if len(values) != 1:
            raise InvalidRequest(
                f"{where}: the tag {tag!r} has {len(values)} values in one group, {_listed(values)}; use tags of the "
                "pipeline's own grouping only"
            )
        return canonical(values[0], table.columns[at].type)

    return value_of


def _images(storage: Storage, folder: str) -> list[str]:
    return [item.key for item in storage.list(folder) if item.key.lower().endswith(SUFFIXES)]


def _stem(key: str) -> str:
    return posixpath.splitext(posixpath.basename(key))[0]


def _listed(texts: Sequence[str]) -> str:
    """At most eight of them: a plate has as many channels."""
    more = f" and {len(texts) - 8} more" if len(texts) > 8 else ""
    return (", ".join(texts[:8]) or "none") + more
