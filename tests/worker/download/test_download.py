"""A plate, from a bucket or a folder to files to train on: published names, pixels, index and contact sheet."""

import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellpainting.images.scaling import Limits, restore
from tests.worker.download.gallery import (
    BUCKET,
    CHANNELS,
    IMAGES,
    PLATE,
    SITES,
    Download,
    image_key,
    pixels,
    published_path,
    read_png,
    write_images,
)
from tests.worker.download.s3_server import S3Server
from tests.worker.images.published import published

PLATE_NAME = "__".join(PLATE)
LIMITS = ("ScalingLow", "ScalingHigh")


@pytest.fixture
def two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the three image sets of the plate, two are in its first part."""
    monkeypatch.setattr("cellpainting.planning.plan_download.IMAGE_SETS_PER_SHARD", 2)


@pytest.fixture
def two_tar_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the three image sets of the plate, two are in the first tar file."""
    monkeypatch.setattr("cellpainting.jobs.download_images.IMAGE_SETS_PER_TAR", 2)


def tar_files(download: Download) -> list[Path]:
    return sorted(download.images.joinpath(*PLATE).iterdir())


def test_images_are_in_the_published_tree_with_the_published_pixels(plate: Download) -> None:
    assert plate.carry_out().is_complete
    assert plate.published.keys() == {published_path(*image) for image in IMAGES}
    for image in IMAGES:
        assert np.array_equal(plate.read(*image), published(pixels(*image)))


def test_crop_and_percentile_are_those_asked_for(plate: Download) -> None:
    plate.carry_out(crop_height_px=31, crop_width_px=16, percentile=5)
    for image in IMAGES:
        assert np.array_equal(plate.read(*image), published(pixels(*image), height_px=31, width_px=16, percentile=5))


def test_index_has_a_row_per_image_set_and_tells_what_each_image_is_and_comes_from(plate: Download) -> None:
    plate.carry_out(crop_height_px=20, crop_width_px=20)
    metadata = [f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")]
    names = [*metadata, *(f"FileName_Orig{channel}" for channel in CHANNELS)]
    for row, site in zip(plate.index(), SITES, strict=True):
        assert list(row)[:10] == names
        assert tuple(row[name] for name in names) == (*PLATE, *site, *(published_path(*site, one) for one in CHANNELS))
        for channel in CHANNELS:
            kept = pixels(*site, channel)[10:30, 14:34].astype(np.float32)
            assert row[f"SHA256_{channel}"] == hashlib.sha256(plate.path(*site, channel).read_bytes()).hexdigest()
            assert row[f"Source_{channel}"] == f"{plate.root}/{image_key(*site, channel)}".removeprefix("/")
            assert row[f"SourceETag_{channel}"]
            assert (row[f"CropTop_{channel}"], row[f"CropLeft_{channel}"]) == (10, 14)
            limits = [row[f"{name}_{channel}"] for name in LIMITS]
            assert limits == [np.percentile(kept, 1), np.percentile(kept, 99)]


def test_images_that_are_not_scaled_keep_all_their_bits(plate: Download) -> None:
    plate.carry_out(scaling="none")
    for image in IMAGES:
        assert plate.read(*image).dtype == np.uint16
        assert np.array_equal(plate.read(*image), pixels(*image))
    assert {row[f"{name}_DNA"] for row in plate.index() for name in LIMITS} == {None}


@pytest.mark.usefixtures("two_parts")
def test_all_parts_of_a_plate_are_scaled_by_the_percentiles_of_the_whole_plate(plate: Download) -> None:
    plate.carry_out(scaling="plate", percentile=2)
    assert len(list((plate.images / "index").iterdir())) == 2
    for channel in CHANNELS:
        whole = np.stack([pixels(*site, channel) for site in SITES]).astype(np.float32)
        ((low, high),) = {tuple(row[f"{name}_{channel}"] for name in LIMITS) for row in plate.index()}
        assert (low, high) == (np.percentile(whole, 2), np.percentile(whole, 98))
        for site in SITES:
            _assert_restored(plate.read(*site, channel), pixels(*site, channel), Limits(low, high))


def _assert_restored(image: np.ndarray, original: np.ndarray, limits: Limits) -> None:
    restored = restore(image, limits).astype(float)
    between = (limits.low <= original) & (limits.high >= original)
    assert between.mean() > 0.9
    assert np.abs(restored - original)[between].max() <= limits.largest_error
    assert np.abs(restored - original)[between].max() > limits.largest_error / 2


@pytest.mark.usefixtures("two_parts")
def test_limits_of_a_plate_are_measured_once_and_kept(served: Download, server: S3Server) -> None:
    ledger = served.carry_out(scaling="plate")
    kept = list((served.folder / "runs" / ledger.run_id / "scaling").iterdir())
    assert len(kept) == 1
    assert json.loads(kept[0].read_bytes()).keys() == CHANNELS.keys()
    fetched = server.fetched()
    assert {fetched.count(f"{BUCKET}/{image_key(*image)}") for image in IMAGES} == {2}  # to be measured, and made


@pytest.mark.usefixtures("two_tar_files")
def test_tar_files_have_the_metadata_and_then_the_images_of_each_image_set(plate: Download) -> None:
    assert plate.carry_out(format="webdataset").is_complete
    source, _, name = PLATE
    assert [path.name for path in tar_files(plate)] == [f"{source}__{name}-{number:06}.tar" for number in range(2)]
    for path, sites in zip(tar_files(plate), (SITES[:2], SITES[2:]), strict=True):
        with tarfile.open(path) as tar:
            content = {member.name: _content(tar, member) for member in tar}
        keys = {site: f"{source}__{name}__{'__'.join(site)}" for site in sites}
        assert list(content) == [
            f"{keys[site]}.{ending}"
            for site in sites
            for ending in ("json", *(f"{channel}.png" for channel in CHANNELS))
        ]
        for site in sites:
            metadata = json.loads(content[f"{keys[site]}.json"])
            assert (metadata["Metadata_Well"], metadata["Metadata_Site"]) == site
            for channel in CHANNELS:
                image = read_png(content[f"{keys[site]}.{channel}.png"])
                assert np.array_equal(image, published(pixels(*site, channel)))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file
    return file.read()


@pytest.mark.usefixtures("two_tar_files")
def test_index_of_tar_files_names_the_tar_file_and_the_member(plate: Download) -> None:
    plate.carry_out(format="webdataset")
    for row in plate.index():
        with tarfile.open(plate.images / row["TarFile"]) as tar:
            for channel in CHANNELS:
                content = _content(tar, tar.getmember(row[f"FileName_Orig{channel}"]))
                assert row[f"SHA256_{channel}"] == hashlib.sha256(content).hexdigest()


@pytest.mark.usefixtures("two_tar_files")
def test_tar_files_are_the_same_to_the_byte_wherever_they_are_made(plate: Download, tmp_path: Path) -> None:
    elsewhere = replace(plate, folder=tmp_path / "elsewhere")
    for download in (plate, elsewhere):
        download.carry_out(format="webdataset")
    assert [path.read_bytes() for path in tar_files(plate)] == [path.read_bytes() for path in tar_files(elsewhere)]


@pytest.mark.parametrize("form", ["png", "webdataset"])
@pytest.mark.usefixtures("two_parts")
def test_plate_has_one_contact_sheet(plate: Download, form: str) -> None:
    plate.carry_out(format=form)
    (sheet,) = (plate.images / "contact_sheets").iterdir()
    assert sheet.name == f"{PLATE_NAME}.png"
    assert read_png(sheet.read_bytes()).ndim == 3


def test_only_channels_that_are_asked_for_are_fetched(served: Download, server: S3Server) -> None:
    served.carry_out(channels=["Mito", "DNA"], select={"Well": ["A01"]})
    images = {(*site, channel) for site in SITES[:2] for channel in ("Mito", "DNA")}
    assert served.published.keys() == {published_path(*image) for image in images}
    assert sorted(server.fetched()) == sorted(f"{BUCKET}/{image_key(*image)}" for image in images)


def test_relative_paths_begin_in_the_folder_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "tables" / "mine")
    download = Download.below(Path("tables"), "mine")
    assert replace(download, folder=tmp_path / "jump").carry_out().is_complete


def test_indexes_of_parts_that_are_no_more_go(plate: Download) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cellpainting.planning.plan_download.IMAGE_SETS_PER_SHARD", 1)
        plate.carry_out()
    assert len(list((plate.images / "index").iterdir())) == 3
    plate.carry_out()
    assert [path.name for path in (plate.images / "index").iterdir()] == [f"{PLATE_NAME}-0.parquet"]
    assert len(plate.index()) == 3
