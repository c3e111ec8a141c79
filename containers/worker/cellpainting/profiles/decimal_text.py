"""Numbers rounded to some significant digits, as `%.5g` prints them, a whole table at once."""

import numpy as np

from cellpainting.profiles.profiles import Values

EXACT = 22  # powers of ten up to this one are floats without rounding
POWERS = np.array([float(f"1e{exponent}") for exponent in range(EXACT + 1)])  # np.power may be off by the last bit
FEW = 9  # digits that leave room, in a float's 15, to tell where rounding is not sure
NEAR_HALF = 1e-6  # where rounding after a multiplication might go another way than that of the decimal number


def to_significant_digits(values: Values, digits: int) -> Values:
    """The floats that are nearest to `values` written with so many significant digits; NaN and infinity stay.

    The shortest decimal form of such a float has no more digits, so that any writer of CSV that gives the shortest
    form gives these.

    Parameters
    ----------
    values
        float64 of any shape.
    """
    sizes = np.abs(values)
    is_usual = np.isfinite(values) & (sizes > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = np.floor(np.log10(sizes, where=is_usual, out=np.zeros_like(sizes))).astype(np.int64)
    shift = digits - 1 - exponents
    is_exact = is_usual & (np.abs(shift) <= EXACT) & (digits <= FEW)
    up, down = POWERS[np.clip(shift, 0, EXACT)], POWERS[np.clip(-shift, 0, EXACT)]
    scaled = np.where(is_exact, values, 0.0) * up / down
    whole = np.rint(scaled)
    is_sure = is_exact & (np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) > NEAR_HALF)
    rounded = np.where(is_exact, whole / up * down, values)
    for position in zip(*np.nonzero(is_usual & ~is_sure), strict=True):
        rounded[position] = float(f"{values[position]:.{digits}g}")
    return rounded
