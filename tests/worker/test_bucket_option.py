"""`--bucket` is an S3 bucket or a folder that stands for one; without it the environment names the bucket."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cellpainting.cli.bucket import BUCKET
from cellpainting.storage import Storage


@click.command()
@BUCKET
def show(bucket: Storage) -> None:
    click.echo(bucket.uri("a b"))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_BUCKET", raising=False)


def test_an_s3_bucket_is_named_by_its_uri() -> None:
    assert CliRunner().invoke(show, ["--bucket", "s3://plates/"]).output == "s3://plates/a b\n"


def test_a_folder_is_named_by_its_path_or_uri(tmp_path: Path) -> None:
    folder = tmp_path / "my plates"
    folder.mkdir()
    for value in (str(folder), folder.as_uri()):
        assert CliRunner().invoke(show, ["--bucket", value]).output == f"{folder.as_uri()}/a%20b\n"


def test_the_environment_names_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BUCKET", "plates")
    assert CliRunner().invoke(show).output == "s3://plates/a b\n"


def test_without_any_name_nothing_is_guessed() -> None:
    result = CliRunner().invoke(show)
    assert result.exit_code == 2
    assert "AWS_BUCKET" in result.output


@pytest.mark.parametrize("value", ["s3://plates/prefix", "s3://", "https://plates", "nowhere/at/all"])
def test_what_is_neither_is_refused(value: str) -> None:
    result = CliRunner().invoke(show, ["--bucket", value])
    assert result.exit_code == 2
    assert "s3://bucket" in result.output
