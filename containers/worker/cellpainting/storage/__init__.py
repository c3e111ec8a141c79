"""URIs to bytes: an S3 bucket or a folder that stands for one, behind the same few verbs."""

from cellpainting.storage.base import Storage, StoredObject
from cellpainting.storage.folder import FolderStorage
from cellpainting.storage.s3 import S3Storage
from cellpainting.storage.sources import Sources
from cellpainting.storage.uri import open_uri, split_public_uri

__all__ = ["FolderStorage", "S3Storage", "Sources", "Storage", "StoredObject", "open_uri", "split_public_uri"]
