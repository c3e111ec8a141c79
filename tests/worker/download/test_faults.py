"""2,000 images through a storage where everything that can go wrong does, and a kill at half time."""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from threading import Lock

import numpy as np
import pytest

from cellpainting.download.provenance import Provenance
from cellpainting.ledger import read_ledger
from tests.local.conftest import wait_until
from tests.worker.download.gallery import BUCKET, CHANNELS, Download, image_key, published_path, read_png
from tests.worker.download.s3_server import S3Server, Trouble, running
from tests.worker.images.encodings import lzw
from tests.worker.images.published import published

SITES = [(f"{row}{column:02}", str(site)) for row, column, site in product("ABCDEFGHIJ", range(1, 11), range(1, 5))]
IMAGES = [(*site, channel) for site in SITES for channel in CHANNELS]
KEYS = {image: f"{BUCKET}/{image_key(*image)}" for image in IMAGES}
NOWHERE = (("A02", "3", "ER"), ("J09", "1", "Mito"))
UNAVAILABLE = ("C05", "2", "DNA")
STALLED = (*SITES[-1], "RNA")
BAD = {*NOWHERE, UNAVAILABLE}


class Faults:
    """What goes wrong with each request, by chance that is the same for the same key and try."""

    def __init__(self) -> None:
        self.counted: Counter[Trouble] = Counter()
        self._tries: Counter[str] = Counter()
        self._lock = Lock()

    def __call__(self, key: str) -> Trouble | None:
        with self._lock:
            self._tries[key] += 1
            trouble = self._choose(key, self._tries[key])
            if trouble:
                self.counted[trouble] += 1
            return trouble

    def _choose(self, key: str, number: int) -> Trouble | None:
        if key == KEYS[UNAVAILABLE]:
            return Trouble.UNAVAILABLE
        if key == KEYS[STALLED] and number == 1:
            return Trouble.STALL
        chance = random.Random(f"{key} {number}").random()  # noqa: S311 (no secret)
        limits = {Trouble.SLOW_DOWN: 0.05, Trouble.TRUNCATED: 0.06, Trouble.RESET: 0.07}
        return next((trouble for trouble, limit in limits.items() if chance < limit), None)


@pytest.fixture(scope="module")
def originals() -> dict[str, np.ndarray]:
    """The pixels of each image by key: one of ten, all of them small."""
    random = np.random.default_rng(4)
    ten = [random.integers(100, 60_000, (128, 128)).astype(np.uint16) for _ in range(10)]
    return {key: ten[number] for key, number in zip(KEYS.values(), random.integers(10, size=len(KEYS)), strict=True)}


@pytest.fixture
def server(originals: dict[str, np.ndarray]) -> Iterator[S3Server]:
    files = {id(pixels): lzw(pixels) for pixels in originals.values()}
    with running() as server:
        server.objects.update({key: files[id(pixels)] for key, pixels in originals.items()})
        for image in NOWHERE:
            del server.objects[KEYS[image]]
        server.trouble = Faults()
        yield server


def test_all_images_are_there_but_those_that_cannot_be_had_which_are_named(
    server: S3Server, originals: dict[str, np.ndarray], tmp_path: Path
) -> None:
    download = Download.below(tmp_path, f"s3://{BUCKET}", server.url, SITES)
    process = download.start()
    half = len(IMAGES) // 2
    wait_until(lambda: sum(download.path(*image).exists() for image in IMAGES) > half, "half of the images are there")
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {image for image in IMAGES if download.path(*image).exists()}
    assert half < len(there) < len(IMAGES) - len(BAD)

    before = len(server.asked)
    ended = download.typed()
    assert ended.returncode == 1
    assert not {KEYS[image] for image in there} & set(server.fetched(before))

    assert download.published.keys() == {published_path(*image) for image in IMAGES if image not in BAD}
    expected = {id(pixels): published(pixels) for pixels in originals.values()}
    for image in set(IMAGES) - BAD:
        content = download.path(*image).read_bytes()
        assert Provenance.of_file(content).source == f"s3://{KEYS[image]}"
        assert np.array_equal(read_png(content), expected[id(originals[KEYS[image]])])

    (run,) = download.bucket.folders("runs/")
    bad = [one for one in read_ledger(download.bucket, run).outcomes if not one.state.is_success]
    assert {(one.image_set.well, one.image_set.site): (one.state, one.cause) for one in bad} == {
        **{image[:2]: ("input_missing", "input_missing") for image in NOWHERE},
        UNAVAILABLE[:2]: ("failed", "storage_unavailable"),
    }
    assert len(download.index()) == len(SITES) - len(BAD)
    for well, site, channel in BAD:
        (outcome,) = [one for one in bad if (one.image_set.well, one.image_set.site) == (well, site)]
        assert outcome.reason.startswith(f"{channel}: s3://{KEYS[well, site, channel]}: ")
        assert f"not done: {outcome.image_set.label}: {outcome.state.value}: {outcome.reason}" in ended.stdout

    assert isinstance(server.trouble, Faults)
    counted = server.trouble.counted
    assert counted[Trouble.STALL] == 1
    assert counted[Trouble.SLOW_DOWN] > 50
    assert min(counted[Trouble.TRUNCATED], counted[Trouble.RESET]) > 5
