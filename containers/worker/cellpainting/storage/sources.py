"""Where images are read from: a storage of our own, and public buckets that are named by their whole address."""

from collections.abc import Callable
from threading import Lock

from cellpainting.storage.base import Storage
from cellpainting.storage.s3 import S3Storage
from cellpainting.storage.uri import split_public_uri

S3 = "s3://"


class Sources:
    """A place is a key of `own`, or `s3://bucket/key` in a public bucket, which is opened once."""

    def __init__(self, own: Storage, public: Callable[[str], Storage] = S3Storage.public) -> None:
        self.own = own
        self._public = public
        self._opened: dict[str, Storage] = {}
        self._lock = Lock()

    def of(self, place: str) -> tuple[Storage, str]:
        """The storage that holds a place, and the key there."""
        if not place.startswith(S3):
            return self.own, place
        bucket, key = split_public_uri(place)
        with self._lock:
            if bucket not in self._opened:
                self._opened[bucket] = self._public(bucket)
            return self._opened[bucket], key
