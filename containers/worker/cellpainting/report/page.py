"""The page about a plate, a batch or a run, drawn as one HTML text."""

import json
from base64 import b64encode
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cellpainting.report.page_data import Group, PageData, Plate
from cellpainting.report.page_text import FILTERS

ASSETS = Path(__file__).with_name("assets")
# A script uses what those before it define.
SCRIPTS = ("dom", "scale", "wells", "choice", "panel", "plate", "overview", "chart", "map", "table", "start")
DIGITS = 6  # significant ones: more than a colour or a reader can tell apart
NOTABLE = 1.0  # robust standard deviations between the edge and the inside that are worth a word
# Text of users stays text: nothing in the JSON can end the element it is in, or begin one.
ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def render_page(data: PageData) -> str:
    """Draw a page that needs nothing beside itself.

    Parameters
    ----------
    data
        What the page shows. Numbers in it are finite.

    Returns
    -------
    str
        The HTML, with its styles, scripts, pictures and data.

    Raises
    ------
    ValueError
        If a number is infinite or not a number.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    scripts = [_asset(f"{name}.js") for name in SCRIPTS]
    return environment.get_template("page.html").render(
        page=data,
        css=_asset("page.css"),
        scripts=scripts,
        script_sources=" ".join(_source(script) for script in scripts),
        drawn=_drawn(data),
        notable=NOTABLE,
    )


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of this package


def _source(script: str) -> str:
    """A script as a Content-Security-Policy names it: no other one runs on the page."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _drawn(data: PageData) -> Markup:
    """What the scripts draw, as JSON; all else is in the HTML."""
    shown = {
        "plate": data.plate and _plate(data.plate),
        "replication": data.replication and asdict(data.replication),
        "profile_map": data.profile_map and asdict(data.profile_map),
        "state_order": data.state_order,
        "groups": [group.value for group in Group],
    }
    text = json.dumps(_short(shown), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(ESCAPES))  # noqa: S704 - escaped here


def _plate(plate: Plate) -> dict[str, Any]:
    shown = asdict(plate)
    del shown["edge_effects"]
    return shown


def _short(value: Any) -> Any:
    """The same with numbers of a few digits."""
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {key: _short(member) for key, member in value.items()}
        case list() | tuple():
            return [_short(member) for member in value]
    return value
