"""`cpb cost` as it is typed: a request before it is sent, a run after it, other prices, exit statuses."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cost.prices import shipped_prices
from tests.conftest import REPOSITORY
from tests.worker.cost.recorded_plates import REQUEST, RecordedPlates, Seconds

TABLE = REPOSITORY / "containers" / "worker" / "cellpainting" / "cost" / "prices.csv"


def cpb_cost(bucket: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["cpb", "cost", *arguments, "--bucket", str(bucket)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )


def document(bucket: Path, *arguments: str) -> dict[str, Any]:
    ended = cpb_cost(bucket, *arguments, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    return dict(json.loads(ended.stdout))


@pytest.fixture
def plates(tmp_path: Path) -> RecordedPlates:
    plates = RecordedPlates(tmp_path / "bucket")
    plates.put("P1", wells=24)
    plates.put("P2", wells=96, sites=9)
    plates.do(plates.request(run="small"), Seconds(shard=6, group=20))
    return plates


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "request.json"
    path.write_text(json.dumps({**REQUEST, "run": "large", "load_data": "P2.csv", "output": "others"}))
    return path


def test_an_estimate_fits_a_terminal_and_says_what_it_is_based_on(plates: RecordedPlates, request_file: Path) -> None:
    ended = cpb_cost(plates.root, str(request_file))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "…" not in ended.stdout
    assert "large: estimate" in ended.stdout
    assert "run_cellprofiler: measured: 24 image sets of small" in ended.stdout
    assert "storage mode s3: idle cost $1.32 a day" in ended.stdout
    assert "storage mode fsx: idle cost $7.04 a day" in ended.stdout


def test_json_has_the_same_figures_in_all(plates: RecordedPlates, request_file: Path) -> None:
    (cost,) = document(plates.root, str(request_file))["estimated"]
    hours = (72 * 6 + 864 * 20) / 3600
    assert cost["vcpu_hours"] == pytest.approx(hours)
    assert cost["instance_hours"] == pytest.approx(hours / 16)
    assert cost["usd"]["on_demand"] == pytest.approx(hours * shipped_prices().on_demand.usd)
    assert cost["usd_per_image_set"]["spot"] == pytest.approx(cost["usd"]["spot"] / 864)
    assert cost["stages"][0]["seconds_per_image_set"] == pytest.approx(20.5)


def test_a_run_is_counted_with_what_would_have_been_estimated_beside_it(
    plates: RecordedPlates, request_file: Path
) -> None:
    before = document(plates.root, str(request_file))["estimated"][0]
    plates.do(plates.request(run="large", load_data="P2.csv", output="others"), Seconds(shard=6, group=22))
    counted = document(plates.root, "large")
    assert counted["estimated_without_this_run"]["vcpu_hours"] == pytest.approx(before["vcpu_hours"])
    assert counted["actual"]["vcpu_hours"] == pytest.approx((72 * 6 + 864 * 22) / 3600)
    ended = cpb_cost(plates.root, "large")
    assert "actual to estimated: 5.400 to 4.920 vCPU-hours, 1.10" in ended.stdout


def test_prices_of_the_user_are_taken(plates: RecordedPlates, request_file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    rows = [line for line in TABLE.read_text().splitlines() if not line.startswith("ec2_")]
    rows += [
        f"ec2_{kind}.big,{usd},vCPU-hour,eu-west-1,2027-01-15,me" for kind, usd in (("on_demand", 1), ("spot", 0.5))
    ]
    mine.write_text("\n".join(rows))
    told = document(plates.root, str(request_file), "--prices", str(mine))
    hours = (72 * 6 + 864 * 20) / 3600
    assert told["estimated"][0]["usd"]["on_demand"] == pytest.approx(hours * 1.00137, rel=1e-5)
    assert told["estimated"][0]["usd"]["spot"] == pytest.approx(hours * 0.50137, rel=1e-5)
    assert told["prices"] == {"regions": ["us-east-1", "eu-west-1"], "dates": ["2025-01", "2026-06", "2027-01-15"]}


def test_a_damaged_table_a_wrong_request_and_a_run_that_is_not_there_have_exit_status_2(
    plates: RecordedPlates, request_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("item,usd\nebs_gp3,1\n")
    (tmp_path / "wrong.json").write_text(json.dumps({**REQUEST, "load_data": "P3.csv", "colour": "red"}))
    for arguments, told in (
        ((str(request_file), "--prices", str(tmp_path / "mine.csv")), "mine.csv, row 2: got no unit"),
        ((str(tmp_path / "wrong.json"),), "'colour'"),
        (("nowhere",), "there is no run 'nowhere'"),
    ):
        ended = cpb_cost(plates.root, *arguments)
        assert (ended.returncode, told in ended.stderr) == (2, True), ended.stderr
