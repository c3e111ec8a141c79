"""What a deployment costs when nothing runs."""

from dataclasses import dataclass

from cellpainting.cost.prices import Prices, shipped_prices

# Of the deployment as it is published, in the stacks and constants.py.
ENDPOINTS, ZONES, ALARMS, DASHBOARDS, FSX_GIB = 5, 1, 7, 1, 1200


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
        f"{_counted(endpoints, 'interface endpoint')} in {_counted(endpoint_zones, 'zone')}": (
            24 * known.usd["interface_endpoint"] * endpoints * endpoint_zones
        ),
        f"FSx for Lustre of {fsx_gib} GiB": known.of_month("fsx_lustre", fsx_gib),
        _counted(nat_gateways, "NAT gateway"): 24 * nat_hour * nat_gateways,
        _counted(alarms, "alarm"): known.of_month("cloudwatch_alarm", alarms),
        _counted(dashboards, "dashboard"): known.of_month("cloudwatch_dashboard", dashboards),
        _counted(metrics, "custom metric"): known.of_month("cloudwatch_metric", metrics),
    }
    return IdleCost(tuple(IdleItem(name, usd) for name, usd in priced.items() if usd))


def shipped_idle_costs(prices: Prices) -> dict[str, IdleCost]:
    """What the deployment costs as constants.py has it, by storage mode."""
    return {
        mode: idle_cost(
            endpoints=ENDPOINTS,
            endpoint_zones=ZONES,
            fsx_gib=fsx_gib,
            alarms=ALARMS,
            dashboards=DASHBOARDS,
            prices=prices,
        )
        for mode, fsx_gib in (("s3", 0), ("fsx", FSX_GIB))
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
