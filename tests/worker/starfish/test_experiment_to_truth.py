"""A drawn experiment through `cpb run`, from plan to merged table: what was drawn is what is found."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cellpainting.ledger import Manifest
from cellpainting.starfish.environment import Starfish
from examples.starfish.check_truth import differences, read_spots
from tests.worker.starfish.conftest import MERGING, Fields, cpb, draw_fields

pytestmark = pytest.mark.starfish

COUNT, EMPTY = 3, 1


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, starfish: Starfish) -> Iterator[Fields]:
    """Three fields, one of them empty, decoded and merged by the container's own command."""
    fields = draw_fields(tmp_path_factory.mktemp("processed") / "bucket", fields=COUNT, empty=(EMPTY,))
    merging = Fields(fields.root, MERGING)
    for one, shards in ((fields, range(COUNT)), (merging, range(1))):
        one.bucket.write(one.record.keys.request, json.dumps(one.document).encode())
        uri = one.bucket.uri(one.record.keys.request)
        for what in ("--plan", *(f"--shard={shard}" for shard in shards)):
            ended = cpb("run", "--request", uri, what, STARFISH=str(starfish.python))
            assert ended.returncode == 0, ended.stdout + ended.stderr
    yield fields
    shutil.rmtree(fields.root)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_merged_table_has_every_spot_that_was_drawn_and_no_other(processed: Fields, suffix: str) -> None:
    truth = read_spots(processed.root / "iss" / "truth.csv")
    merged = read_spots(processed.root / "results" / f"merged_decoded_fovs.{suffix}")
    assert len(truth) == 12
    assert list(differences(truth, merged)) == []


def test_features_are_numbered_through_all_fields_in_the_order_of_their_numbers(processed: Fields) -> None:
    table = pq.read_table(processed.root / "results" / "merged_decoded_fovs.parquet").to_pydict()
    assert table["features"] == list(range(12))
    assert table["fov"] == ["fov_000"] * 6 + ["fov_002"] * 6


def test_merged_netcdf_is_one_that_starfish_opens(processed: Fields, starfish: Starfish) -> None:
    path = processed.root / "results" / "merged_decoded_fovs.nc"
    script = (
        "import sys; from starfish import DecodedIntensityTable;"
        "table = DecodedIntensityTable.open_netcdf(sys.argv[1]);"
        "print(dict(table.sizes), *table.fov.values[5:7])"
    )
    asked = subprocess.run([starfish.python, "-c", script, path], check=True, capture_output=True, text=True)
    assert asked.stdout.strip() == "{'features': 12, 'r': 4, 'c': 4} fov_000 fov_002"


def test_every_field_is_accounted_for_by_its_name(processed: Fields) -> None:
    ledger = processed.ledger()
    assert ledger.is_complete
    assert (ledger.counts["done"], ledger.counts["no_cells"]) == (2, 1)
    assert [outcome.image_set.label for outcome in ledger.outcomes] == ["fov_000", "fov_001", "fov_002"]


def test_manifest_vouches_for_the_published_file_and_says_what_it_took(processed: Fields, starfish: Starfish) -> None:
    manifest = Manifest.from_json(processed.bucket.read(processed.record.keys.shard(2)))
    (output,) = manifest.outputs
    content = (processed.root / output.key).read_bytes()
    assert output.key == "results/fov_002_decoded.nc"
    assert (output.size, output.checksum) == (len(content), hashlib.sha256(content).hexdigest())
    (group,) = manifest.groups
    assert group.rows == {"fov_002_decoded.nc": 6}
    assert 200 < group.peak_memory_mib < 1000
    assert manifest.pipeline
    assert (manifest.pipeline.key, manifest.cellprofiler_version) == ("recipe.py", starfish.version)
    named = {file.key for file in group.inputs}
    assert {"iss/experiment.json", "iss/codebook.json", "iss/nuclei-fov_002.json"} < named
    assert not [name for name in named if "fov_000" in name]


def test_report_tells_which_fields_are_in_the_table(processed: Fields) -> None:
    report = json.loads((processed.root / "results" / "merge_report.json").read_text())
    assert report == {
        "run": "decoding",
        "fields": 3,
        "merged": ["fov_000", "fov_002"],
        "empty": ["fov_001"],
        "missing": {},
        "stale": [],
        "spots": 12,
        "spots_of_fields": {"fov_000": 6, "fov_001": 0, "fov_002": 6},
    }


def test_number_beyond_the_set_is_an_error_and_not_a_success(processed: Fields, starfish: Starfish) -> None:
    """The published job for field 2 of a set of two ended with status 0, and nothing said that a field was lost."""
    uri = processed.bucket.uri(processed.record.keys.request)
    ended = cpb("run", "--request", uri, AWS_BATCH_JOB_ARRAY_INDEX=str(COUNT), STARFISH=str(starfish.python))
    assert ended.returncode == 2
    assert f"has no plan for shard {COUNT}" in ended.stderr


def test_a_field_is_done_until_one_of_its_own_files_or_the_recipe_changes(
    processed: Fields, starfish: Starfish, tmp_path: Path
) -> None:
    fields = processed.copy(tmp_path / "bucket")
    for path in fields.root.rglob("*"):  # a folder tells files apart by their time
        shutil.copystat(processed.root / path.relative_to(fields.root), path)
    assert fields.plan(starfish.version) == ""
    assert fields.plan("0.0.1") == "0-2"
    tile = fields.root / "iss" / "primary-fov_001-c0-r0-z0.tiff"
    tile.write_bytes(tile.read_bytes())
    assert fields.plan(starfish.version) == "1"
    fields.with_recipe("def process_fov(fov, codebook): pass\n")
    assert fields.plan(starfish.version) == "0-2"


def test_a_shard_that_is_done_is_not_decoded_again(processed: Fields, starfish: Starfish, tmp_path: Path) -> None:
    fields = processed.copy(tmp_path / "bucket")
    for path in fields.root.rglob("*"):
        shutil.copystat(processed.root / path.relative_to(fields.root), path)
    before = fields.bucket.stat("results/fov_000_decoded.nc")
    assert fields.run(0, starfish).is_success
    assert fields.bucket.stat("results/fov_000_decoded.nc") == before
