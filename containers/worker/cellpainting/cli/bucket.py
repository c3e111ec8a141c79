"""The option `--bucket`: an S3 bucket, or a folder that stands for one, as a Storage."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from cellpainting.storage import FolderStorage, S3Storage, Storage

BUCKET_NAME = "AWS_BUCKET"  # as in the README's set-up and in the containers


def open_bucket(value: str | None) -> Storage | None:
    """The bucket of that name, or the environment's; None if there is neither."""
    named = value or os.environ.get(BUCKET_NAME)
    if not named:
        return None
    return _open_named(value) if value else S3Storage(named)


def _open(context: click.Context, parameter: click.Parameter, value: str | None) -> Storage:
    if value is None:
        return S3Storage(_bucket_of_environment(parameter))
    return _open_named(value, parameter)


def _open_named(value: str, parameter: click.Parameter | None = None) -> Storage:
    parts = urlsplit(value)
    if parts.scheme == "s3" and parts.netloc and not parts.path.strip("/"):
        return S3Storage(parts.netloc)
    folder = Path(unquote(parts.path) if parts.scheme == "file" else value).expanduser()
    if parts.scheme in ("", "file") and folder.is_dir():
        return FolderStorage(folder)
    raise click.BadParameter(
        f"got {value!r}; write s3://bucket without a prefix, file:///folder, or the path of an existing folder",
        param=parameter,
    )


def _bucket_of_environment(parameter: click.Parameter) -> str:
    name = os.environ.get(BUCKET_NAME)
    if not name:
        raise click.BadParameter(f"which bucket? Name it, or set {BUCKET_NAME}", param=parameter)
    return name


BUCKET = click.option(
    "--bucket",
    metavar="URI",
    callback=_open,
    help=f"s3://bucket, or a folder that stands for one (path or file://)  [default: the bucket in {BUCKET_NAME}]",
)
