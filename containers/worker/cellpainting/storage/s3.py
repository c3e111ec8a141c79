"""An S3 bucket."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)

from cellpainting.errors import MissingInput, StorageUnavailable
from cellpainting.storage.base import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

Taken = TypeVar("Taken")

ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket"})
FORBIDDEN = frozenset({"403", "AccessDenied"})
SERVER_ERROR = 500  # and above: HTTP statuses for which the client is not to blame
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
# A connection that is silent for so many seconds is given up and tried again: S3 is never that slow.
SILENCE_S = 20
RETRIES = Config(
    retries={"mode": "standard", "max_attempts": 8},
    max_pool_connections=32,
    connect_timeout=SILENCE_S,
    read_timeout=SILENCE_S,
)
# Seconds before each further try of ours. Boto's own end where the body begins, and are rationed: all requests of a
# client have 35 to 100 together until some succeed, which many connections use up in the first second of an outage.
READ_RETRIES_S = (0.1, 0.5, 2, 5)
BROKEN_OFF = (IncompleteReadError, HTTPClientError, ConnectionError, FlexibleChecksumError)
CHUNK = 1024 * 1024  # bytes


class S3Storage:
    """One bucket through boto3, whose own retries and multipart uploads do the work."""

    def __init__(self, bucket: str, client: "S3Client | None" = None, *, is_public: bool = False) -> None:
        self.bucket = bucket
        self._client: S3Client = client or boto3.client("s3", config=RETRIES)
        self._is_public = is_public

    @classmethod
    def public(
        cls, bucket: str, *, endpoint_url: str | None = None, region: str | None = None, connections: int = 32
    ) -> "S3Storage":
        """A bucket of others, read without credentials: ours say nothing there."""
        config = RETRIES.merge(Config(signature_version=UNSIGNED, max_pool_connections=connections))
        unsigned = boto3.client("s3", config=config, endpoint_url=endpoint_url, region_name=region)
        return cls(bucket, unsigned, is_public=True)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = prefix.rstrip("/") + "/" if prefix else ""
        with self._failures(folder):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder):
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):  # the console's markers of empty folders
                        yield StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'))

    def folders(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/") + "/" if prefix else ""
        pages = self._client.get_paginator("list_objects_v2")
        with self._failures(folder):
            for page in pages.paginate(Bucket=self.bucket, Prefix=folder, Delimiter="/"):
                for item in page.get("CommonPrefixes", []):
                    yield item["Prefix"].removeprefix(folder).rstrip("/")

    def stat(self, key: str) -> StoredObject:
        head = self._ask(key, lambda: self._client.head_object(Bucket=self.bucket, Key=key))
        return StoredObject(key, head["ContentLength"], head["ETag"].strip('"'))

    def read(self, key: str) -> bytes:
        return self.fetch(key)[0]

    def fetch(self, key: str) -> tuple[bytes, StoredObject]:
        return self._get(key, lambda answer: (answer["Body"].read(), _stored(answer, key)))

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

    def download(self, key: str, path: Path) -> StoredObject:
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._get(key, lambda answer: _save(answer, key, path))

    def upload(self, path: Path, key: str) -> None:
        with self._failures(key):
            try:
                self._client.upload_file(str(path), self.bucket, key)
            except S3UploadFailedError as error:
                if isinstance(error.__context__, ClientError):  # which tells whether it was refused
                    raise error.__context__ from error
                raise

    def delete(self, key: str) -> None:
        with self._failures(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def _get(self, key: str, take: "Callable[[GetObjectOutputTypeDef], Taken]") -> Taken:
        return self._ask(key, lambda: take(self._client.get_object(Bucket=self.bucket, Key=key)))

    def _ask(self, key: str, read: Callable[[], Taken]) -> Taken:
        with self._failures(key):
            for wait_s in READ_RETRIES_S:
                try:
                    return read()
                except (BotoCoreError, ClientError) as error:
                    if not _is_worth_another_try(error):
                        raise
                time.sleep(wait_s)
            return read()

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ABSENT:
                raise MissingInput(f"{self.uri(key)} is not there; upload it, or correct the key") from error
            if code in FORBIDDEN and self._is_public:
                raise MissingInput(
                    f"{self.uri(key)} is not there, or not for everyone to read; correct it, or copy it to the bucket"
                ) from error
            remedy = "check the role's permissions and try again"
            if code in FORBIDDEN:  # S3 tells who may not list that nothing is there by the same answer
                remedy = "it may not be there, or not be for this role to read; check key and permissions"
            raise StorageUnavailable(f"{self.uri(key)}: {error}; {remedy}") from error
        except (BotoCoreError, S3UploadFailedError) as error:
            raise StorageUnavailable(
                f"{self.uri(key)}: {error}; check credentials and network, and try again"
            ) from error


def _is_worth_another_try(error: BotoCoreError | ClientError) -> bool:
    """Whether it broke off, or the server has a problem that boto has not tried to wait out."""
    if isinstance(error, ClientError):
        answer = error.response["ResponseMetadata"]
        return answer["HTTPStatusCode"] >= SERVER_ERROR and not answer.get("MaxAttemptsReached")
    return isinstance(error, BROKEN_OFF)


def _save(answer: "GetObjectOutputTypeDef", key: str, path: Path) -> StoredObject:
    """Write the body of an answer to a file; botocore checks that it is as long as was announced."""
    with path.open("wb") as file:
        for chunk in answer["Body"].iter_chunks(CHUNK):
            file.write(chunk)
    return _stored(answer, key)


def _stored(answer: "GetObjectOutputTypeDef", key: str) -> StoredObject:
    return StoredObject(key, answer["ContentLength"], answer["ETag"].strip('"'))
