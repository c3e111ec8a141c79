"""What is merged: the fields that a run decoded, as it left them, and nothing that happens to lie beside them."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, Manifest, State
from cellpainting.starfish.environment import Starfish
from tests.worker.starfish.conftest import MERGING, Fields, draw_fields
from tests.worker.starfish.test_recipes import EMPTY_TABLE, PROCESS

pytestmark = pytest.mark.starfish

RESULTS = "results/"
TABLES = ["merged_decoded_fovs.csv", "merged_decoded_fovs.nc", "merged_decoded_fovs.parquet"]


@pytest.fixture(scope="module")
def decoded_once(tmp_path_factory: pytest.TempPathFactory, starfish: Starfish) -> Fields:
    """Two fields of view with six spots each, decoded."""
    fields = draw_fields(tmp_path_factory.mktemp("decoded") / "bucket")
    for shard in range(2):
        assert fields.run(shard, starfish).is_success
    return fields


@pytest.fixture
def decoded(decoded_once: Fields, tmp_path: Path) -> Fields:
    return decoded_once.copy(tmp_path / "bucket")


def lose(fields: Fields, shard: int) -> None:
    """As if the machine of a shard had gone away."""
    fields.bucket.delete(fields.record.keys.shard(shard))


def merged_files(fields: Fields) -> list[str]:
    return sorted(path.name for path in (fields.root / RESULTS).iterdir() if path.name.startswith("merge"))


def test_a_missing_field_refuses_the_merge_by_its_name(decoded: Fields, starfish: Starfish) -> None:
    lose(decoded, 1)
    outcome, report = decoded.merge(starfish)
    assert (outcome.state, outcome.cause) == (State.INPUT_MISSING, Cause.INPUT_MISSING)
    assert outcome.reason.startswith("1 of 2 fields of view are missing: fov_001 (")
    assert "allow_missing" in outcome.reason
    assert report == {}
    assert merged_files(decoded) == []


def test_a_field_that_failed_is_missing_for_its_own_reason(decoded: Fields, starfish: Starfish) -> None:
    decoded.with_recipe(f"{PROCESS}    raise ValueError('no spots here')\n").run(1, starfish)
    outcome, _ = decoded.merge(starfish)
    assert "fov_001 (the recipe failed: line 2 of the recipe: ValueError: no spots here)" in outcome.reason


def test_missing_fields_within_the_allowed_fraction_are_listed(decoded: Fields, starfish: Starfish) -> None:
    lose(decoded, 1)
    outcome, report = decoded.merge(starfish, allow_missing=0.5)
    assert outcome.state == State.DONE
    assert (report["fields"], report["merged"]) == (2, ["fov_000"])
    assert list(report["missing"]) == ["fov_001"]
    assert "its shard has left nothing" in report["missing"]["fov_001"]
    assert report["stale"] == ["results/fov_001_decoded.nc"]  # nobody vouches for it any more
    assert set(pq.read_table(decoded.root / RESULTS / TABLES[2])["fov"].to_pylist()) == {"fov_000"}
    assert decoded.merge(starfish, allow_missing=0.4)[0].state == State.INPUT_MISSING


def test_a_merge_of_nothing_is_refused_whatever_may_be_missing(decoded: Fields, starfish: Starfish) -> None:
    lose(decoded, 0)
    lose(decoded, 1)
    assert decoded.merge(starfish, allow_missing=0.99)[0].state == State.INPUT_MISSING


def test_a_file_that_another_run_left_is_listed_and_not_merged(decoded: Fields, starfish: Starfish) -> None:
    """The published merge took whatever was there."""
    stale = decoded.root / RESULTS / "fov_007_decoded.nc"
    stale.write_bytes((decoded.root / RESULTS / "fov_000_decoded.nc").read_bytes())
    outcome, report = decoded.merge(starfish)
    assert outcome.state == State.DONE
    assert report["stale"] == ["results/fov_007_decoded.nc"]
    assert (report["merged"], report["spots"]) == (["fov_000", "fov_001"], 12)
    assert "fov_007" in Fields(decoded.root, MERGING).log(0)


@pytest.mark.parametrize("allow_missing", [0, 0.5])
def test_a_file_that_was_changed_since_refuses_the_merge_by_its_name(
    decoded: Fields, starfish: Starfish, allow_missing: float
) -> None:
    path = decoded.root / RESULTS / "fov_001_decoded.nc"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of the same size
    path.write_bytes(content)
    outcome, report = decoded.merge(starfish, allow_missing=allow_missing)
    assert (outcome.state, outcome.cause) == (State.INPUT_DAMAGED, Cause.INPUT_DAMAGED)
    assert "fov_001_decoded.nc was changed after run decoding had written it" in outcome.reason
    assert report == {}


def test_a_file_that_was_deleted_since_is_missing(decoded: Fields, starfish: Starfish) -> None:
    decoded.bucket.delete("results/fov_000_decoded.nc")
    outcome, _ = decoded.merge(starfish)
    assert "fov_000 (results/fov_000_decoded.nc is not there any more)" in outcome.reason


def test_an_experiment_without_a_spot_has_an_empty_table(decoded: Fields, starfish: Starfish) -> None:
    decoded = decoded.with_recipe(PROCESS + EMPTY_TABLE)
    for shard in range(2):
        decoded.decode(shard, starfish)
    outcome, report = decoded.merge(starfish)
    assert outcome.state == State.NO_CELLS
    assert (report["empty"], report["spots"]) == (["fov_000", "fov_001"], 0)
    table = pq.read_table(decoded.root / RESULTS / TABLES[2])
    assert table.num_rows == 0
    assert {"fov", "target"} <= set(table.column_names)


def test_its_manifest_lists_what_went_in_and_came_out(decoded: Fields, starfish: Starfish) -> None:
    decoded.merge(starfish)
    (group,) = Manifest.from_json(decoded.bucket.read(RunKeys("merging").shard(0))).groups
    assert [file.key for file in group.inputs] == ["results/fov_000_decoded.nc", "results/fov_001_decoded.nc"]
    assert sorted(Path(file.key).name for file in group.outputs) == sorted([*TABLES, "merge_report.json"])
    assert group.rows == {"merged_decoded_fovs": 12}
    assert Fields(decoded.root, MERGING).ledger().counts["done"] == 1


@pytest.mark.parametrize(
    ("request_of_run", "told"),
    [
        (None, "there is no run 'decoding'"),
        ({**MERGING, "run": "decoding"}, "is of the type merge_fovs; name one of decode_fovs"),
    ],
)
def test_a_run_that_decodes_nothing_cannot_be_merged(
    tmp_path: Path, starfish: Starfish, request_of_run: dict[str, object] | None, told: str
) -> None:
    fields = Fields(tmp_path, MERGING)
    if request_of_run:
        fields.bucket.write(RunKeys("decoding").request, json.dumps(request_of_run).encode())
    (outcome,) = fields.run(0, starfish).outcomes
    assert outcome.state == State.FAILED
    assert told in outcome.reason
