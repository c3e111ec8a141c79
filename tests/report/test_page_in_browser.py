"""The page as people see it, in a real Chromium."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from cellpainting.report.page import render_page
from cellpainting.report.page_data import Layer, PageData
from tests.report.made_pages import HOSTILE, batch_page, empty_page, half_failed_page, plate_page, sparse_page

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing but the page: no sandbox for root, no start-up traffic.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MOST_SECONDS = 2.0
CONTROLS = ".controls, .sections, #panel, .skip"
PAGES = {
    "384": plate_page(),
    "1536": plate_page(32, 48),
    "half failed": half_failed_page(),
    "empty": empty_page(),
    "sparse": sparse_page(),
    "batch": batch_page(),
}


@cache
def _html(name: str) -> str:
    return render_page(PAGES[name])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    executable = next(filter(None, map(shutil.which, NAMES)))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Opener:
    """Opens pages from files, and keeps what they complain about and ask for."""

    browser: Browser
    folder: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def open(self, html: str, width: int = 1280) -> Page:
        """Open a page, and wait until it is drawn."""
        file = self.folder / "report.html"
        file.write_text(html, encoding="utf-8")
        page = self.browser.new_page(viewport={"width": width, "height": 900})
        self.pages.append(page)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready=true]", state="attached", timeout=10_000)
        return page


@pytest.fixture
def opener(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Opens pages; none of them may complain, or ask for anything but itself."""
    opener = Opener(browser, tmp_path)
    yield opener
    for page in opener.pages:
        page.close()
    assert opener.complaints == []
    assert [url for url in opener.requests if not url.startswith(("file:", "data:"))] == []


def _well(page: Page, name: str) -> Locator:
    return page.locator(f'.well[aria-label^="{name},"]')


def _fills(page: Page) -> list[str]:
    fills: list[str] = page.eval_on_selector_all(".well rect", "all => all.map(one => one.getAttribute('fill'))")
    return fills


def _choose(page: Page, layer: str) -> None:
    page.select_option("#layer", label=layer)


def _layer(data: PageData, name: str) -> Layer:
    assert data.plate
    return next(layer for layer in data.plate.layers if layer.name == name)


def _column(page: Page, table: str, column: int) -> list[str]:
    cells = page.locator(f"#{table} tbody tr:visible > :nth-child({column})")
    return [text.strip() for text in cells.all_inner_texts()]


def _with_layers(data: PageData, count: int) -> PageData:
    """The same with so many layers."""
    assert data.plate
    last = data.plate.layers[-1]
    more = tuple(replace(last, name=f"{last.name}_{at}") for at in range(count - len(data.plate.layers)))
    return replace(data, plate=replace(data.plate, layers=(*data.plate.layers, *more)))


@pytest.mark.parametrize("name", PAGES)
def test_opens_without_complaint_and_asks_for_nothing_but_itself(opener: Opener, name: str) -> None:
    page = opener.open(_html(name))
    assert opener.complaints == []
    assert set(opener.requests) <= {page.url, "data:,"} | {
        url for url in opener.requests if url.startswith("data:image/")
    }


@pytest.mark.parametrize(("rows", "columns"), [(16, 24), (32, 48)])
def test_opens_in_two_seconds(opener: Opener, rows: int, columns: int) -> None:
    page = opener.open(render_page(_with_layers(plate_page(rows, columns), 60)))
    milliseconds = page.evaluate("performance.getEntriesByName('drawn')[0].startTime")
    print(f"{rows * columns} wells are drawn after {milliseconds:.0f} ms")
    assert milliseconds < MOST_SECONDS * 1000


@pytest.mark.parametrize(("name", "wells", "last_row"), [("384", 382, "P"), ("1536", 1534, "AF")])
def test_draws_every_well_that_was_planned(opener: Opener, name: str, wells: int, last_row: str) -> None:
    page = opener.open(_html(name))
    assert page.locator(".well").count() == wells
    assert page.locator("svg.grid .plate-label").last.text_content() == last_row


def test_pointing_at_a_well_shows_its_values(opener: Opener) -> None:
    page = opener.open(_html("384"))
    _choose(page, "cells")
    _well(page, "B03").hover()
    assert PAGES["384"].plate
    at = PAGES["384"].plate.wells.index("B03")
    cells = _layer(PAGES["384"], "cells").values[at]
    assert isinstance(cells, float)
    assert page.inner_text("#well-name") == "Well B03"
    panel = page.inner_text("#well-values")
    assert f"{cells:,.0f} cells" in panel
    assert str(_layer(PAGES["384"], "treatment").values[at]) in panel
    assert "focus DNA" in panel
    assert f"cells: {cells:,.0f} cells" in page.inner_text("#tip")


def test_the_panel_has_the_chosen_feature_and_no_other(opener: Opener) -> None:
    page = opener.open(_html("384"))
    _choose(page, "Cells_AreaShape_Area")
    _well(page, "B03").hover()
    panel = page.inner_text("#well-values")
    assert "Cells_AreaShape_Area" in panel
    assert "Cells_Texture" not in panel


def test_arrow_keys_go_from_well_to_well_and_are_announced(opener: Opener) -> None:
    page = opener.open(_html("384"))
    assert page.locator('.well[tabindex="0"]').count() == 1
    page.locator('.well[tabindex="0"]').focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("B01, ")
    assert str(page.text_content("#well-said")).startswith("B01, ")
    assert page.get_attribute("#well-said", "aria-live") == "polite"
    assert page.locator('.well[tabindex="0"]').count() == 1


def test_arrow_keys_stay_on_the_plate(opener: Opener) -> None:
    page = opener.open(_html("384"))
    _well(page, "P22").focus()
    page.keyboard.press("ArrowRight")  # P23 and P24 were not planned
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("P22, ")


def test_choosing_a_layer_changes_colours_and_scale(opener: Opener) -> None:
    page = opener.open(_html("384"))
    state = _fills(page)
    _choose(page, "cells")
    cells = _fills(page)
    scale = page.inner_text("#scale")
    _choose(page, "Cells_AreaShape_Area")
    assert len({tuple(state), tuple(cells), tuple(_fills(page))}) == 3
    assert "2nd to 98th percentile" in scale
    assert "Centred on 0" in page.inner_text("#scale")


def test_a_small_plate_chooses_its_layer(opener: Opener) -> None:
    page = opener.open(_html("384"))
    page.get_by_role("button", name="focus DNA").click()
    assert page.inner_text("#layer-name") == "focus DNA"
    assert page.get_by_role("button", name="focus DNA").get_attribute("aria-pressed") == "true"
    assert page.locator("#overview [aria-pressed=true]").count() == 1


def test_wells_without_value_are_hatched(opener: Opener) -> None:
    page = opener.open(_html("384"))
    _choose(page, "cells")
    missing = _layer(PAGES["384"], "cells").values.count(None)
    assert _fills(page).count("url(#hatch)") == missing > 0
    assert f"no value: {missing}" in page.inner_text("#scale")


def test_filters_dim_the_rest_and_tell_how_many_match(opener: Opener) -> None:
    page = opener.open(_html("384"))
    control = page.locator("#filters label", has_text="control type").locator("select")
    control.select_option("poscon")
    kinds = _layer(PAGES["384"], "control type").values
    assert page.inner_text("#matching") == f"{kinds.count('poscon')} of 382 wells match"
    assert page.locator(".well.dim").count() == 382 - kinds.count("poscon")
    assert page.inner_text("#map-found") == f"{kinds.count('poscon')} of 382 wells"
    page.fill("#find", "no such treatment")
    assert page.inner_text("#matching") == "0 of 382 wells match"
    page.click("#clear")
    assert page.locator(".well.dim").count() == 0


def test_of_many_treatments_those_that_are_found_are_coloured(opener: Opener) -> None:
    page = opener.open(_html("384"))
    _choose(page, "treatment")
    assert len(set(_fills(page))) == 1
    page.fill("#find", "FK-866")
    assert len(set(_fills(page))) == 2
    assert "FK-866: " in page.inner_text("#scale")


def test_a_pinned_well_is_marked_on_the_map(opener: Opener) -> None:
    page = opener.open(_html("384"))
    _well(page, "C05").click()
    ring = page.locator("#map .ring.pinned")
    assert ring.get_attribute("data-well") == "C05"
    assert ring.is_visible()
    assert page.inner_text("#well-name") == "Well C05, pinned"
    page.keyboard.press("Escape")
    assert not ring.is_visible()


def test_a_well_pinned_on_the_map_is_marked_on_the_plate(opener: Opener) -> None:
    page = opener.open(_html("384"))
    canvas = page.locator("#map canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert str(page.text_content("#map-said")).startswith("A02, ")
    page.keyboard.press("Enter")
    assert page.locator(".well.pinned").get_attribute("aria-label", timeout=1000) == _well(page, "A02").get_attribute(
        "aria-label"
    )


def test_pointing_at_the_map_names_the_well(opener: Opener) -> None:
    page = opener.open(_html("384"))
    place = page.evaluate("({ x: points[50].left, y: points[50].top })")
    page.locator("#map canvas").hover(position=place)
    well = page.locator("#map .ring.pointed").get_attribute("data-well")
    assert f"{well}, plate BR00121431" in page.inner_text("#tip")


def test_the_legend_of_the_map_counts_and_chooses(opener: Opener) -> None:
    page = opener.open(_html("batch"))
    assert page.locator("#map-legend button").all_inner_texts() == [f"BR001214{31 + at}: 384" for at in range(6)]
    page.locator("#map-legend button").first.click()
    assert page.inner_text("#map-found") == "384 of 2,304 wells"
    page.select_option("#map-by", "control")
    assert page.inner_text("#map-legend").splitlines()[0].startswith("trt: ")


def test_an_empty_plate_says_so(opener: Opener) -> None:
    page = opener.open(_html("empty"))
    assert page.get_by_text("No well was planned, measured or mapped.").is_visible()
    assert page.locator(".well").count() == 0
    assert not page.locator("#layer").is_visible()


def test_failed_wells_have_a_mark_beside_their_colour(opener: Opener) -> None:
    page = opener.open(_html("half failed"))
    failed = _layer(PAGES["half failed"], "state").values.count("failed")
    marks = page.locator(".well text").all_text_contents()
    assert marks.count("!") == failed >= 180
    assert f"failed: {failed}" in page.inner_text("#scale")
    assert page.locator(".verdict-large").inner_text() == "Bad"


def test_a_page_of_which_little_is_known_says_so(opener: Opener) -> None:
    page = opener.open(_html("sparse"))
    assert page.get_by_text("Percent replicating is not known.").is_visible()
    assert page.get_by_text("No correlation is known.").is_visible()
    assert page.get_by_text("No mean average precision is known.").is_visible()
    assert page.inner_text("#elsewhere") == "Not wells of such a plate: Z99."
    _choose(page, "nothing")
    assert page.inner_text("#scale") == "No well has a value."
    _choose(page, "constant")
    assert "7" in page.inner_text("#scale")
    _well(page, "A01").hover()
    assert "constant: 7" in page.inner_text("#tip")


def test_what_is_good_stays_quiet_even_if_rare(opener: Opener) -> None:
    data = PAGES["384"]
    flags = _layer(data, "flag")
    assert data.plate
    values = tuple("good" if at < 10 else "out of focus" for at in range(len(data.plate.wells)))
    plate = replace(data.plate, layers=(replace(flags, values=values),))
    page = opener.open(render_page(replace(data, plate=plate)))
    marks = page.locator(".well text").all_text_contents()
    assert marks == [""] * 10 + ["A"] * (len(values) - 10)


def test_names_are_only_text(opener: Opener) -> None:
    data = plate_page(name=HOSTILE, odd=HOSTILE)
    page = opener.open(render_page(replace(data, reasons=(HOSTILE,))))
    page.on("dialog", lambda dialog: opener.complaints.append("a script of a name ran"))
    assert page.locator("h1").text_content() == HOSTILE
    _choose(page, "treatment")
    _well(page, "A08").click()
    assert HOSTILE.replace("\u2028", "") in page.inner_text("#well-values").replace("\u2028", "").replace("\n", "")
    assert page.locator("b").count() == 0


def test_tables_are_sorted_by_their_heads(opener: Opener) -> None:
    page = opener.open(_html("384"))
    head = page.locator("#treatments-table th", has_text="correlation")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    upward = _numbers(_column(page, "treatments-table", 4))
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    shown = _column(page, "treatments-table", 4)
    assert upward == sorted(upward)
    assert _numbers(shown) == upward[::-1]
    assert shown[-1] == "not known"


def _numbers(texts: Sequence[str]) -> list[float]:
    return [float(text.replace("\u2212", "-").replace(",", "")) for text in texts if text != "not known"]


def test_tables_are_searched(opener: Opener) -> None:
    page = opener.open(_html("384"))
    page.fill("[data-finds=treatments-table]", "poscon")
    assert set(_column(page, "treatments-table", 2)) == {"poscon"}


def test_significance_is_told_by_shape(opener: Opener) -> None:
    page = opener.open(_html("384"))
    assert PAGES["384"].replication
    known = [one.corrected_p for one in PAGES["384"].replication.treatments if one.corrected_p is not None]
    assert page.locator("#precision circle.mark").count() == sum(p < 0.05 for p in known)
    assert page.locator("#precision path.mark").count() == sum(p >= 0.05 for p in known) > 0


def test_pictures_are_enlarged_and_closed_again(opener: Opener) -> None:
    page = opener.open(_html("384"))
    page.locator(".tile").first.click()
    assert page.locator("dialog").is_visible()
    assert page.inner_text("#enlarged-about") == page.locator(".tile img").first.get_attribute("alt")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_plates_of_a_batch_link_to_their_pages(opener: Opener) -> None:
    page = opener.open(_html("batch"))
    plate_file = opener.folder / "BR00121432" / "report.html"
    plate_file.parent.mkdir()
    plate_file.write_text(render_page(plate_page(name="BR00121432")), encoding="utf-8")
    page.get_by_role("link", name="BR00121432").click()
    page.wait_for_selector("html[data-ready=true]", state="attached")
    assert page.inner_text("h1") == "BR00121432"


def test_print_has_all_sections_and_no_controls(opener: Opener) -> None:
    page = opener.open(_html("384"))
    page.emulate_media(media="print")
    for section in ("plate", "montages", "replication", "profile-map", "odd", "stages"):
        assert page.locator(f"#{section}").is_visible(), section
    assert page.locator(CONTROLS).count() > 5
    assert not any(one.is_visible() for one in page.locator(CONTROLS).all())
    overflows = page.eval_on_selector_all(
        "#wells, table", "all => all.map(one => getComputedStyle(one.closest('.scroll-x')).overflow)"
    )
    assert set(overflows) == {"visible"}  # nothing is cut
    assert page.locator("details .items").first.is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_scrolling_to_the_side(opener: Opener, name: str) -> None:
    page = opener.open(_html(name), width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_everything_that_can_be_chosen_has_a_name(opener: Opener) -> None:
    page = opener.open(_html("384"))
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("select, input, button, a, .well, canvas[tabindex]")]
          .filter((one) => !(one.labels?.[0]?.textContent ?? one.getAttribute("aria-label") ?? one.textContent).trim())
          .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


def test_headings_come_in_order(opener: Opener) -> None:
    page = opener.open(_html("384"))
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


@pytest.mark.parametrize("stops", ["CIVIDIS", "BLUE_TO_ORANGE.slice(0, 4)", "BLUE_TO_ORANGE.slice(3).reverse()"])
def test_scales_grow_lighter_throughout(opener: Opener, stops: str) -> None:
    """So that they are read without telling hues apart, and in print without colours."""
    page = opener.open(_html("empty"))
    lightness = page.evaluate(
        f"""() => [...Array(33).keys()].map((at) => between({stops}, at / 32)).map((colour) =>
          [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2))
          .map(([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue)"""
    )
    assert all(low < high for low, high in pairwise(lightness))
