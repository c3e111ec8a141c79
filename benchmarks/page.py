"""The page about a plate: how long it takes to make, how large it is, and how long until a browser has drawn it.

A plate of 384 wells x 5,792 features is made, and so are its profiles; pages of more wells and of many plates are drawn
from made data. The browser is the Chromium of this machine (`make test-browser` installs Debian's).

    .venv/bin/python benchmarks/page.py [--scratch DIR]
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.peers.processes import measured  # noqa: E402
from benchmarks.profiles import BATCH, compile_libraries, make_plates, run_ours  # noqa: E402
from cellpainting.report.page import render_page  # noqa: E402
from tests.report.made_pages import batch_page, plate_page  # noqa: E402
from tests.report.test_page_in_browser import ARGUMENTS, NAMES  # noqa: E402

TIMES = 5  # each page is opened, the median counts
MOST_SECONDS, MOST_MB = 2.0, 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pages and open them; 1 if one is too large or takes too long."""
    parser = argparse.ArgumentParser(description="Make pages and open them.")
    parser.add_argument("--scratch", type=Path, help="where temporary files go  [default: the system's]")
    options = parser.parse_args(arguments)
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        parser.error("there is no Chromium on this machine; scripts/install_chromium.sh installs Debian's")
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-", dir=options.scratch) as name:
        pages = make_pages(Path(name).resolve())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
            missed = [print_row(about, path, browser) for about, path in pages.items()]
            browser.close()
    return int(any(missed))


def make_pages(scratch: Path) -> dict[str, Path]:
    """The pages, by what they are of."""
    pages = {"384 wells, 5,792 features, made by cpb report": make_report(scratch)}
    drawn = {
        "384 wells, made data": plate_page(),
        "1,536 wells, made data": plate_page(32, 48),
        "50 plates of 384 wells, made data": batch_page(50),
    }
    for number, (about, page) in enumerate(drawn.items()):
        pages[about] = scratch / f"{number}.html"
        pages[about].write_text(render_page(page))
    return pages


def make_report(scratch: Path) -> Path:
    """The page of a made plate, by the command that users type."""
    compile_libraries(scratch / "bytecode")
    root, page = scratch / "workspace", scratch / "plate.html"
    (plate,) = make_plates(1, root)
    run_ours(root)
    cpb = str(Path(sys.executable).with_name("cpb"))
    command = [cpb, "report", str(root / "profiles" / BATCH / plate), "-o", str(page)]
    cost = measured(command, scratch / "report.log", scratch)
    print(f"cpb report of {plate}: {cost.wall:.1f} s, {cost.processor:.1f} s of processor, {cost.memory_mib:.0f} MiB")
    return page


def print_row(about: str, path: Path, browser: Browser) -> bool:
    """Open a page, tell its size and how long it took; whether that is too much."""
    seconds = statistics.median(opening_s(path, browser) for _ in range(TIMES))
    size = path.stat().st_size / 1e6
    print(f"{about:48} {size:6.2f} MB {seconds:6.2f} s until drawn", flush=True)
    return seconds > MOST_SECONDS or size > MOST_MB


def opening_s(path: Path, browser: Browser) -> float:
    """From the begin of navigation until all is drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    milliseconds: float = page.evaluate("performance.getEntriesByName('drawn')[0].startTime")
    page.close()
    return milliseconds / 1000


if __name__ == "__main__":
    sys.exit(main())
