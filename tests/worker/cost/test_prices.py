"""Prices: what the package brings is whole and dated, what a user brings is checked, a job has one price."""

import pytest

from cellpainting.cost.idle import idle_cost
from cellpainting.cost.prices import JobPrice, Prices, read_prices, shipped_prices
from cellpainting.errors import InvalidTable
from constants import PRODUCTION
from tests.conftest import REPOSITORY

TABLE = REPOSITORY / "containers" / "worker" / "cellpainting" / "cost" / "prices.csv"


def changed(old: str, new: str) -> Prices:
    """The package's table with one text replaced."""
    text = TABLE.read_text()
    assert text.count(old) == 1
    return read_prices(text.replace(old, new).encode(), "mine.csv")


def test_a_job_is_priced_by_its_vcpus_or_by_as_many_as_have_its_memory() -> None:
    price = JobPrice(0.05, 4096, "")
    assert price.of(3600, 2, 4096) == pytest.approx(0.10)
    assert price.of(3600, 2, 16384) == pytest.approx(0.20)
    assert price.of(36, 1, 0) == pytest.approx(0.0005)


def test_every_instance_family_of_the_deployment_has_both_prices() -> None:
    families = {name.partition(".")[0] for name in PRODUCTION.batch.compute.instance_types}
    usd = shipped_prices().usd
    assert {f"{kind}.{family}" for kind in ("ec2_on_demand", "ec2_spot") for family in families} <= set(usd)


def test_the_price_of_a_job_is_the_mean_of_the_families_and_their_disk() -> None:
    usd = shipped_prices().usd
    families = [price for item, price in usd.items() if item.startswith("ec2_on_demand.")]
    disk_hour = PRODUCTION.batch.compute.root_volume_gib / 16 * usd["ebs_gp3"] / 730
    assert shipped_prices().on_demand.usd == pytest.approx(sum(families) / len(families) + disk_hour)
    assert shipped_prices().spot.usd < shipped_prices().on_demand.usd


def test_a_table_of_the_user_takes_the_place_of_the_package_s() -> None:
    mine = changed("ebs_gp3,0.08", "ebs_gp3,8.08")
    assert mine.on_demand.usd == pytest.approx(shipped_prices().on_demand.usd + 8 * 12.5 / 730)
    assert "us-east-1" in mine.on_demand.note
    assert "2026-06" in mine.on_demand.note


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("s3_put,0.005", "s3_put,cheap", "got 'cheap' in column 'usd'"),
        ("s3_put,0.005", "s3_put,-1", "got '-1'"),
        ("s3_put,0.005", "s3_put,nan", "got 'nan'"),
        ("s3_put,0.005", "s3_get,0.005", "got 's3_get' again"),
        ("s3_put,0.005", "s3_other,0.005", "no row for s3_put"),
        ("s3_put,0.005,1000 requests,us-east-1,2025-01", "s3_put,0.005,1000 requests,us-east-1,June", "got 'June'"),
        ("s3_put,0.005,1000 requests,us-east-1", "s3_put,0.005,1000 requests,", "got no region"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_value(old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidTable, match=r"mine\.csv") as refused:
        changed(old, new)
    assert told in str(refused.value)


def test_a_table_without_spot_prices_is_refused() -> None:
    rows = [line for line in TABLE.read_text().splitlines() if not line.startswith("ec2_spot")]
    with pytest.raises(InvalidTable, match=r"ec2_spot\.<family>"):
        read_prices("\n".join(rows).encode(), "mine.csv")


def test_idle_cost_tells_each_thing_that_is_paid_for_by_the_day() -> None:
    idle = idle_cost(endpoints=6, endpoint_zones=2, fsx_gib=1200)
    assert [item.name for item in idle.items] == ["6 interface endpoints in 2 zones", "FSx for Lustre of 1200 GiB"]
    assert idle.usd_per_day == pytest.approx(6 * 2 * 0.01 * 24 + 1200 * 0.145 * 24 / 730)
    assert idle.sentence == (
        "idle cost $8.60 a day: 6 interface endpoints in 2 zones $2.88, FSx for Lustre of 1200 GiB $5.72; "
        "stored data and logs come on top"
    )


def test_a_nat_gateway_has_a_public_address() -> None:
    assert idle_cost(endpoints=0, endpoint_zones=2, nat_gateways=2).usd_per_day == pytest.approx(2 * 24 * 0.05)


def test_nothing_costs_nothing() -> None:
    assert idle_cost(endpoints=0, endpoint_zones=2).items == ()
