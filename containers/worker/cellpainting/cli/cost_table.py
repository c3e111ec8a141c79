"""Costs for the terminal: a row per stage, all of them, a plate and an image set; and what the figures are based on."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from cellpainting.cost.actual import CountedRun
from cellpainting.cost.idle import shipped_idle_costs
from cellpainting.cost.prices import Prices
from cellpainting.cost.run_cost import HOST_VCPUS, Money, RunCost, StageCost

COLUMNS = ("image sets", "shards", "s each", "vCPU-h", "Spot $", "On-D. $", "calls $", "kept $")


def print_estimates(costs: Sequence[RunCost], prices: Prices, console: Console) -> None:
    """What requests will cost."""
    for cost in costs:
        console.print(_table(f"{cost.run_id}: estimate", cost, prices))
        _print_sources(cost, console)


def print_counted(counted: CountedRun, prices: Prices, console: Console) -> None:
    """What a run has cost, and what would have been estimated."""
    actual, estimated = counted.actual, counted.estimated
    console.print(_table(f"{actual.run_id}: what its manifests tell", actual, prices))
    console.print(_table("what would have been estimated without this run", estimated, prices))
    _print_sources(estimated, console)
    if estimated.vcpu_hours:
        share = actual.vcpu_hours / estimated.vcpu_hours
        _say(
            f"actual to estimated: {actual.vcpu_hours:.3f} to {estimated.vcpu_hours:.3f} vCPU-hours, {share:.2f}",
            console,
        )


def print_prices(prices: Prices, console: Console) -> None:
    """What the figures are based on, and what is paid for when nothing runs."""
    _say(f"prices: {prices.told}; calls: requests to S3; kept: results in S3, a month", console)
    _say("not in it: hosts that start, stand idle or are lost; logs; images that lie in the bucket already", console)
    for mode, idle in shipped_idle_costs(prices).items():
        _say(f"storage mode {mode}: {idle.sentence}", console)


def _table(title: str, cost: RunCost, prices: Prices) -> Table:
    columns = (Column(name, justify="right", no_wrap=True) for name in COLUMNS)
    table = Table(
        Column("stage", no_wrap=True),
        *columns,
        title=title,
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        title_justify="left",
    )
    for name, stages in cost.by_name().items():
        table.add_row(name, *_cells(stages, sum(stage.image_sets for stage in stages), prices))
    table.add_section()
    table.add_row("all", *_cells(cost.stages, cost.image_sets, prices))
    for name, parts in (("a plate", len(cost.plates)), ("an image set", cost.image_sets)):
        if parts:
            table.add_row(name, "", "", "", *_money(cost.stages, prices, parts))
    return table


def _cells(stages: Sequence[StageCost], image_sets: int, prices: Prices) -> list[str]:
    seconds = sum(stage.seconds for stage in stages)
    each = f"{seconds / image_sets:.2f}" if image_sets else "?"
    shards = sum(stage.shards for stage in stages)
    return [f"{image_sets:,}" if image_sets else "?", f"{shards:,}", each, *_money(stages, prices, 1)]


def _money(stages: Sequence[StageCost], prices: Prices, parts: int) -> list[str]:
    hours = sum(stage.vcpu_hours for stage in stages) / parts
    money = Money.of(stages, prices)
    usd = (money.spot, money.on_demand, money.requests, money.storage_month)
    return [_short(one) for one in (hours, *(each / parts for each in usd))]


def _short(number: float) -> str:
    """At most four decimals: a plate costs some dollars, an image set a part of a cent."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:,.2f}" if number >= 1 else f"{number:.4f}"


def _print_sources(cost: RunCost, console: Console) -> None:
    hosts = cost.vcpu_hours / HOST_VCPUS
    _say(
        f"{_short(cost.vcpu_hours)} vCPU-hours are {_short(hosts)} instance-hours of {HOST_VCPUS} vCPUs, full", console
    )
    for name, stages in cost.by_name().items():
        for source in dict.fromkeys(stage.source for stage in stages):
            _say(f"{name}: {source}", console)


def _say(text: str, console: Console) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
