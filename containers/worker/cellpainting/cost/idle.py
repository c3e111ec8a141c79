"""What a deployment costs when nothing runs."""

from dataclasses import dataclass

from cellpainting.cost.prices import Prices, shipped_prices

# Of the deployment as it is published: network.py, and constants.py.
ENDPOINTS, ZONES, FSX_GIB = 5, 1, 1200


@dataclass(frozen=True)
class IdleItem:
    """One thing that is paid for whether it is used or not: what it is, and US dollars a day."""

    name: str
    usd_per_day: float


@dataclass(frozen=True)
class IdleCost:
    """All that is paid for when nothing runs. Stored data and logs are not in it."""

    items: tuple[IdleItem, ...]

    @property
    def usd_per_day(self) -> float:
        """US dollars a day."""
        return sum(item.usd_per_day for item in self.items)

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        told = ", ".join(f"{item.name} ${item.usd_per_day:.2f}" for item in self.items)
        return f"idle cost ${self.usd_per_day:.2f} a day{f': {told}' if told else ''}; stored data and logs come on top"


def idle_cost(
    *,
    endpoints: int,
    endpoint_zones: int,
    fsx_gib: int = 0,
    nat_gateways: int = 0,
    alarms: int = 0,
    dashboards: int = 0,
    metrics: int = 0,
    prices: Prices | None = None,
) -> IdleCost:
    """Price what a deployment has: interface endpoints with a network interface in each of so many zones, an FSx for
    Lustre file system of so many GiB, NAT gateways with a public address each, and CloudWatch's alarms, dashboards and
    custom metrics, as if none of these were free. Without `prices`, those that come with the package.
    """
    known = prices or shipped_prices()
    nat_hour = known.usd["nat_gateway"] + known.usd["public_ipv4"]
    priced = {
        f"{endpoints} interface endpoints in {endpoint_zones} zones": 24
        * known.usd["interface_endpoint"]
        * endpoints
        * endpoint_zones,
        f"FSx for Lustre of {fsx_gib} GiB": known.of_month("fsx_lustre", fsx_gib),
        f"{nat_gateways} NAT gateways": 24 * nat_hour * nat_gateways,
        f"{alarms} alarms": known.of_month("cloudwatch_alarm", alarms),
        f"{dashboards} dashboards": known.of_month("cloudwatch_dashboard", dashboards),
        f"{metrics} custom metrics": known.of_month("cloudwatch_metric", metrics),
    }
    return IdleCost(tuple(IdleItem(name, usd) for name, usd in priced.items() if usd))


def shipped_idle_costs(prices: Prices) -> dict[str, IdleCost]:
    """What the deployment costs as constants.py has it, by storage mode."""
    return {
        "s3": idle_cost(endpoints=ENDPOINTS, endpoint_zones=ZONES, prices=prices),
        "fsx": idle_cost(endpoints=ENDPOINTS, endpoint_zones=ZONES, fsx_gib=FSX_GIB, prices=prices),
    }
