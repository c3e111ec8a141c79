"""`cpb cost`: what a request will cost, and what a run has."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.cost_table import print_counted, print_estimates, print_prices
from cellpainting.cost.actual import count_run
from cellpainting.cost.estimate import estimate
from cellpainting.cost.idle import shipped_idle_costs
from cellpainting.cost.prices import Prices, read_prices, shipped_prices
from cellpainting.cost.run_cost import to_document
from cellpainting.jobs import parse_message
from cellpainting.storage import Storage


@click.command()
@click.argument("target", metavar="REQUEST-or-RUN")
@BUCKET
@click.option(
    "--prices",
    "prices_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="a table to take in the place of the one that comes with cpb, of the same columns",
)
@click.option(
    "--image-sets",
    metavar="N",
    type=click.IntRange(min=1),
    help="of a request whose image sets only its worker can tell: how many there are",
)
@click.option("--json", "as_json", is_flag=True, help="print everything as one JSON object")
def cost(target: str, bucket: Storage, prices_file: Path | None, image_sets: int | None, as_json: bool) -> int:
    """Estimate a request before it is sent, or count what a run has taken.

    A request is a JSON file, as for `cpb preflight`; anything else is the id of a run. Seconds are those that the same
    pipelines took in earlier runs of the bucket, else a default; the table says which.

    Example: cpb cost request.json --bucket s3://my-bucket
    """
    prices = read_prices(prices_file.read_bytes(), str(prices_file)) if prices_file else shipped_prices()
    request = Path(target)
    is_request = request.is_file()
    document = (
        _estimate(request, bucket, prices, image_sets, as_json=as_json)
        if is_request
        else _count(target, bucket, prices, as_json=as_json)
    )
    if as_json:
        idle = {mode: vars(one) | {"usd_per_day": one.usd_per_day} for mode, one in shipped_idle_costs(prices).items()}
        told = {"prices": {"regions": prices.regions, "dates": prices.dates}, "idle": idle}
        click.echo(json.dumps({**document, **told}, indent=1, default=vars))
    else:
        print_prices(prices, Console())
    return 0


def _estimate(
    request: Path, bucket: Storage, prices: Prices, image_sets: int | None, *, as_json: bool
) -> dict[str, Any]:
    records = parse_message(request.read_text(encoding="utf-8"))
    costs = [estimate(record, bucket, image_sets) for record in records]
    if not as_json:
        print_estimates(costs, prices, Console())
    return {"estimated": [to_document(one, prices) for one in costs]}


def _count(run_id: str, bucket: Storage, prices: Prices, *, as_json: bool) -> dict[str, Any]:
    counted = count_run(bucket, run_id)
    if not as_json:
        print_counted(counted, prices, Console())
    return {
        "actual": to_document(counted.actual, prices),
        "estimated_without_this_run": to_document(counted.estimated, prices),
    }
