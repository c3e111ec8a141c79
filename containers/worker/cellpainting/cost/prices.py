"""The table of prices, `prices.csv`, or one that a user gives in its place; and the one way to price a job."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from math import isfinite
from statistics import fmean

from cellpainting.errors import InvalidTable

COLUMNS = ("item", "usd", "unit", "region", "date", "source")
REQUIRED = (
    "ebs_gp3",
    "s3_storage",
    "s3_put",
    "s3_get",
    "interface_endpoint",
    "nat_gateway",
    "public_ipv4",
    "fsx_lustre",
    "cloudwatch_metric",
    "cloudwatch_alarm",
    "cloudwatch_dashboard",
)
ON_DEMAND, SPOT = "ec2_on_demand.", "ec2_spot."  # followed by the family of the instances
MEMORY_MIB = 4096  # that comes with a vCPU at these prices
HOURS_OF_MONTH = 730
DISK_GIB = 200 / 16  # of a host's root volume for each of its vCPUs, as constants.py has them


@dataclass(frozen=True)
class JobPrice:
    """US dollars for an hour of one vCPU with `memory_mib` of memory and its share of the host's disk."""

    usd: float
    memory_mib: int
    note: str

    def of(self, seconds: float, vcpus: int, memory_mib: float) -> float:
        """The price of a job: of its vCPUs, or of as many as have its memory."""
        return self.usd * seconds / 3600 * max(vcpus, memory_mib / self.memory_mib)


@dataclass(frozen=True)
class Prices:
    """US dollars by item, in the units that prices.csv names; `regions` and `dates` are all that its rows have."""

    usd: Mapping[str, float]
    regions: tuple[str, ...]
    dates: tuple[str, ...]

    @property
    def on_demand(self) -> JobPrice:
        """On-Demand: the mean of the families that the table has."""
        return self._job_price(ON_DEMAND, "On-Demand")

    @property
    def spot(self) -> JobPrice:
        """Spot, as it usually is: the mean of the families that the table has."""
        return self._job_price(SPOT, "Spot")

    def of_month(self, item: str, amount: float) -> float:
        """US dollars a day for something that is paid by the month."""
        return self.usd[item] * amount * 24 / HOURS_OF_MONTH

    @property
    def told(self) -> str:
        """Where and when they held."""
        return f"{' and '.join(self.regions)}, {' to '.join(dict.fromkeys((self.dates[0], self.dates[-1])))}"

    def _job_price(self, kind: str, name: str) -> JobPrice:
        families = [usd for item, usd in self.usd.items() if item.startswith(kind)]
        usd = fmean(families) + DISK_GIB * self.usd["ebs_gp3"] / HOURS_OF_MONTH
        note = (
            f"Prices are estimates: {name} ({self.told}), ${usd:.4f} per vCPU ({MEMORY_MIB // 1024} GiB) and hour, the "
            f"mean of {len(families)} instance families with the disk of their hosts; no storage and no requests."
        )
        return JobPrice(usd, MEMORY_MIB, note)


def read_prices(content: bytes, name: str) -> Prices:
    """Read a table of prices.

    Raises
    ------
    InvalidTable
        Naming the row, the value got and what to write instead; or the items that are not there.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidTable(f"prices {name}: {error}; save them as CSV UTF-8") from error
    usd = {}
    for number, row in enumerate(rows, start=2):
        if missing := [column for column in COLUMNS if not row.get(column)]:
            raise InvalidTable(f"prices {name}, row {number}: got no {', '.join(missing)}; fill in every column")
        if row["item"] in usd:
            raise InvalidTable(f"prices {name}, row {number}: got {row['item']!r} again; write each item once")
        usd[row["item"]] = _price(row["usd"], f"prices {name}, row {number}")
        _require_date(row["date"], f"prices {name}, row {number}")
    kinds = [f"{kind}<family>" for kind in (ON_DEMAND, SPOT) if not any(item.startswith(kind) for item in usd)]
    if missing := [*kinds, *(item for item in REQUIRED if item not in usd)]:
        raise InvalidTable(f"prices {name}: got no row for {', '.join(missing)}; the package's prices.csv has all")
    dates = sorted({row["date"] for row in rows})
    return Prices(usd, tuple(dict.fromkeys(row["region"] for row in rows)), tuple(dates))


@cache
def shipped_prices() -> Prices:
    """The prices that come with the package."""
    return read_prices((resources.files("cellpainting.cost") / "prices.csv").read_bytes(), "prices.csv")


def _price(text: str, where: str) -> float:
    try:
        usd = float(text)
    except ValueError as error:
        raise InvalidTable(f"{where}: got {text!r} in column 'usd'; write a number of US dollars") from error
    if not (isfinite(usd) and usd >= 0):
        raise InvalidTable(f"{where}: got {text!r} in column 'usd'; write a number of US dollars, not below 0")
    return usd


def _require_date(text: str, where: str) -> None:
    try:
        date.fromisoformat(text if text.count("-") == 2 else f"{text}-01")
    except ValueError as error:
        raise InvalidTable(f"{where}: got {text!r} in column 'date'; write 2026-06 or 2026-06-30") from error
