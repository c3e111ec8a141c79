"""The page of an ingest needs nothing but itself, and tells people all that was odd."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.worker.backend.plates import (
    FIRST,
    HEADERS,
    IMAGE_HEADER,
    PLATE,
    copied,
    write,
    write_and_build,
    write_plate,
)

VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """The text of a page and its tags; closing tags have to be those that were opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def titles(self) -> list[str]:
        """What the wells of the drawn plate say."""
        return [attributes["title"] or "" for tag, attributes in self.tags if tag == "td" and "title" in attributes]


def page_of(analysis: Path, **settings: object) -> Page:
    _, backend = write_and_build(analysis, **settings)
    return Page(backend.page)


def test_page_of_a_complete_plate_says_so_and_loads_nothing(tmp_path: Path) -> None:
    _, backend = write_and_build(write_plate(tmp_path / "a"))
    page = Page(backend.page)
    assert "Complete: every image set is in the backend" in page.text
    assert "http" not in backend.page
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert not [name for _, attributes in page.tags for name in attributes if name in ("src", "href", "onload")]
    for heading in ("Not made", "Left out", "Odd", "Columns that"):
        assert f"{heading}\n" not in page.text


def test_wells_are_drawn_with_their_cells(tmp_path: Path) -> None:
    wells = [f"{row}{column:02}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
    rows = [(number, PLATE, well, 1, 0, 0) for number, well in enumerate(wells, start=1)]
    write(tmp_path / "a/x/Image.csv", IMAGE_HEADER, *rows)
    write(tmp_path / "a/x/Cells.csv", HEADERS["Cells"], (384, 1, 5, 5, 1), (384, 2, 5, 5, 1))
    page = page_of(tmp_path / "a")
    assert len(page.titles()) == 384
    assert page.titles()[0] == "A01: 0 cells, no_cells"
    assert page.titles()[-1] == "P24: 2 cells, done"


def test_well_that_is_not_done_is_marked(tmp_path: Path) -> None:
    analysis = write_plate(tmp_path / "a")
    (analysis / FIRST / "Cells.csv").write_bytes(b"")
    page = page_of(analysis)
    marked = [attributes["title"] for tag, attributes in page.tags if attributes.get("class") == "not-done"]
    assert marked == ["A01: 0 cells, input_damaged"]


def test_image_sets_without_wells_are_not_drawn(tmp_path: Path) -> None:
    write(tmp_path / "a/x/Image.csv", ("ImageNumber", "Metadata_Plate"), (1, PLATE))
    assert "Cells per well" not in page_of(tmp_path / "a").text


def test_text_from_names_and_values_is_text(tmp_path: Path) -> None:
    evil = "<b>x<"
    analysis = write_plate(tmp_path / "a")
    write(analysis / evil / "Image.csv", IMAGE_HEADER)
    write(analysis / FIRST / "Cells.csv", HEADERS["Cells"], (1, 1, "<script>alert(1)<", 5, 1), (1, 2, 5, 5, 1))
    page = page_of(analysis)
    assert not {tag for tag, _ in page.tags} & {"b", "script"}
    assert f"{evil}/Image.csv" in page.text
    assert "<script>alert(1)<" in page.text


ODD = {
    "Left out": "it is empty, without even a header",
    "Image sets that are not done": FIRST,
    "Columns that not all sets have": "Nuclei_Extra",
    "Columns that are text": "Cytoplasm_AreaShape_Area",
    "Not made": "single cells cannot be joined",
    "Odd": "its last line has no end",
}


@pytest.fixture
def odd_page(tmp_path: Path) -> Page:
    """A plate with one of each oddity."""
    analysis = write_plate(tmp_path / "a", ("A01", "A02", "A03"))
    (analysis / FIRST / "Cells.csv").write_bytes(b"")
    write(analysis / FIRST / "Nuclei.csv", (*HEADERS["Nuclei"], "Extra"), (1, 1, 5, 1, 7), (1, 2, 5, 2, 8))
    for path in analysis.rglob("Cytoplasm.csv"):
        path.write_bytes(path.read_bytes().replace(b"Parent_Cells", b"Parent"))
    header = ("ImageNumber", "ObjectNumber", "AreaShape_Area")
    write(analysis / FIRST / "Cytoplasm.csv", header, (1, 1, "bad"), (1, 2, 5))
    path = analysis / f"{PLATE}-A02-1" / "Cells.csv"
    path.write_bytes(path.read_bytes().removesuffix(b"\r\n"))
    write(analysis / FIRST / "Object relationships.csv", ("Module",), ("x",))
    copied(analysis / f"{PLATE}-A03-1", analysis / "copy")
    return page_of(analysis, single_cells=True)


def test_each_kind_of_oddity_is_under_its_heading(odd_page: Page) -> None:
    assert "Not complete:" in odd_page.text
    for heading, told in ODD.items():
        assert heading in odd_page.text
        assert told in odd_page.text[odd_page.text.index(heading) :]
    assert "it is no table of objects: not for a backend" in odd_page.text
    assert f"the image set P1-A03-1 is in {PLATE}-A03-1, too" in odd_page.text


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    for number in range(202):
        write(tmp_path / f"a/x{number:03}/Image.csv", IMAGE_HEADER)
    write_plate(tmp_path / "a")
    page = page_of(tmp_path / "a")
    assert "x199/Image.csv" in page.text
    assert "x200/Image.csv" not in page.text
    assert "and 2 more, in the report's JSON" in page.text
