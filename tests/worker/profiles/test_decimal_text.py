"""Numbers rounded as `%.5g` prints them."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cellpainting.profiles.decimal_text import to_significant_digits

FINITE = st.floats(allow_nan=False, allow_infinity=False)
HALVES = st.builds(
    lambda digits, exponent: float(f"{digits}5e{exponent}"),
    st.integers(10_000, 99_999),
    st.integers(-30, 30),
)


def printed(value: float, digits: int) -> float:
    """As Python prints it."""
    return float(f"{value:.{digits}g}")


@given(st.lists(FINITE | HALVES, min_size=1))
@example([5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 0.0, -1.5])
@example([1e22, 1e23, 1e-22, 1e-23, 999995.0, 99999.5, 9.99995, 0.1 + 0.2])
def test_five_digits_are_those_that_python_prints(values: list[float]) -> None:
    rounded = to_significant_digits(np.array(values), 5)
    assert rounded.tolist() == [printed(value, 5) for value in values]


@given(st.lists(FINITE | HALVES, min_size=1), st.integers(1, 20))
def test_any_number_of_digits_are_those_that_python_prints(values: list[float], digits: int) -> None:
    rounded = to_significant_digits(np.array(values), digits)
    assert rounded.tolist() == [printed(value, digits) for value in values]


@pytest.mark.parametrize("exponent", range(-323, 309, 7))
def test_powers_of_ten_and_their_neighbours_are_those_that_python_prints(exponent: int) -> None:
    power = float(f"1e{exponent}")
    values = np.array([power, np.nextafter(power, 0), np.nextafter(power, np.inf), -power])
    for digits in (1, 3, 5, 9):
        assert to_significant_digits(values, digits).tolist() == [printed(float(value), digits) for value in values]


def test_missing_and_infinite_values_stay_and_so_does_the_shape() -> None:
    values = np.array([[np.nan, np.inf], [-np.inf, 1.23456789]])
    rounded = to_significant_digits(values, 5)
    np.testing.assert_array_equal(rounded, [[np.nan, np.inf], [-np.inf, 1.2346]])
    assert values[1, 1] == 1.23456789


def test_the_shortest_form_of_a_rounded_number_has_no_more_digits() -> None:
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-12, 12, 1000)
    for value in to_significant_digits(values, 5).tolist():
        assert len(repr(value).split("e")[0].replace(".", "").replace("-", "").strip("0")) <= 5
