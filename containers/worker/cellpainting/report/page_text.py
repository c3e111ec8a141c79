"""How the page tells numbers."""

from collections.abc import Callable, Mapping
from typing import Any

NOT_KNOWN = "not known"


def number(value: float | None) -> str:
    """A count in full, any other number with three significant digits."""
    if value is None:
        return NOT_KNOWN
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "\u2212")
    return f"{value:.3g}".replace("-", "\u2212")


def share(value: float | None) -> str:
    """A share of 1 as percent."""
    return NOT_KNOWN if value is None else f"{100 * value:.0f} %"


def duration(seconds: float | None) -> str:
    """Wall time, in the two largest units."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def memory(mib: float | None) -> str:
    """Memory in MiB or GiB."""
    if mib is None:
        return NOT_KNOWN
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def price(usd: float | None) -> str:
    """US dollars, with more digits if they are few."""
    if usd is None:
        return NOT_KNOWN
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"


def words(name: str) -> str:
    """A name such as `no_cells` as words."""
    return name.replace("_", " ")


FILTERS: Mapping[str, Callable[[Any], str]] = {
    one.__name__: one for one in (number, share, duration, memory, price, words)
}
