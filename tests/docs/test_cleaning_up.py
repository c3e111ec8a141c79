"""The commands that delete data do so entirely, and not by accident."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import REPOSITORY
from tests.docs.test_readme import DOCS, blocks
from tests.worker.backend.plates import s3_environment

PAGE = DOCS / "cleaning_up.md"
DESTROY, DELETE_DATA, DELETE_LOGS, DELETE_LOCAL = blocks(PAGE, "sh")
DATA, LOGS = "storage-cpb-data666c94c7-1abc", "storage-cpb-accesslogs8b620eca-1abc"


def shell(script: str, environment: dict[str, str], folder: Path = REPOSITORY) -> "subprocess.CompletedProcess[str]":
    """Run commands as typed, one after the other."""
    return subprocess.run(
        ["bash", "-euc", script],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def s3(moto_url: str) -> Iterator[Any]:
    """The two buckets that a deployment leaves: objects with old versions, and one that was deleted."""
    session = boto3.Session("local", "local", region_name="us-east-1")
    client = session.client("s3", endpoint_url=moto_url)
    for bucket in (DATA, LOGS):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for content in (b"old", b"new"):
            client.put_object(Bucket=bucket, Key="runs/r/ledger.csv", Body=content)
            client.put_object(Bucket=bucket, Key="images/1.tif", Body=content)
        client.delete_object(Bucket=bucket, Key="images/1.tif")
    yield client
    for name in names(client):
        session.resource("s3", endpoint_url=moto_url).Bucket(name).object_versions.delete()
        client.delete_bucket(Bucket=name)


def names(s3: Any) -> list[str]:
    return [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_each_bucket_goes_with_all_versions_of_its_objects(s3: Any, moto_url: str) -> None:
    for script, left in ((DELETE_DATA, [LOGS]), (DELETE_LOGS, [])):
        ended = shell(script, s3_environment(moto_url))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert names(s3) == left


def test_with_two_buckets_of_the_name_nothing_is_deleted(s3: Any, moto_url: str) -> None:
    s3.create_bucket(Bucket=DATA.replace("1abc", "2abc"))
    assert shell(DELETE_DATA, s3_environment(moto_url)).returncode != 0
    assert len(names(s3)) == 3
    assert len(s3.list_object_versions(Bucket=DATA)["Versions"]) == 4


def test_what_the_local_cloud_keeps_is_one_folder(tmp_path: Path) -> None:
    (tmp_path / "cpb-data" / "bucket").mkdir(parents=True)
    assert shell(DELETE_LOCAL, {}, tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_taking_the_deployment_down_is_the_command_that_is_tried_with_the_real_command_line() -> None:
    assert DESTROY == "cdk destroy --all\n"
