"""Each image is asked for once, is on this machine no longer than it is needed, and is what the bucket has."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.s3.models import s3_backends

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cellprofiler.inputs import Inputs, local_path
from cellpainting.cellprofiler.run import Capacity, run
from cellpainting.errors import InvalidRequest, StorageUnavailable
from cellpainting.storage import FolderStorage, S3Storage
from tests.conftest import Plate
from tests.worker.cellprofiler.conftest import states, wells


@pytest.fixture
def server(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server, with no bucket yet, that every client of this process speaks to."""
    values = {"ACCESS_KEY_ID": "local", "SECRET_ACCESS_KEY": "local", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**values, "ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    yield
    s3_backends.reset()


def bucket_of(name: str, folder: Path, suffix: str = "") -> tuple[S3Storage, Counter[str]]:
    """A bucket with the files of a folder, for everyone to read; counts what is asked of it from then on."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(suffix) and path.is_file():
            client.upload_file(str(path), name, path.relative_to(folder).as_posix(), {"ACL": "public-read"})
    asked: Counter[str] = Counter()
    client.meta.events.register("before-call.s3", lambda model, **_: asked.update([model.name]))
    return S3Storage(name, client), asked


@pytest.mark.cellprofiler
@pytest.mark.usefixtures("server")
def test_each_image_is_one_request_and_none_is_a_listing(plate: Plate, cellprofiler: CellProfiler) -> None:
    asked = plate.with_load_data(wells(["A01", "A02", "A03"]))
    (shard,) = asked.plan().shards
    bucket, requests = bucket_of("data", plate.root)
    manifest = run(
        asked.record,
        asked.job,
        shard,
        bucket=bucket,
        images_from=bucket,
        cellprofiler=cellprofiler,
        capacity=Capacity(processes=2, memory_mib=4096),
    )
    assert manifest.is_success, manifest
    pipeline, images, tables, log, manifests, groups = 1, 6, 9, 1, 1, 3
    earlier = 2  # neither a manifest nor the progress of an earlier attempt is there
    progress = requests["PutObject"] - tables - log - manifests
    assert 0 < progress < groups
    assert requests["GetObject"] == pipeline + images + earlier
    assert requests.keys() == {"GetObject", "PutObject", "DeleteObject"}


@pytest.mark.cellprofiler
@pytest.mark.usefixtures("server")
def test_images_of_a_public_bucket_are_measured_and_recorded_with_their_address(
    plate: Plate, cellprofiler: CellProfiler
) -> None:
    bucket_of("gallery", plate.root, "Illum.tif")
    asked = plate.with_load_data(wells(["A01", "A02"]))
    table = plate.root / "plate" / "load_data.csv"
    table.write_text(table.read_text().replace(f"Illum.tif,{plate.images}", "Illum.tif,s3://gallery/plate/images"))
    (plate.images / "P1_A02_s1_Illum.tif").unlink()
    manifest = asked.run(cellprofiler)
    assert states(manifest) == {"A01": "done", "A02": "done"}
    assert "s3://gallery/plate/images/P1_A01_s1_Illum.tif" in {file.key for file in manifest.groups[0].inputs}
    assert asked.run(cellprofiler) == manifest


@pytest.mark.usefixtures("server")
def test_image_that_two_groups_share_is_fetched_once_and_goes_with_the_last(plate: Plate, tmp_path: Path) -> None:
    shared, own = "plate/images/P1_A01_s1_Illum.tif", "plate/images/P1_A01_s1_DNA.tif"
    bucket, requests = bucket_of("data", plate.root)
    scratch = tmp_path / "scratch"
    inputs = Inputs(bucket, bucket, scratch, [[shared, own], [shared]])
    path = inputs.fetch([shared, own])[shared].path
    assert path == scratch / "bucket" / shared
    inputs.fetch([shared])
    assert requests == {"GetObject": 2}
    inputs.release([shared, own])
    assert [file.name for file in scratch.rglob("*.tif")] == ["P1_A01_s1_Illum.tif"]
    inputs.release([shared])
    inputs.close()
    assert list(scratch.rglob("*.tif")) == []


@pytest.mark.usefixtures("server")
def test_copy_of_a_file_system_that_lags_behind_the_bucket_is_tried_again(plate: Plate, tmp_path: Path) -> None:
    bucket, _ = bucket_of("data", plate.root)
    key = "plate/images/P1_A01_s1_DNA.tif"
    (plate.root / key).write_bytes(b"half")
    inputs = Inputs(bucket, FolderStorage(plate.root), tmp_path, [[key]])
    with pytest.raises(StorageUnavailable, match="4 bytes are here, the bucket has 4352"):
        inputs.fetch([key])
    inputs.close()


@pytest.mark.parametrize("place", ["../x.tif", "a/../../x.tif", "s3://other/../x.tif"])
def test_no_image_is_put_outside_of_scratch(tmp_path: Path, place: str) -> None:
    with pytest.raises(InvalidRequest, match="outside"):
        local_path(tmp_path, place)
