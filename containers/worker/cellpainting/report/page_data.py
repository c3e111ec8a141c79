"""What a page shows, as plain data: made from a plate's results in one place, drawn in another.

Lists by well are all in the order of `Plate.wells`. Numbers that are not known are None.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a plate comes to, at a glance."""

    GOOD = "good"
    LOOK = "look"  # usable, but something wants a look
    BAD = "bad"  # something that was asked for is not there


class Group(StrEnum):
    """What the layers of a plate are about; the page lists them so."""

    LEDGER = "ledger"
    LAYOUT = "layout"
    COUNTS = "cell counts"
    QUALITY = "image quality"
    FEATURES = "features"


@dataclass(frozen=True)
class Layer:
    """A value per well. `values` are numbers, or names (of states, treatments, flags); `is_category` tells which.

    `about` is a sentence for people; `unit` is empty for features that have been normalized.
    """

    name: str
    group: Group
    values: tuple[float | int | str | None, ...]
    is_category: bool = False
    unit: str = ""
    about: str = ""


@dataclass(frozen=True)
class EdgeEffect:
    """How far the outermost wells are from the inner ones, for one layer: medians, and their difference in robust
    standard deviations (1.4826 MAD) of the inner ones; None where those do not vary.
    """

    layer: str
    edge: float
    inner: float
    deviations: float | None


@dataclass(frozen=True)
class Plate:
    """The wells that were planned, measured or mapped, each with all layers. `rows` and `columns` are of the format."""

    rows: int
    columns: int
    wells: tuple[str, ...]
    layers: tuple[Layer, ...]
    edge_effects: tuple[EdgeEffect, ...]


@dataclass(frozen=True)
class Tile:
    """A picture of one site: `image` is a data: URI, `about` says what is seen on it."""

    well: str
    site: str
    image: str
    about: str


@dataclass(frozen=True)
class Montage:
    """Pictures of one treatment or control. `kind` is its control type, `trt` for a treatment."""

    treatment: str
    kind: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Replicates:
    """How alike the replicates of one treatment are.

    `correlation` is the median Pearson correlation of its pairs; `map` the mean average precision against the negative
    controls, `p` and `corrected_p` its p-value without and with Benjamini and Hochberg's correction.
    """

    treatment: str
    kind: str
    wells: int
    correlation: float | None
    map: float | None
    p: float | None
    corrected_p: float | None


@dataclass(frozen=True)
class Replication:
    """Percent replicating: the share of treatments whose replicates correlate above `threshold`, the 95th percentile of
    `null` (median correlations of random wells of different treatments). `significant` is the share of treatments
    whose corrected p-value of mean average precision is below 0.05. `about` says what was compared.
    """

    profile: str
    percent_replicating: float | None
    threshold: float | None
    significant: float | None
    null: tuple[float, ...]
    treatments: tuple[Replicates, ...]
    about: str


@dataclass(frozen=True)
class MapPoint:
    """A well on the profile map. `kind` is its control type, `trt` for a treatment, empty if it is not known."""

    plate: str
    well: str
    treatment: str
    kind: str
    x: float
    y: float


@dataclass(frozen=True)
class ProfileMap:
    """Wells in two dimensions. `axes` name them; `about` says of which profile, and how."""

    method: str
    axes: tuple[str, str]
    points: tuple[MapPoint, ...]
    about: str


@dataclass(frozen=True)
class Oddity:
    """Something that was odd. `stage` is where; `is_problem` if something asked for is not there; `items` name what it
    is about, at most a few hundred; `count` is how many there are in all.
    """

    stage: str
    text: str
    is_problem: bool = False
    items: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class Stage:
    """What one stage took: wall seconds of all its workers together, memory in MiB of the largest, an estimated price
    in US dollars. None where it is not known.
    """

    name: str
    work: str
    seconds: float | None
    peak_memory_mib: float | None
    usd: float | None


@dataclass(frozen=True)
class Figure:
    """A number that is told at the top."""

    label: str
    value: str
    about: str = ""


@dataclass(frozen=True)
class PlateLine:
    """A plate in the table of a batch or run. `href` is its page, relative to this one."""

    plate: str
    batch: str
    href: str
    verdict: Verdict
    image_sets: int
    image_sets_done: int
    wells: int
    wells_flagged: int
    cells: int | None
    percent_replicating: float | None
    mean_map: float | None


@dataclass(frozen=True)
class PageData:
    """A page: of one plate, or of several with `plates` and no `plate`.

    `reasons` say why the verdict is not good, one each. `price_note` says what prices are based on. Lists are shown in
    their own order.
    """

    title: str
    subtitle: str
    version: str
    verdict: Verdict
    reasons: tuple[str, ...]
    figures: tuple[Figure, ...]
    plate: Plate | None = None
    plates: tuple[PlateLine, ...] = ()
    montages: tuple[Montage, ...] = ()
    replication: Replication | None = None
    profile_map: ProfileMap | None = None
    oddities: tuple[Oddity, ...] = ()
    stages: tuple[Stage, ...] = ()
    price_note: str = ""
    state_order: tuple[str, ...] = ()
    links: Mapping[str, str] | None = None
