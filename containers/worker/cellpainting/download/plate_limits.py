"""The limits of 8-bit scaling that all images of a plate and channel share, so that their values can be compared.

They are the percentiles of all pixels of a sample of image sets, which the plan names. Whichever shard is first
measures them and leaves them in the run's record; the others read them there.
"""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict

import numpy as np

from cellpainting.download.image_set import fetch
from cellpainting.download.recipe import Recipe
from cellpainting.errors import DamagedImage, MissingInput
from cellpainting.images.scaling import Limits, histogram, percentile_limits
from cellpainting.jobs import RunRecord
from cellpainting.planning import PlatePart
from cellpainting.storage import Sources, Storage

READERS = 16  # images on their way at once
VALUES = 2**16  # of 16-bit pixels; those of 8 bits are some of them


def plate_limits(
    record: RunRecord,
    part: PlatePart,
    channels: Mapping[str, int],
    recipe: Recipe,
    *,
    bucket: Storage,
    sources: Sources,
) -> dict[str, Limits]:
    """The limits of each channel, of which `channels` has the place in a row of the sample.

    Raises
    ------
    DamagedImage
        If no image of a channel's sample is there and whole.
    StorageUnavailable
        If the storage fails.
    """
    told = json.dumps([recipe.job.processing, sorted(channels), part.sample])
    key = record.keys.plate_limits(f"{part.plate}-{hashlib.sha256(told.encode()).hexdigest()[:12]}")
    with suppress(MissingInput):
        return _from_json(bucket.read(key))
    measured = {
        channel: _measure([row[at] for row in part.sample], channel, recipe, sources)
        for channel, at in channels.items()
    }
    content = json.dumps({channel: asdict(limits) for channel, limits in measured.items()}, indent=1).encode()
    return measured if bucket.create(key, content) else _from_json(bucket.read(key))


def _measure(places: list[str], channel: str, recipe: Recipe, sources: Sources) -> Limits:
    def count(place: str) -> np.ndarray | None:
        with suppress(MissingInput, DamagedImage):  # it is told where its own image set is done
            _, pixels, _ = recipe.crop(fetch(place, sources)[0])
            counts = histogram(pixels)
            return np.pad(counts, (0, VALUES - len(counts)))
        return None

    with ThreadPoolExecutor(READERS) as readers:
        counted = [counts for counts in readers.map(count, places) if counts is not None]
    if not counted:
        raise DamagedImage(
            f"none of the {len(places)} images that the scaling of {channel} would be measured on is there and whole, "
            f"{places[0]!r} for one; correct the load data, or scale by image"
        )
    return percentile_limits(np.sum(counted, axis=0), recipe.job.percentile)


def _from_json(content: bytes) -> dict[str, Limits]:
    return {channel: Limits(**limits) for channel, limits in json.loads(content).items()}
