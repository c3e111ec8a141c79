"""What a shard's results are made from, as the storage lists it: enough to see whether anything changed since."""

from cellpainting.errors import MissingInput
from cellpainting.ledger.manifest import Manifest, StoredFile
from cellpainting.storage import Storage


def stat_pipeline(storage: Storage, key: str) -> StoredFile:
    """The pipeline's size and ETag.

    Raises
    ------
    MissingInput
        If it is not there.
    """
    item = storage.stat(key)
    return StoredFile(item.key, item.size, item.etag)


def list_images(storage: Storage, prefix: str) -> tuple[StoredFile, ...]:
    """Everything below an input folder.

    Raises
    ------
    MissingInput
        If there is nothing.
    """
    stored = tuple(StoredFile(item.key, item.size, item.etag) for item in storage.list(prefix))
    if not stored:
        raise MissingInput(f"the input folder {storage.uri(prefix)} is empty; upload images there, or correct 'input'")
    return stored


def is_current(manifest: Manifest, storage: Storage, pipeline: str, prefix: str) -> bool:
    """Whether a shard was measured whole, from just the pipeline and images that are there now."""
    try:
        pipeline_now, images_now = stat_pipeline(storage, pipeline), list_images(storage, prefix)
    except MissingInput:
        return False
    return manifest.is_success and manifest.pipeline == pipeline_now and manifest.inputs == images_now
