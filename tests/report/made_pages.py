"""Pages of made plates, with the numbers that real ones have and a few of the odd ones."""

import io
from base64 import b64encode
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from cellpainting.ledger.image_set import State
from cellpainting.ledger.plate_map import row_name
from cellpainting.report.page_data import (
    EdgeEffect,
    Figure,
    Group,
    Layer,
    MapPoint,
    Montage,
    Oddity,
    PageData,
    Plate,
    PlateLine,
    ProfileMap,
    Replicates,
    Replication,
    Stage,
    Tile,
    Verdict,
)

HOSTILE = "</script><script>alert(1)</script><b>&amp;\u2028"
STATES = tuple(State)
COMPOUNDS = ("AMG-900", "dexamethasone", "NVS-PAK1-1", "TC-S-7004", "aloxistatin", "FK-866", "LY2109761", "quinidine")
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
OBJECTS = ("Cells", "Cytoplasm", "Nuclei")
MEASURES = ("AreaShape_Area", "Intensity_MeanIntensity_DNA", "Texture_Contrast_RNA_3", "RadialDistribution_FracAtD_ER")
FEATURES = 40


def plate_page(rows: int = 16, columns: int = 24, name: str = "BR00121431", odd: str = "AMG-900") -> PageData:
    """A plate that wants a look; `odd` is the name of one of its treatments."""
    plate = _plate(rows, columns, odd)
    kinds, treatments = (_layer(plate, layer).values for layer in ("control type", "treatment"))
    return replace(
        _parts(name, tuple(dict.fromkeys(str(one) for one in treatments if one is not None))),
        plate=plate,
        montages=_montages(odd),
        profile_map=_map([(name, well, *what) for well, *what in zip(plate.wells, treatments, kinds, strict=True)]),
    )


def half_failed_page() -> PageData:
    """A plate of which every other column failed."""
    page = plate_page(name="half failed")
    assert page.plate
    is_failed = [int(well[1:]) % 2 == 0 for well in page.plate.wells]
    layers = tuple(_failed(layer, is_failed) for layer in page.plate.layers)
    return replace(page, verdict=Verdict.BAD, plate=replace(page.plate, layers=layers))


def empty_page() -> PageData:
    """A plate of which nothing is known."""
    return PageData(
        title="empty plate",
        subtitle="Batch 7",
        version="0.1.0",
        verdict=Verdict.BAD,
        reasons=("No image set was planned.",),
        figures=(Figure("image sets", "0"),),
        plate=Plate(16, 24, (), (Layer("state", Group.LEDGER, (), is_category=True),), ()),
        state_order=STATES,
    )


def sparse_page() -> PageData:
    """A plate of one well and one that no plate has, with hardly a number that is known."""
    layers = (
        Layer("state", Group.LEDGER, ("done", "failed"), is_category=True),
        Layer("constant", Group.FEATURES, (7.0, 7.0)),
        Layer("nothing", Group.COUNTS, (None, None)),
    )
    unknown = Replicates("one well only", "", 1, None, None, None, None)
    return replace(
        empty_page(),
        title="sparse",
        plate=Plate(8, 12, ("A01", "Z99"), layers, (EdgeEffect("constant", 7, 7, None),)),
        replication=Replication("normalized", None, None, None, (), (unknown,), "Wells of the same treatment."),
        profile_map=ProfileMap("PCA", ("PC 1", "PC 2"), (MapPoint("sparse", "A01", "", "", 0.5, 0.5),), ""),
        stages=(Stage("measurement", "1 shard", None, None, None), Stage("report", "1 page", 0.0, 10, 0.0)),
    )


def batch_page(plates: int = 6, wells: int = 384) -> PageData:
    """A page of several plates."""
    names = [f"BR001214{31 + at}" for at in range(plates)]
    positions = [f"{row_name(row)}{column + 1:02}" for row, column in product(range(16), range(24))][:wells]
    points = [(name, well, *_treatment(at, "AMG-900")) for name in names for at, well in enumerate(positions)]
    lines = tuple(_line(at, name) for at, name in enumerate(names))
    return replace(_parts("2026-11 pilot", COMPOUNDS), subtitle="Batch", plates=lines, profile_map=_map(points))


def _parts(title: str, treatments: tuple[str, ...]) -> PageData:
    """What pages of a plate and of a batch have in common."""
    return PageData(
        title=title,
        subtitle="2026-11 pilot, measured 2026-11-24",
        version="0.1.0",
        verdict=Verdict.LOOK,
        reasons=("14 of 3,456 image sets are not done.", "Cell counts of the outer wells are lower than inside."),
        figures=(
            Figure("image sets done", "3,442 of 3,456", "99.6 %"),
            Figure("cells", "1,204,511", "median of 3,080 per well"),
            Figure("wells flagged", "23", "out of focus, saturated or few cells"),
            Figure("percent replicating", "74 %", "random wells: 5 %"),
            Figure("mean mAP", "0.62"),
            Figure("price", "$4.17", "estimated"),
        ),
        replication=_replication(treatments),
        oddities=_oddities(),
        stages=_stages(),
        price_note="On-demand prices of us-east-1 in November 2026; storage and requests are not in them.",
        state_order=STATES,
        links={"Backend": "backend/report.html", "Profiles": "profiles/", "Ledger": "ledger.csv"},
    )


def _plate(rows: int, columns: int, odd: str) -> Plate:
    random = np.random.default_rng(7)
    places = list(product(range(rows), range(columns)))
    unplanned = {(rows - 1, columns - 1), (rows - 1, columns - 2)}
    places = [place for place in places if place not in unplanned]
    wells = tuple(f"{row_name(row)}{column + 1:02}" for row, column in places)
    is_edge = np.array([row in (0, rows - 1) or column in (0, columns - 1) for row, column in places])
    states = random.choice(STATES, len(wells), p=[0.95, 0.02, 0.006, 0.006, 0.006, 0.006, 0.006])
    has_values = np.isin(states, [State.DONE])
    counts = random.normal(3100, 260, len(wells)) - 520 * is_edge
    what = [_treatment(at, odd) for at in range(len(wells))]
    layers = (
        Layer("state", Group.LEDGER, tuple(str(one) for one in states), True, about="Worst state of the image sets."),
        Layer("control type", Group.LAYOUT, tuple(kind for _, kind in what), True),
        Layer("treatment", Group.LAYOUT, tuple(treatment for treatment, _ in what), True, about="As in the layout."),
        _numbers("cells", Group.COUNTS, counts.round(), has_values, "cells", "Nuclei found in all sites of the well."),
        *_quality(random, len(wells), has_values),
        *(_numbers(name, Group.FEATURES, _feature(random, places), has_values) for name in _feature_names()),
    )
    return Plate(rows, columns, wells, layers, _edge_effects())


def _treatment(at: int, odd: str) -> tuple[str, str]:
    """Treatment and control type of a well; some have neither of the two."""
    if at % 12 == 0:
        return "DMSO", "negcon"
    if at % 24 == 7:
        return odd, "poscon"
    name = COMPOUNDS[at % len(COMPOUNDS)] if at % 3 else f"JCP2022_{at % 60:06}"
    return name, "trt"


def _quality(random: np.random.Generator, wells: int, has_values: Any) -> tuple[Layer, ...]:
    flags = np.where(random.random(wells) < 0.05, "out of focus", "good")
    return (
        Layer("flag", Group.QUALITY, tuple(flags.tolist()), True, about="The first flag of the well's images."),
        _numbers("focus DNA", Group.QUALITY, random.normal(-1.7, 0.1, wells), has_values, about="Power log-log slope."),
        _numbers("saturation ER", Group.QUALITY, random.gamma(1.2, 0.05, wells), has_values, "%", "Saturated pixels."),
    )


def _feature(random: np.random.Generator, places: list[tuple[int, int]]) -> Any:
    down, right = random.normal(0, 0.05, 2)
    return np.array([down * (row - 8) + right * (column - 12) for row, column in places]) + random.normal(
        0, 1, len(places)
    )


def _feature_names() -> tuple[str, ...]:
    names = [f"{thing}_{measure}" for thing, measure in product(OBJECTS, MEASURES)]
    return tuple(f"{name}_{at}" if at >= len(names) else name for at, name in enumerate((names * 5)[:FEATURES]))


def _numbers(name: str, group: Group, values: Any, is_known: Any, unit: str = "", about: str = "") -> Layer:
    known = tuple(float(value) if is_one else None for value, is_one in zip(values, is_known, strict=True))
    return Layer(name, group, known, unit=unit, about=about)


def _failed(layer: Layer, is_failed: list[bool]) -> Layer:
    """The layer of a plate some of whose wells have no results."""
    if layer.group is Group.LAYOUT:
        return layer
    gone = str(State.FAILED) if layer.group is Group.LEDGER else None
    values = tuple(gone if failed else value for value, failed in zip(layer.values, is_failed, strict=True))
    return replace(layer, values=values)


def _layer(plate: Plate, name: str) -> Layer:
    return next(layer for layer in plate.layers if layer.name == name)


def _edge_effects() -> tuple[EdgeEffect, ...]:
    effects = [EdgeEffect(name, 0.1, 0.05 * at, 0.08 * at - 0.4) for at, name in enumerate(_feature_names()[:10])]
    return (*effects, EdgeEffect("saturation ER", 0.0, 0.0, None), EdgeEffect("cells", 2571, 3101, -2.04))


def _replication(treatments: tuple[str, ...]) -> Replication:
    random = np.random.default_rng(11)
    null = np.clip(random.normal(0.02, 0.09, 1000), -1, 1)
    rows = []
    for at, treatment in enumerate(treatments):
        correlation = float(np.clip(random.normal(0.45, 0.22), -0.2, 0.98))
        precision = float(np.clip(correlation + random.normal(0.15, 0.1), 0.05, 1))
        p = float(10 ** -(4 * precision + random.normal(0, 0.2)))
        kind = "poscon" if at == 3 else "trt"
        rows.append(Replicates(treatment, kind, 4 + at % 5, correlation, precision, p, min(1, 1.6 * p)))
    rows.append(Replicates("one well only", "trt", 1, None, None, None, None))
    return Replication(
        profile="normalized_feature_select",
        percent_replicating=0.74,
        threshold=0.17,
        significant=0.61,
        null=tuple(null.tolist()),
        treatments=tuple(rows),
        about="Pairs of wells of the same treatment, on this plate and on others of the batch.",
    )


def _map(wells: list[tuple[Any, ...]]) -> ProfileMap:
    random = np.random.default_rng(5)
    centres = {name: random.normal(0, 4, 2) for name in dict.fromkeys(treatment for _, _, treatment, _ in wells)}
    points = []
    for plate, well, treatment, kind in wells:
        x, y = (centres[treatment] + random.normal(0, 0.9, 2)).tolist()
        points.append(MapPoint(plate, well, treatment, kind, x, y))
    return ProfileMap("UMAP", ("UMAP 1", "UMAP 2"), tuple(points), "Wells that are alike lie close to each other.")


def _montages(odd: str) -> tuple[Montage, ...]:
    names = [("dexamethasone", "trt"), ("FK-866", "trt"), (HOSTILE, "trt"), ("DMSO", "negcon"), (odd, "poscon")]
    return tuple(
        Montage(
            treatment,
            kind,
            tuple(Tile(f"{'BCDE'[at]}0{at + 2}", "1", _image(at), f"{treatment} in well {at}") for at in range(4)),
        )
        for treatment, kind in names
    )


def _image(seed: int) -> str:
    """A field of round cells, as a data: URI."""
    random = np.random.default_rng(seed)
    down, right = np.mgrid[:160, :160]
    picture = np.zeros((160, 160, 3))
    for _ in range(14):
        row, column = random.integers(8, 152, 2)
        distance = np.hypot(down - row, right - column)
        picture[..., 2] += 230 * np.exp(-((distance / 7) ** 2))
        picture[..., 1] += 130 * np.exp(-((distance / 15) ** 2))
        picture[..., 0] += 90 * np.exp(-((distance / 19) ** 2))
    packed = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=85)
    return "data:image/jpeg;base64," + b64encode(packed.getvalue()).decode()


def _oddities() -> tuple[Oddity, ...]:
    return (
        Oddity("backend", "2 files were left out: they are no tables of objects.", items=("a.csv", "b.csv"), count=2),
        Oddity("measurement", "14 image sets are not done.", True, ("B03 site 2: out of memory", HOSTILE), count=14),
        Oddity("profiles", "The layout names no compounds for 3 wells."),
    )


def _stages() -> tuple[Stage, ...]:
    return (
        Stage("illumination", "1 shard", 512.4, 2900.0, 0.021),
        Stage("measurement", "216 shards of 16 image sets", 212_400.0, 3840.0, 4.12),
        Stage("backend", "3,442 image sets", 96.0, 1210.0, 0.011),
        Stage("profiles", "382 wells", 41.5, 980.0, 0.006),
        Stage("report", "1 page", 12.0, None, None),
    )


def _line(at: int, name: str) -> PlateLine:
    return PlateLine(
        plate=name,
        batch="2026-11 pilot",
        href=f"{name}/report.html",
        verdict=(Verdict.GOOD, Verdict.LOOK, Verdict.GOOD, Verdict.BAD)[at % 4],
        image_sets=3456,
        image_sets_done=3456 - 111 * (at % 4 == 3) - at,
        wells=384,
        wells_flagged=3 * at,
        cells=None if at == 3 else 1_200_000 + 1000 * at,
        percent_replicating=None if at == 3 else 0.7 + 0.02 * at,
        mean_map=None if at == 3 else 0.55 + 0.01 * at,
    )
