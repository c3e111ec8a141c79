"""An S3 bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cellpainting.errors import MissingInput, StorageUnavailable
from cellpainting.storage.base import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket"})
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
RETRIES = Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=32)


class S3Storage:
    """One bucket through boto3, whose own retries and multipart transfers do the work."""

    def __init__(self, bucket: str, client: "S3Client | None" = None) -> None:
        self.bucket = bucket
        self._client: S3Client = client or boto3.client("s3", config=RETRIES)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = prefix.rstrip("/") + "/" if prefix else ""
        with self._failures(folder):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder):
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):  # the console's markers of empty folders
                        yield StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'))

    def stat(self, key: str) -> StoredObject:
        with self._failures(key):  # a listing, not HEAD: who may list but not read, such as the dispatcher, can ask too
            page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        for item in page.get("Contents", []):
            if item["Key"] == key:
                return StoredObject(key, item["Size"], item["ETag"].strip('"'))
        raise MissingInput(f"{self.uri(key)} is not there; upload it, or correct the key")

    def read(self, key: str) -> bytes:
        with self._failures(key):
            return self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        with self._failures(key):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def create(self, key: str, content: bytes) -> bool:
        with self._failures(key):
            try:
                self._client.put_object(Bucket=self.bucket, Key=key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] in TAKEN:
                    return False
                raise
        return True

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._failures(key):
            self._client.download_file(self.bucket, key, str(path))

    def upload(self, path: Path, key: str) -> None:
        with self._failures(key):
            self._client.upload_file(str(path), self.bucket, key)

    def delete(self, key: str) -> None:
        with self._failures(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                raise MissingInput(f"{self.uri(key)} is not there; upload it, or correct the key") from error
            raise StorageUnavailable(f"{self.uri(key)}: {error}; check the role's permissions and try again") from error
        except (BotoCoreError, S3UploadFailedError) as error:
            raise StorageUnavailable(
                f"{self.uri(key)}: {error}; check credentials and network, and try again"
            ) from error
