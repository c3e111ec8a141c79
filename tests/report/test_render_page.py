"""The page as text: whole, small, and with nothing in it that a name could break."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from cellpainting.report.page import render_page
from cellpainting.report.page_data import Group, Layer, PageData, Verdict
from cellpainting.report.page_text import duration, memory, number, price, share
from tests.report.made_pages import HOSTILE, batch_page, empty_page, half_failed_page, plate_page, sparse_page

MIB = 1024 * 1024
ADDRESSES = {"src", "href", "action", "srcset", "poster", "data"}


class _Elements(HTMLParser):
    """All start tags, and the text of each script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)


def _json(html: str) -> dict[str, object]:
    data = json.loads(_Elements(html).scripts[0])
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("page", [plate_page(), half_failed_page(), empty_page(), sparse_page(), batch_page()])
def test_needs_nothing_beside_itself(page: PageData) -> None:
    elements = _Elements(render_page(page))
    for tag, attributes in elements.tags:
        for name in ADDRESSES & attributes.keys():
            address = attributes[name] or ""
            assert address.startswith(("data:", "#")) or (tag == "a" and address.startswith("./")), (tag, address)
    assert not any("http" in script.replace("http://www.w3.org/2000/svg", "") for script in elements.scripts)


def test_names_are_only_text() -> None:
    page = replace(
        plate_page(name=HOSTILE, odd=HOSTILE), subtitle=HOSTILE, reasons=(HOSTILE,), links={HOSTILE: HOSTILE}
    )
    clean = _Elements(render_page(plate_page()))
    hostile = _Elements(render_page(page))
    assert len(hostile.scripts) == len(clean.scripts)
    assert not [tag for tag, _ in hostile.tags if tag == "b"]


def test_names_are_kept_as_they_are() -> None:
    shown = json.dumps(_json(render_page(plate_page(odd=HOSTILE))), ensure_ascii=False)
    assert json.dumps(HOSTILE, ensure_ascii=False)[1:-1] in shown


def test_no_other_script_may_run() -> None:
    elements = _Elements(render_page(plate_page()))
    policy = next(attributes["content"] for _, attributes in elements.tags if "http-equiv" in attributes)
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in rules["script-src"]
    assert rules["script-src"].count("sha256-") == len(elements.scripts) - 1


def test_a_link_cannot_be_a_script() -> None:
    html = render_page(replace(batch_page(), links={"x": "javascript:alert(1)"}))
    assert 'href="javascript:' not in html
    assert 'href="./javascript:' in html


def test_a_page_of_a_full_plate_is_small() -> None:
    page = plate_page()
    assert page.plate
    more = tuple(replace(page.plate.layers[-1], name=f"feature {at}") for at in range(60))
    page = replace(page, plate=replace(page.plate, layers=(*page.plate.layers, *more)))
    tile = replace(page.montages[0].tiles[0], image="data:image/jpeg;base64," + "A" * 20_000)
    montages = tuple(replace(page.montages[0], tiles=(tile,) * 4) for _ in range(12))
    assert len(render_page(replace(page, montages=montages)).encode()) < 3 * MIB


def test_a_page_of_50_plates_is_small() -> None:
    assert len(render_page(batch_page(50)).encode()) < 10 * MIB


def test_pictures_are_in_the_page_once() -> None:
    page = plate_page()
    assert render_page(page).count(page.montages[0].tiles[0].image) == len(page.montages)


def test_the_verdict_is_said_in_words() -> None:
    for verdict, words in {Verdict.GOOD: "Good", Verdict.LOOK: "Wants a look", Verdict.BAD: "Bad"}.items():
        assert f"</svg>{words}</span>" in render_page(replace(empty_page(), verdict=verdict))


def test_what_is_not_there_is_told() -> None:
    html = render_page(empty_page())
    assert "No well was planned, measured or mapped." in html
    assert "Not shown: no profile with replicates was found." in html
    assert "Not shown: no profile was mapped." in html
    assert 'id="montages"' not in html
    assert 'id="stages"' not in html


def test_refuses_numbers_that_are_none() -> None:
    page = empty_page()
    assert page.plate
    broken = Layer("cells", Group.COUNTS, (float("nan"),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_page(replace(page, plate=replace(page.plate, wells=("A01",), layers=(broken,))))


def test_tells_numbers_as_people_do() -> None:
    assert [number(value) for value in (None, 0, -0.2, 1234, 12345.6, 0.01234)] == [
        "not known",
        "0",
        "\u22120.2",
        "1,234",
        "12,346",
        "0.0123",
    ]
    assert [share(value) for value in (None, 0.736)] == ["not known", "74 %"]
    assert [duration(value) for value in (None, 5.21, 119.7, 212_400)] == [
        "not known",
        "5.2 s",
        "2 min 0 s",
        "59 h 0 min",
    ]
    assert [memory(value) for value in (None, 980, 3840)] == ["not known", "980 MiB", "3.8 GiB"]
    assert [price(value) for value in (None, 0.0123, 4.167)] == ["not known", "$0.0123", "$4.17"]
