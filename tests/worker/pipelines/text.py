"""Pipelines as text, for tests: modules with just the settings that matter."""

from collections.abc import Iterable

Setting = tuple[str, str]
HEADER = "CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:5\nDateRevision:428\nGitHash:\n"


def module(name: str, *settings: Setting, number: int = 1, enabled: bool = True) -> str:
    """One module as CellProfiler writes it."""
    notes = "notes:['a note, |enabled:False|']"  # which must not be taken for the flag itself
    head = f"{name}:[module_num:{number}|svn_version:'Unknown'|{notes}|enabled:{enabled}|wants_pause:False]"
    return "\n".join([head, *(f"    {label}:{value}" for label, value in settings)])


def cppipe(*modules: str, count: int | None = None, details: bool = False) -> bytes:
    """The whole file."""
    counts = f"ModuleCount:{len(modules) if count is None else count}\nHasImagePlaneDetails:{details}\n"
    return (HEADER + counts + "".join(f"\n{text}\n" for text in modules)).encode()


def load_data(*tags: str) -> str:
    """A LoadData module that groups by these tags, without the prefix."""
    return module(
        "LoadData",
        ("Load images based on this data?", "Yes"),
        ("Group images by metadata?", "Yes" if tags else "No"),
        ("Select metadata tags for grouping", ",".join(tags)),
        ("Process just a range of rows?", "No"),
    )


def measure(images: Iterable[str]) -> str:
    """A module that uses these images."""
    return module("MeasureImageIntensity", ("Select images to measure", ", ".join(images)))


EXPORT = module("ExportToSpreadsheet", ("Select the column delimiter", 'Comma (",")'))
