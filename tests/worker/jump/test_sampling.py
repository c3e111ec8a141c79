"""Sites by chance, and yet always the same: properties over random plates."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cellpainting.jump.sampling import sample

Site = tuple[str, str, str, str, str]
COLUMNS = [f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")]

wells = st.lists(
    st.sampled_from([f"{row}{column:02}" for row in "ABP" for column in (1, 2, 24)]), unique=True, max_size=6
)
plates = st.dictionaries(
    st.sampled_from(["P1", "P2", "0042", "1E5", "AA plate"]),
    st.dictionaries(st.sampled_from(["A01", "A02", "B01", "P24", "AF48"]), st.integers(1, 9), max_size=5),
    min_size=1,
    max_size=4,
)


def frame_of(layout: Mapping[str, Mapping[str, int]]) -> pl.DataFrame:
    rows = [
        ("source_4", "b1", plate, well, str(site))
        for plate, sites in layout.items()
        for well, count in sites.items()
        for site in range(1, count + 1)
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def chosen(frame: pl.DataFrame, most: int, seed: int = 0) -> set[Site]:
    taken = sample(frame, np.full(len(frame), most, np.int64), seed)
    return set(frame.filter(pl.Series(taken)).rows())


@given(plates, st.integers(0, 10), st.integers(0, 2**32))
def test_each_well_gives_as_many_sites_as_wanted_and_all_when_it_has_fewer(layout: Any, most: int, seed: int) -> None:
    counts = Counter((plate, well) for _, _, plate, well, _ in chosen(frame_of(layout), most, seed))
    for plate, sites in layout.items():
        for well, count in sites.items():
            assert counts[plate, well] == min(most, count)


@given(plates, st.integers(0, 9), st.randoms(use_true_random=False))
def test_order_of_the_rows_has_no_say(layout: Any, most: int, random: Any) -> None:
    frame = frame_of(layout)
    order = list(range(len(frame)))
    random.shuffle(order)
    assert chosen(frame[order], most) == chosen(frame, most)


@given(plates, plates, st.integers(0, 9))
def test_other_plates_have_no_say(layout: Any, others: Any, most: int) -> None:
    together = chosen(frame_of({**others, **layout}), most)
    alone = chosen(frame_of(layout), most)
    assert {site for site in together if site[2] in layout} == alone


@given(plates, st.integers(0, 8))
def test_more_sites_are_the_same_ones_and_one_more(layout: Any, most: int) -> None:
    assert chosen(frame_of(layout), most) <= chosen(frame_of(layout), most + 1)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_every_site_has_the_same_chance(seed: int) -> None:
    layout = {"P1": {f"{row}{column:02}": 9 for row, column in product("ABCDEFGHIJKLMNOP", range(1, 25))}}
    counts = Counter(site for *_, site in chosen(frame_of(layout), 3, seed))
    expected = 384 * 3 / 9
    assert all(abs(counts[str(site)] - expected) < 6 * expected**0.5 for site in range(1, 10))


def test_wells_of_a_plate_and_the_same_wells_of_others_give_different_sites() -> None:
    layout = {plate: {"A01": 9, "A02": 9} for plate in ("P1", "P2", "P3", "P4", "P5", "P6")}
    by_well = defaultdict(set)
    for _, _, plate, well, site in chosen(frame_of(layout), 3):
        by_well[plate, well].add(site)
    assert len({frozenset(sites) for sites in by_well.values()}) > 6


def test_the_choice_of_this_release_is_the_choice_of_every_release() -> None:
    """What was chosen once must be chosen again by later versions of this program and of what it stands on."""
    layout = {"BR00117035": {"A01": 9, "A02": 9}}
    sites = sorted((well, site) for *_, well, site in chosen(frame_of(layout), 3, seed=2026))
    assert sites == [("A01", "3"), ("A01", "6"), ("A01", "8"), ("A02", "2"), ("A02", "5"), ("A02", "7")]


def test_no_rows_give_no_choice() -> None:
    assert chosen(pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String)), 3) == set()
