"""`cpb jump download` as it is typed: what it prints, and its exit status."""

import subprocess
from dataclasses import replace

import pytest

from tests.worker.download.gallery import BUCKET, CHANNELS, SITES, Download, image_key, write_load_data
from tests.worker.download.s3_server import S3Server

BAD_KEY = f"{BUCKET}/{image_key(*SITES[1], 'ER')}"


def test_status_is_0_when_all_is_there_and_what_was_made_is_named(served: Download) -> None:
    ended = served.typed()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f": 3 done; images, index and contact sheet are in {served.images}" in ended.stdout
    look = ended.stdout.rpartition("look at it: cpb ")[2].split()
    assert subprocess.run(["cpb", *look], check=False, capture_output=True).returncode == 0


def test_status_is_1_when_an_image_is_bad_and_it_is_named(served: Download, server: S3Server) -> None:
    server.objects[BAD_KEY] = b""
    ended = served.typed()
    assert (ended.returncode, ended.stderr) == (1, "")
    assert f"not done: BR00117035-A01-2: input_damaged: ER: s3://{BAD_KEY}: the file is empty" in ended.stdout
    assert ": 2 done, 1 input_damaged; images" in ended.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--percentile", "50"), "field 'percentile'"),
        (("--scaling", "well"), "field 'scaling'"),
        (("--format", "zarr"), "field 'format'"),
        (("--crop-height-px", "-1"), "field 'crop_height_px'"),
        (("--channels", "DNA,GFP"), "field 'channels'"),
        (("--workers", "0"), "--workers"),
    ],
)
def test_status_is_2_when_an_option_cannot_be_used(served: Download, options: tuple[str, ...], told: str) -> None:
    ended = served.typed(*options)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_options_are_those_of_the_request(served: Download, server: S3Server) -> None:
    options = {"channels": "Mito,DNA", "crop-height-px": "0", "crop-width-px": "20", "scaling": "none"}
    served.typed(*(text for name, value in options.items() for text in (f"--{name}", value)))
    assert len(server.fetched()) == len(SITES) * 2
    assert {served.read(*site, "Mito").shape for site in SITES} == {(40, 20)}
    assert str(served.read(*SITES[0], "DNA").dtype) == "uint16"


def test_folder_of_tables_is_done_table_by_table(served: Download) -> None:
    tables = served.table.parent / "tables"
    for site in SITES:
        write_load_data(tables / f"{'-'.join(site)}.csv", served.root, [site])
    ended = replace(served, table=tables).typed()
    assert ended.returncode == 0
    assert ended.stdout.count("look at it: cpb status ") == len(SITES)
    assert len(served.published) == len(SITES) * len(CHANNELS)


def test_table_that_cannot_be_used_is_named_and_keeps_the_others_of_its_folder_not_back(served: Download) -> None:
    tables = served.table.parent / "tables"
    for site in SITES:
        write_load_data(tables / f"{'-'.join(site)}.csv", served.root, [site])
    (tables / "0.csv").write_text("no table\n")
    ended = replace(served, table=tables).typed()
    assert ended.returncode == 1
    assert f"not done: {tables / '0.csv'}: " in ended.stdout
    assert len(served.published) == len(SITES) * len(CHANNELS)
    assert replace(served, table=tables).typed("--percentile", "50").returncode == 2
