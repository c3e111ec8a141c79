"""What is there and right is not fetched again, and what is not right is, whatever is wrong with it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from cellpainting.download.provenance import Provenance
from cellpainting.images.png import encode_png
from tests.worker.download.gallery import BUCKET, IMAGES, PLATE, SITES, Download, image_key, pixels
from tests.worker.download.s3_server import S3Server
from tests.worker.images.encodings import lzw
from tests.worker.images.published import published

ONE, OTHER = (*SITES[1], "ER"), (*SITES[1], "DNA")


def key_of(image: tuple[str, str, str]) -> str:
    return f"{BUCKET}/{image_key(*image)}"


def fetched_again(download: Download, server: S3Server, **processing: Any) -> list[str]:
    """Do it once more, which makes the plate whole; returns what was fetched for that."""
    before = len(server.asked)
    assert download.carry_out(**processing).is_complete
    return sorted(server.fetched(before))


def keys(images: Sequence[tuple[str, str, str]]) -> list[str]:
    return sorted(map(key_of, images))


@pytest.mark.parametrize("processing", [{}, {"scaling": "plate"}, {"format": "webdataset"}], ids=str)
def test_what_is_done_is_not_fetched_again(served: Download, server: S3Server, processing: dict[str, Any]) -> None:
    served.carry_out(**processing)
    index, published_before = served.index(), served.published
    assert fetched_again(served, server, **processing) == []
    assert (served.index(), served.published) == (index, published_before)


def tear(download: Download) -> None:
    path = download.path(*ONE)
    path.write_bytes(path.read_bytes()[:-20])


def change_a_byte(download: Download) -> None:
    path = download.path(*ONE)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def take_another_image(download: Download) -> None:
    download.path(*ONE).write_bytes(download.path(*OTHER).read_bytes())


def take_an_image_without_a_note(download: Download) -> None:
    download.path(*ONE).write_bytes(encode_png(np.zeros((4, 4), np.uint8)))


def take_an_image_with_the_note_of_others(download: Download) -> None:
    download.path(*ONE).write_bytes(encode_png(np.zeros((4, 4), np.uint8), '{"by": "somebody else"}'))


def paint_over_with_the_same_note(download: Download) -> None:
    note = Provenance.of_file(download.path(*ONE).read_bytes()).to_note()
    download.path(*ONE).write_bytes(encode_png(np.zeros((40, 48), np.uint8), note))


@pytest.mark.parametrize(
    "spoil",
    [
        tear,
        change_a_byte,
        take_another_image,
        take_an_image_without_a_note,
        take_an_image_with_the_note_of_others,
        paint_over_with_the_same_note,
        lambda download: download.path(*ONE).unlink(),
        lambda download: download.path(*ONE).write_bytes(b""),
    ],
)
def test_only_the_file_that_is_not_what_it_was_is_fetched_again(
    served: Download, server: S3Server, spoil: Callable[[Download], None]
) -> None:
    served.carry_out()
    before = served.published
    spoil(served)
    assert fetched_again(served, server) == keys([ONE])
    assert served.published == before


def test_image_that_has_changed_at_its_source_is_fetched_again(served: Download, server: S3Server) -> None:
    served.carry_out()
    changed = pixels(*ONE)[::-1].copy()
    server.objects[key_of(ONE)] = lzw(changed)
    assert fetched_again(served, server) == keys([ONE])
    assert np.array_equal(served.read(*ONE), published(changed))


def test_image_that_was_bad_is_fetched_when_it_was_corrected(served: Download, server: S3Server) -> None:
    good = server.objects[key_of(ONE)]
    server.objects[key_of(ONE)] = b""
    assert not served.carry_out().is_complete
    server.objects[key_of(ONE)] = good
    assert fetched_again(served, server) == keys([ONE])
    assert len(served.index()) == len(SITES)


def test_image_that_has_gone_bad_at_its_source_takes_its_file_with_it(served: Download, server: S3Server) -> None:
    served.carry_out()
    server.objects[key_of(ONE)] = b""
    ledger = served.carry_out()
    assert ledger.counts["input_damaged"] == 1
    assert not served.path(*ONE).exists()
    assert served.path(*OTHER).exists()


@pytest.mark.parametrize(
    "processing",
    [
        {"crop_height_px": 20},
        {"percentile": 3},
        {"scaling": "none"},
        {"scaling": "plate"},
    ],
    ids=str,
)
def test_other_pixels_are_made_again(served: Download, server: S3Server, processing: dict[str, Any]) -> None:
    served.carry_out()
    before = served.published
    assert set(fetched_again(served, server, **processing)) == set(keys(IMAGES))
    assert served.published.keys() == before.keys()
    assert not set(served.published.values()) & set(before.values())


def stop(done: int, total: int, fetched_bytes: int) -> None:
    raise SystemExit(143)


def test_images_that_another_request_has_left_are_made_again_by_one_that_was_interrupted(
    served: Download, server: S3Server
) -> None:
    served.carry_out()
    first = keys([image for image in IMAGES if image[:2] == SITES[0]])
    server.trouble = lambda key: None if key in first else time.sleep(0.2)
    with pytest.raises(SystemExit):
        served.carry_out(percentile=3, tell=stop)
    assert served.carry_out(percentile=3).is_complete
    for image in IMAGES:
        assert np.array_equal(served.read(*image), published(pixels(*image), percentile=3))


@pytest.mark.parametrize(("form", "fetched"), [("png", []), ("webdataset", IMAGES)])
def test_metadata_that_has_changed_is_told_anew(
    served: Download, server: S3Server, form: str, fetched: Sequence[tuple[str, str, str]]
) -> None:
    header, *rows = served.table.read_text().splitlines()
    for gene in ("TP53", "MYC"):
        served.table.write_text("\n".join([f"{header},Metadata_Gene", *(f"{row},{gene}" for row in rows)]))
        before = len(server.asked)
        assert served.carry_out(format=form).is_complete
        assert {row["Metadata_Gene"] for row in served.index()} == {gene}
    assert sorted(server.fetched(before)) == keys(fetched)


def test_images_that_another_request_has_made_otherwise_are_made_again(served: Download, server: S3Server) -> None:
    served.carry_out()
    before = served.published
    served.carry_out(scaling="none")
    assert fetched_again(served, server) == keys(IMAGES)
    assert served.published == before


@pytest.mark.parametrize("form", ["png", "webdataset"])
def test_with_force_all_is_fetched_again(served: Download, server: S3Server, form: str) -> None:
    served.carry_out(format=form)
    assert fetched_again(served, server, format=form, force=True) == keys(IMAGES)


@pytest.mark.parametrize("form", ["png", "webdataset"])
def test_channel_may_have_a_name_that_is_hard_to_tell_from_the_rest(
    served: Download, server: S3Server, form: str
) -> None:
    served.table.write_text(served.table.read_text().replace("_OrigMito", "_OrigBF__z.1").replace("_Orig", "_X"))
    served.carry_out(format=form)
    index = served.index()
    assert "SHA256_XBF__z.1" in index[0]
    assert fetched_again(served, server, format=form) == []
    assert served.index() == index


def test_image_sets_that_were_added_to_the_table_are_all_that_is_fetched(served: Download, server: S3Server) -> None:
    lines = served.table.read_text().splitlines(keepends=True)
    served.table.write_text("".join(lines[:-1]))
    served.carry_out()
    served.table.write_text("".join(lines))
    assert fetched_again(served, server) == keys([image for image in IMAGES if image[:2] == SITES[2]])


def test_only_the_tar_file_that_is_not_what_it_was_is_made_again(
    served: Download, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellpainting.jobs.download_images.IMAGE_SETS_PER_TAR", 2)
    served.carry_out(format="webdataset")
    folder = served.images.joinpath(*PLATE)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    torn = folder / "source_4__BR00117035-000001.tar"
    torn.write_bytes(before[torn][:-1000])
    assert fetched_again(served, server, format="webdataset") == keys(
        [image for image in IMAGES if image[:2] == SITES[2]]
    )
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_tar_files_that_were_done_before_an_interruption_are_not_made_again(
    served: Download, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellpainting.jobs.download_images.IMAGE_SETS_PER_TAR", 2)

    def stop_at_the_last(done: int, total: int, fetched_bytes: int) -> None:
        if done == total:
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        served.carry_out(format="webdataset", tell=stop_at_the_last)
    done = [path.name for path in served.images.joinpath(*PLATE).iterdir()]
    sites = SITES[2:] if done == ["source_4__BR00117035-000000.tar"] else SITES[:2]
    assert len(done) == 1
    assert fetched_again(served, server, format="webdataset") == keys([one for one in IMAGES if one[:2] in sites])
