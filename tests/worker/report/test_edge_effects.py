"""Outer wells that differ are told by how much, and nothing is told where there is nothing to compare."""

from itertools import product

import pytest

from cellpainting.report.edge_effects import edge_effects
from cellpainting.report.page_data import Group, Layer

PLACES = tuple(product(range(8), range(12)))
INNER = [0 < row < 7 and 0 < column < 11 for row, column in PLACES]


def of_values(*values: float | None) -> Layer:
    return Layer("cells", Group.COUNTS, values)


def test_the_difference_of_medians_is_told_in_robust_deviations_of_the_inner_wells() -> None:
    values = [100.0 + (number % 5) if inner else 82.0 for number, inner in enumerate(INNER)]
    (effect,) = edge_effects([of_values(*values)], PLACES)
    assert (effect.layer, effect.edge, effect.inner) == ("cells", 82.0, 102.0)
    assert effect.deviations == pytest.approx(-20 / 1.4826)


def test_deviations_are_not_known_where_the_inner_wells_do_not_vary() -> None:
    (effect,) = edge_effects([of_values(*(5.0 if inner else 6.0 for inner in INNER))], PLACES)
    assert effect.deviations is None


def test_the_edge_is_that_of_the_wells_in_use() -> None:
    places = [(row, column) for row, column in PLACES if row > 1 and column > 1]
    values = [1.0 if row in (2, 7) or column in (2, 11) else 3.0 + row + column for row, column in places]
    (effect,) = edge_effects([of_values(*values)], places)
    assert effect.edge == 1.0


def test_categories_and_too_few_wells_have_no_edge_effect() -> None:
    state = Layer("state", Group.LEDGER, ("done",) * len(PLACES), is_category=True)
    few = of_values(*(1.0 if number < 3 else None for number in range(len(PLACES))))
    assert edge_effects([state, few], PLACES) == ()


def test_the_strongest_effect_comes_first() -> None:
    weak = [100.0 + (number % 5) if inner else 105.0 for number, inner in enumerate(INNER)]
    strong = [100.0 + (number % 5) if inner else 82.0 for number, inner in enumerate(INNER)]
    effects = edge_effects([of_values(*weak), of_values(*strong)], PLACES)
    assert [effect.edge for effect in effects] == [82.0, 105.0]
