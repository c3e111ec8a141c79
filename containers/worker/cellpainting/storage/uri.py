"""From a URI to the storage that holds it and the key within."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from cellpainting.errors import InvalidRequest
from cellpainting.storage.base import Storage
from cellpainting.storage.folder import FolderStorage
from cellpainting.storage.s3 import S3Storage


def open_uri(uri: str, *, key_starts_with: str) -> tuple[Storage, str]:
    """Open the storage of an `s3://bucket/key` or `file:///folder/key` URI.

    A file URI does not say where its bucket ends and the key begins: `key_starts_with`, the first part
    of every key that can be meant (such as `runs/`), does.

    Raises
    ------
    InvalidRequest
        If the scheme is neither, or a file URI holds no such part.
    """
    parts = urlsplit(uri)
    if parts.scheme == "s3" and parts.netloc and parts.path.strip("/"):
        return S3Storage(parts.netloc), parts.path.lstrip("/")
    if parts.scheme == "file" and f"/{key_starts_with}" in parts.path:
        root, _, rest = unquote(parts.path).rpartition(f"/{key_starts_with}")
        return FolderStorage(Path(root)), key_starts_with + rest
    raise InvalidRequest(
        f"the address {uri!r} cannot be opened; write s3://bucket/{key_starts_with}... "
        f"or file:///folder/{key_starts_with}..."
    )


def split_public_uri(uri: str) -> tuple[str, str]:
    """The bucket and the key of an `s3://bucket/key` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
