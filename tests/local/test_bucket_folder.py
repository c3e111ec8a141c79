"""The local bucket is a folder: in step with what is done over S3, there after a restart, small in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from cellpainting.local.bucket_folder import keep_in_folder

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def s3(moto_url: str) -> Iterator[Any]:
    session = boto3.Session("local", "local", region_name="us-east-1")
    yield session.client("s3", endpoint_url=moto_url)
    s3_backends.reset()


def attach(s3: Any, folder: Path, **mounts: Path) -> None:
    """Start with what lies in the folder, as after a restart."""
    s3_backends.reset()
    s3.create_bucket(Bucket="data")
    keep_in_folder(s3_backends[ACCOUNT]["aws"].get_bucket("data"), folder, mounts)


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="data").get("Contents", [])]


@pytest.fixture
def folder(tmp_path: Path, s3: Any) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    attach(s3, folder)
    return folder


def test_object_is_a_file_and_a_file_is_an_object_after_a_restart(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="data", Key="a b/1.tif", Body=b"one")
    assert (folder / "a b" / "1.tif").read_bytes() == b"one"
    (folder / "by-hand.txt").write_text("put here while nothing ran")
    attach(s3, folder)
    assert keys(s3) == ["a b/1.tif", "by-hand.txt"]
    assert s3.get_object(Bucket="data", Key="a b/1.tif")["Body"].read() == b"one"


def test_etag_and_size_stay_the_same_over_a_restart_and_change_with_the_content(s3: Any, folder: Path) -> None:
    put = s3.put_object(Bucket="data", Key="x", Body=b"one")["ETag"]
    before = s3.head_object(Bucket="data", Key="x")
    attach(s3, folder)
    after = s3.head_object(Bucket="data", Key="x")
    assert put == before["ETag"] == after["ETag"]
    assert after["ContentLength"] == 3
    s3.put_object(Bucket="data", Key="x", Body=b"two!")
    assert s3.head_object(Bucket="data", Key="x")["ETag"] != put


def test_large_file_in_parts_copy_and_range_are_as_in_s3(s3: Any, folder: Path, tmp_path: Path) -> None:
    content = bytes(range(256)) * 80_000  # 20 MB: three parts
    (tmp_path / "large").write_bytes(content)
    s3.upload_file(str(tmp_path / "large"), "data", "large")
    s3.copy_object(Bucket="data", Key="copy", CopySource={"Bucket": "data", "Key": "large"})
    assert sorted(path.name for path in folder.iterdir()) == ["copy", "large"]
    assert (folder / "copy").read_bytes() == content
    part = s3.get_object(Bucket="data", Key="copy", Range="bytes=256-511")["Body"].read()
    assert part == bytes(range(256))


def test_deleted_object_is_no_file_and_its_empty_folder_goes_too(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="data", Key="p/q/1", Body=b"")
    s3.put_object(Bucket="data", Key="p/2", Body=b"")
    s3.delete_object(Bucket="data", Key="p/q/1")
    s3.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "nothing"}]})
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*")] == ["p", "p/2"]


def test_mounted_folder_is_listed_and_read_but_never_written(s3: Any, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "1.tif").write_bytes(b"one")
    attach(s3, folder, plates=mine)
    assert keys(s3) == ["plates/1.tif"]
    assert s3.get_object(Bucket="data", Key="plates/1.tif")["Body"].read() == b"one"
    with pytest.raises(ClientError, match="read only"):
        s3.put_object(Bucket="data", Key="plates/2.tif", Body=b"two")
    with pytest.raises(ClientError, match="read only"):
        s3.delete_object(Bucket="data", Key="plates/1.tif")
    assert [path.name for path in mine.iterdir()] == ["1.tif"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "a//b"])
def test_key_that_no_folder_can_keep_is_refused(s3: Any, folder: Path, key: str) -> None:
    with pytest.raises(ClientError):
        s3.put_object(Bucket="data", Key=key, Body=b"x")
    assert not (folder.parent / "outside").exists()


def test_console_s_marker_of_an_empty_folder_does_no_harm(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="data", Key="plates/", Body=b"")
    s3.put_object(Bucket="data", Key="plates/1.tif", Body=b"one")
    assert (folder / "plates" / "1.tif").exists()
