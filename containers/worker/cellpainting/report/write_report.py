"""Pages as files: one for a plate; for several, an overview and beside it a folder with a page each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from cellpainting.errors import DamagedTable
from cellpainting.report.overview_page import overview_page
from cellpainting.report.page import render_page
from cellpainting.report.page_data import PageData, Verdict
from cellpainting.report.plate_page import plate_page, unreadable_page
from cellpainting.report.sources import PlateSources
from cellpainting.storage.folder import room_for

Say = Callable[[str], None]


@dataclass(frozen=True)
class Written:
    """What the plates come to, and the problems of those whose results cannot be read."""

    verdict: Verdict
    problems: tuple[str, ...] = ()


def write_report(plates: Sequence[PlateSources], path: Path, features: Sequence[str], say: Say) -> Written:
    """Write the page of a plate, or of several, to `path`. Of several, one that cannot be read has a page that says so.

    Raises
    ------
    DamagedTable
        If the only plate cannot be read.
    InvalidRequest
        If a feature is named that is not there.
    StorageUnavailable, StorageFull
        If a storage fails, or the disk is full.
    """
    if len(plates) == 1:
        page = plate_page(plates[0], features)
        write_page(path, page)
        return Written(page.verdict)
    folder = path.with_name(f"{path.stem}_plates")
    made, problems = [], []
    for sources in plates:
        try:
            page = plate_page(sources, features)
        except DamagedTable as error:
            problems.append(str(error))
            page = unreadable_page(sources, str(error))
        name = f"{sources.batch}_{sources.plate}.html" if sources.batch else f"{sources.plate}.html"
        write_page(folder / name, replace(page, links={"all plates": f"../{quote(path.name)}"}))
        made.append((sources, page, f"{quote(folder.name)}/{quote(name)}"))
        say(f"{sources.plate}: {page.verdict}")
    overview = overview_page(path.stem, made)
    write_page(path, overview)
    return Written(overview.verdict, tuple(problems))


def write_page(path: Path, page: PageData) -> None:
    """Write one page, whose folder is made if need be.

    Raises
    ------
    StorageFull
        If the disk is full.
    """
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_page(page), encoding="utf-8")
