"""A Gallery on this machine in each way that there is, and a download of a plate of it."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.worker.download.gallery import BUCKET, Download, image_files, write_images
from tests.worker.download.s3_server import S3Server, running


@pytest.fixture
def server() -> Iterator[S3Server]:
    """The plate's images on a server that tells what it was asked."""
    with running() as server:
        server.objects.update({f"{BUCKET}/{key}": content for key, content in image_files().items()})
        yield server


@pytest.fixture
def served(server: S3Server, tmp_path: Path) -> Download:
    """The download of the plate from that server."""
    return Download.below(tmp_path, f"s3://{BUCKET}", server.url)


@pytest.fixture(params=["folder", "s3"])
def plate(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Download:
    """The download of the plate from a folder, and from a bucket that is for everyone to read, without credentials."""
    if request.param == "folder":
        write_images(tmp_path / BUCKET)
        return Download.below(tmp_path, str(tmp_path / BUCKET))
    url: str = request.getfixturevalue("moto_url")
    client = boto3.Session("local", "local", region_name="us-east-1").client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)
    for key, content in image_files().items():
        client.put_object(Bucket=BUCKET, Key=key, Body=content, ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    return Download.below(tmp_path, f"s3://{BUCKET}", url)
