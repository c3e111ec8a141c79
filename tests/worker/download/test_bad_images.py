"""A bad image is named with its state, its cause and what is wrong with it, and nothing else is lost with it."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cellpainting.ledger import Cause, State
from tests.worker.download.gallery import (
    BUCKET,
    CHANNELS,
    IMAGES,
    PLATE,
    SHAPE,
    SITES,
    Download,
    image_key,
    pixels,
    published_path,
)
from tests.worker.download.s3_server import S3Server
from tests.worker.images.encodings import lzw
from tests.worker.images.published import published

BAD = (*SITES[1], "ER")
BAD_KEY = f"{BUCKET}/{image_key(*BAD)}"
MISSING, DAMAGED = (State.INPUT_MISSING, Cause.INPUT_MISSING), (State.INPUT_DAMAGED, Cause.INPUT_DAMAGED)
DAMAGES = {
    "empty body": (lambda whole: b"", "the file is empty (0 bytes)"),
    "truncated TIFF": (lambda whole: whole[: len(whole) // 2], "its "),
    "other size": (
        lambda whole: lzw(pixels(*BAD)[:30, :31]),
        "it has 31 x 30 pixels, other channels of its image set 48 x 40",
    ),
    "all zero": (lambda whole: lzw(np.zeros(SHAPE, np.uint16)), "all of its 48 x 40 pixels are 0"),
    "a page of text": (lambda whole: b"<html>Service Unavailable</html>", "its 32 bytes cannot be decoded"),
}


def one_is_bad(download: Download, state: tuple[State, Cause], reason: str, form: str) -> None:
    """Check that a download has the whole plate but one image, which is told of like this."""
    ledger = download.carry_out(format=form)
    assert (ledger.counts["done"], ledger.is_complete) == (2, False)
    (outcome,) = [outcome for outcome in ledger.outcomes if not outcome.state.is_success]
    assert (outcome.image_set.well, outcome.image_set.site) == SITES[1]
    assert (outcome.state, outcome.cause) == state
    assert outcome.reason.startswith(f"ER: {reason}")
    assert f"{outcome.image_set.label}: {outcome.state.value}: {outcome.reason}" in ledger.problems
    assert [(row["Metadata_Well"], row["Metadata_Site"]) for row in download.index()] == [SITES[0], SITES[2]]
    if form == "webdataset":
        (path,) = download.images.joinpath(*PLATE).iterdir()
        with tarfile.open(path) as tar:
            assert len(tar.getnames()) == 2 * (1 + len(CHANNELS))
        return
    assert download.published.keys() == {published_path(*image) for image in IMAGES if image != BAD}
    for image in set(IMAGES) - {BAD}:
        assert np.array_equal(download.read(*image), published(pixels(*image)))


@pytest.mark.parametrize("form", ["png", "webdataset"])
@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_image_is_named_and_the_others_are_kept(
    served: Download, server: S3Server, damage: Callable[[bytes], bytes], reason: str, form: str
) -> None:
    server.objects[BAD_KEY] = damage(server.objects[BAD_KEY])
    one_is_bad(served, DAMAGED, f"s3://{BAD_KEY}: {reason}", form)


@pytest.mark.parametrize("form", ["png", "webdataset"])
def test_image_that_is_not_there_is_named_and_the_others_are_kept(
    served: Download, server: S3Server, form: str
) -> None:
    del server.objects[BAD_KEY]
    one_is_bad(served, MISSING, f"s3://{BAD_KEY}: s3://{BAD_KEY} is not there", form)


def test_image_that_the_load_data_does_not_name_is_told_by_its_channel(served: Download) -> None:
    served.table.write_text(served.table.read_text().replace(Path(image_key(*BAD)).name, ""))
    one_is_bad(served, MISSING, "the load data names no image", "png")


def test_all_bad_images_of_an_image_set_are_named(served: Download, server: S3Server) -> None:
    server.objects[BAD_KEY] = b""
    del server.objects[f"{BUCKET}/{image_key(*SITES[1], 'DNA')}"]
    (problem,) = served.carry_out().problems
    assert problem.startswith("BR00117035-A01-2: input_missing: DNA: ")
    assert "; ER: " in problem


def test_plate_without_a_whole_image_set_has_no_index(served: Download, server: S3Server) -> None:
    assert served.carry_out().is_complete
    assert served.index()
    for site in SITES:
        server.objects[f"{BUCKET}/{image_key(*site, 'RNA')}"] = b""
    assert served.carry_out().counts["input_damaged"] == 3
    assert served.index() == []


def test_plate_whose_scaling_cannot_be_measured_says_so(served: Download, server: S3Server) -> None:
    for site in SITES:
        server.objects[f"{BUCKET}/{image_key(*site, 'RNA')}"] = b""
    ledger = served.carry_out(scaling="plate")
    assert ledger.counts["failed"] == 3
    assert "none of the 3 images that the scaling of RNA would be measured on is there and whole" in ledger.problems[0]


def test_scaling_of_a_plate_is_measured_without_its_bad_images(served: Download, server: S3Server) -> None:
    del server.objects[BAD_KEY]
    assert served.carry_out(scaling="plate").counts["done"] == 2
    whole = np.stack([pixels(*site, "ER") for site in (SITES[0], SITES[2])]).astype(np.float32)
    assert {row["ScalingHigh_ER"] for row in served.index()} == {np.percentile(whole, 99)}
