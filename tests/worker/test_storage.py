"""A folder and an S3 server behave the same: the same tests run on both."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber

from cellpainting.errors import InvalidRequest, MissingInput, StorageUnavailable
from cellpainting.storage import FolderStorage, S3Storage, Storage, open_uri


@pytest.fixture
def s3(moto_url: str) -> S3Storage:
    session = boto3.Session("local", "local", region_name="us-east-1")
    client = session.client("s3", endpoint_url=moto_url)
    client.create_bucket(Bucket="data")
    for item in client.list_objects_v2(Bucket="data").get("Contents", []):
        client.delete_object(Bucket="data", Key=item["Key"])
    return S3Storage("data", client)


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "bucket")
    storage: S3Storage = request.getfixturevalue("s3")
    return storage


def test_what_was_written_is_read_listed_and_deleted(storage: Storage) -> None:
    storage.write("plates/a b/1.tif", b"one")
    storage.write("plates/a b/2.tif", b"second")
    storage.write("plates/a bc/3.tif", b"of a neighbour whose name begins alike")
    assert storage.read("plates/a b/1.tif") == b"one"
    assert [(item.key, item.size) for item in storage.list("plates/a b/")] == [
        ("plates/a b/1.tif", 3),
        ("plates/a b/2.tif", 6),
    ]
    storage.delete("plates/a b/1.tif")
    storage.delete("plates/a b/1.tif")
    assert [item.key for item in storage.list("plates/a b")] == ["plates/a b/2.tif"]


def test_folders_are_named_without_what_lies_in_them(storage: Storage) -> None:
    for key in ("runs/b/plan/0.json", "runs/a run/request.json", "runs/note.txt", "elsewhere/c/d.txt"):
        storage.write(key, b"x")
    assert list(storage.folders("runs/")) == ["a run", "b"]
    assert list(storage.folders("nowhere")) == []


def test_etag_changes_with_the_content(storage: Storage) -> None:
    storage.write("image.tif", b"before")
    before = storage.stat("image.tif")
    storage.write("image.tif", b"after, and longer")
    assert storage.stat("image.tif").etag != before.etag
    assert storage.stat("image.tif") == next(iter(storage.list("")))


def test_create_has_one_winner(storage: Storage) -> None:
    assert storage.create("claim.json", b"first")
    assert not storage.create("claim.json", b"second")
    assert storage.read("claim.json") == b"first"


def test_files_go_up_and_come_down_unchanged(storage: Storage, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB: more than one part of a multipart upload
    (tmp_path / "up").write_bytes(content)
    storage.upload(tmp_path / "up", "deep/folder/file")
    copied = storage.download("deep/folder/file", tmp_path / "new" / "down")
    assert (tmp_path / "new" / "down").read_bytes() == content
    assert copied == storage.stat("deep/folder/file")


@pytest.mark.parametrize("verb", ["read", "stat"])
def test_missing_key_is_named(storage: Storage, verb: str) -> None:
    with pytest.raises(MissingInput, match=r"nothing/here\.tif is not there"):
        getattr(storage, verb)("nothing/here.tif")


def test_missing_file_to_download_is_named(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"here\.tif"):
        storage.download("nothing/here.tif", tmp_path / "x")


def test_stat_of_s3_does_not_list(s3: S3Storage) -> None:
    s3.write("image.tif", b"content")
    asked: list[str] = []
    s3._client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    s3.stat("image.tif")
    assert asked == ["HeadObject"]


def body(content: bytes, length: int) -> StreamingBody:
    return StreamingBody(io.BytesIO(content), length)


def answer(content: bytes, length: int) -> dict[str, Any]:
    return {"Body": body(content, length), "ContentLength": length, "ETag": '"0f"'}


@pytest.fixture
def stubbed() -> Iterator[tuple[S3Storage, Stubber]]:
    """A bucket whose answers are given, for what no server does at will."""
    session = boto3.Session("local", "local", region_name="us-east-1")
    client = session.client("s3", config=Config(retries={"max_attempts": 1}))
    with Stubber(client) as stubber:
        yield S3Storage("data", client), stubber


def test_body_that_breaks_off_is_asked_for_again(stubbed: tuple[S3Storage, Stubber], tmp_path: Path) -> None:
    storage, stubber = stubbed
    stubber.add_response("get_object", answer(b"who", 5))
    stubber.add_response("get_object", answer(b"whole", 5))
    assert storage.download("image.tif", tmp_path / "image.tif").size == 5
    assert (tmp_path / "image.tif").read_bytes() == b"whole"


def test_refused_head_is_not_taken_for_a_missing_key(stubbed: tuple[S3Storage, Stubber]) -> None:
    storage, stubber = stubbed
    stubber.add_client_error("head_object", "403", http_status_code=403)
    with pytest.raises(StorageUnavailable, match="it may not be there, or not be for this role to read"):
        storage.stat("image.tif")


def test_public_bucket_is_read_without_credentials(
    s3: S3Storage, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.write("private.tif", b"content")
    s3._client.put_object(Bucket="data", Key="image.tif", Body=b"content", ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert S3Storage.public("data").read("image.tif") == b"content"
    with pytest.raises(MissingInput, match="not for everyone to read"):
        S3Storage.public("data").read("private.tif")


def test_unreachable_server_is_worth_trying_again() -> None:
    session = boto3.Session("local", "local", region_name="us-east-1")
    nobody = S3Storage("data", session.client("s3", endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(StorageUnavailable) as error:
        nobody.read("x")
    assert error.value.exit_status == 75


@pytest.mark.parametrize("key", ["../outside.txt", "plates/../../outside.txt", "link/outside.txt", "link-to-file"])
def test_no_key_leaves_the_folder(tmp_path: Path, key: str) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    root = tmp_path / "bucket"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "link-to-file").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(InvalidRequest, match="leads out of"):
        FolderStorage(root).read(key)
    with pytest.raises(InvalidRequest, match="leads out of"):
        FolderStorage(root).write(key, b"")


def test_mounted_folder_is_shown_below_its_prefix_without_a_copy(tmp_path: Path) -> None:
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "sub" / "1.tif").write_bytes(b"one")
    storage = FolderStorage(tmp_path / "bucket", {"plates/p1": tmp_path / "mine"})
    storage.write("plates/p2/2.tif", b"two")
    assert [item.key for item in storage.list("plates")] == ["plates/p1/sub/1.tif", "plates/p2/2.tif"]
    assert storage.path("plates/p1/sub/1.tif") == tmp_path / "mine" / "sub" / "1.tif"
    assert [item.key for item in storage.list("plates/p1")] == ["plates/p1/sub/1.tif"]


def test_mounted_folder_covers_what_the_bucket_had_below_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "1.tif").write_bytes(b"one")
    FolderStorage(tmp_path / "bucket").write("plates/p1/old.tif", b"old")
    storage = FolderStorage(tmp_path / "bucket", {"plates/p1": tmp_path / "mine"})
    assert [item.key for item in storage.list("")] == ["plates/p1/1.tif"]
    assert [item.key for item in storage.list("plates/p1")] == ["plates/p1/1.tif"]


def test_file_that_is_being_written_is_not_listed(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.write("a", b"")
    (tmp_path / ".partial-x").write_bytes(b"half")
    assert [item.key for item in storage.list("")] == ["a"]


def test_files_are_for_those_to_read_whom_the_umask_lets(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "bucket")
    (tmp_path / "up").touch(mode=0o600)
    earlier = os.umask(0o027)
    try:
        storage.write("written", b"")
        storage.create("created", b"")
        storage.upload(tmp_path / "up", "uploaded")
    finally:
        os.umask(earlier)
    assert {oct(path.stat().st_mode & 0o777) for path in storage.root.iterdir()} == {"0o640"}


def test_uri_opens_its_storage(tmp_path: Path) -> None:
    storage, key = open_uri((tmp_path / "a b" / "runs" / "r" / "request.json").as_uri(), key_starts_with="runs/")
    assert isinstance(storage, FolderStorage)
    assert (storage.root, key) == (tmp_path / "a b", "runs/r/request.json")


@pytest.mark.parametrize("uri", ["", "http://host/runs/x", "s3://bucket", "file:///no/such/part", "runs/x"])
def test_other_addresses_are_refused(uri: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be opened"):
        open_uri(uri, key_starts_with="runs/")
