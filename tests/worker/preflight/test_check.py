"""What the texts alone tell: load data x pipeline x request x plate layout."""

import time

import pytest

from cellpainting.pipelines import Pipeline
from cellpainting.preflight import Severity
from cellpainting.preflight.check import choose_selection
from cellpainting.preflight.groups import find_near_misses
from tests.worker.pipelines.text import EXPORT, cppipe, load_data, measure, module
from tests.worker.preflight.plates import PIPELINE, about, findings_of, image_set, job_of, sites, table_of

ROWS = "ABCDEFGHIJKLMNOP"
ALL_384 = [f"{row}{column:02}" for row in ROWS for column in range(1, 25)]
SAVE = module("SaveImages", ("Select the image to save", "OrigDNA"), ("Saved file format", "npy"))


def test_a_plate_in_order_has_no_findings() -> None:
    assert findings_of(sites(ALL_384)) == []


@pytest.mark.parametrize(
    ("modules", "subject"),
    [
        ([measure(["OrigDNA"]), EXPORT], "LoadData"),
        ([load_data("Plate"), measure(["OrigDNA"])], "ExportToSpreadsheet"),
        ([load_data("Plate"), module("SaveImages", ("Saved file format", "mat"))], "SaveImages, module 1: mat"),
        ([load_data("Plate", "Nope"), EXPORT], "Metadata_Nope"),
    ],
)
def test_modules_that_let_nothing_succeed_stop_all(modules: list[str], subject: str) -> None:
    findings = findings_of(sites(["A01"]), cppipe(*modules))
    assert subject in [finding.subject for finding in findings if finding.stops_all]


def test_createbatchfiles_left_on_is_told_and_stops_nothing() -> None:
    modules = [load_data("Plate", "Well", "Site"), measure(["OrigDNA"]), EXPORT, module("CreateBatchFiles")]
    (finding,) = findings_of(sites(["A01"]), cppipe(*modules))
    assert (finding.subject, finding.severity) == ("CreateBatchFiles", Severity.WARNING)


def test_a_pipeline_that_saves_images_needs_no_tables() -> None:
    assert findings_of(sites(["A01"]), cppipe(load_data("Plate", "Well", "Site"), SAVE)) == []
    (finding,) = findings_of(sites(["A01"]), cppipe(load_data("Plate"), measure(["OrigDNA"]), SAVE))
    assert (finding.subject, finding.severity) == ("ExportToSpreadsheet", Severity.WARNING)


def test_a_channel_that_the_load_data_has_not_is_named_with_its_near_miss() -> None:
    findings = findings_of(sites(["A01"]), cppipe(load_data("Plate"), measure(["OrigDna", "OrigRNA"]), EXPORT))
    assert about(findings, "has not; it has OrigDNA, OrigER, IllumDNA") == [
        "OrigDna (the load data has OrigDNA: case matters)",
        "OrigRNA",
    ]
    assert all(finding.stops_all for finding in findings)


def test_an_image_set_without_a_file_for_a_needed_channel_is_lost_alone() -> None:
    rows = [image_set("P1", "A01", "1"), image_set("P1", "A01", "2", URL_OrigER="")]
    (finding,) = findings_of(rows)
    assert (finding.subject, finding.image_sets) == ("P1-A01-2: OrigER", (1,))
    other = {"groups": groups_of(("P1", "A01", "1"))}
    assert about(findings_of(rows, fields=other), "names no file") == []


def test_duplicates_of_an_image_set_are_named() -> None:
    rows = [*sites(["A01", "A02"]), image_set("P1", "A02", "2")]
    assert about(findings_of(rows), "more than once") == ["P1-A02-2 (2 rows, the others 1)"]


def test_planes_of_a_site_are_no_duplicates() -> None:
    rows = [
        image_set(
            "P1", well, "1", Metadata_PlaneID=plane, URL_OrigDNA=f"{well}{plane}.tif", URL_OrigER=f"e{well}{plane}.tif"
        )
        for well in ("A01", "A02")
        for plane in ("1", "2", "3")
    ]
    assert findings_of(rows) == []


def test_one_file_for_two_channels_is_named_unless_it_is_another_plane() -> None:
    same = image_set("P1", "A01", "1", URL_OrigER="p/images/P1_A01_1_DNA.tif")
    assert about(findings_of([same]), "the same file") == ["P1-A01-1: OrigDNA and OrigER are p/images/P1_A01_1_DNA.tif"]
    assert findings_of([{**same, "Frame_OrigDNA": "0", "Frame_OrigER": "1"}]) == []


def test_one_file_in_two_image_sets_is_named_unless_it_is_an_illumination_function() -> None:
    rows = [image_set("P1", "A01", "1"), image_set("P1", "A01", "2", URL_OrigDNA="p/images/P1_A01_1_DNA.tif")]
    assert about(findings_of(rows), "several image sets") == [
        "OrigDNA of P1-A01-1, P1-A01-2: p/images/P1_A01_1_DNA.tif"
    ]


def test_a_well_that_is_missing_from_an_almost_full_plate_is_named() -> None:
    findings = findings_of(sites([well for well in ALL_384 if well != "P24"]))
    assert about(findings, "no image set of a well") == ["P1 P24 (there are 383 of 384 wells)"]
    assert findings_of(sites(ALL_384[:8])) == []  # imaged in part, on purpose


def test_a_well_with_fewer_sites_than_the_others_is_named() -> None:
    findings = findings_of(sites(["A01", "A02", "A03"], count=3)[:-1])
    assert about(findings, "another number of sites") == ["P1 A03 (2 sites, the others 3)"]


def test_a_well_with_two_names_is_named_and_rows_after_z_are_wells() -> None:
    rows = [image_set("P1", well, "1") for well in ("A1", "A01", "AA01", "AF48", "?7")]
    findings = findings_of(rows)
    assert about(findings, "several names") == ["P1 A1 and A01"]
    assert about(findings, "whose name is none") == ["P1 '?7'"]


def test_a_group_of_several_plates_is_named() -> None:
    rows = [*sites(["A01"], plate="P1"), *sites(["A01"], plate="P2")]
    assert about(findings_of(rows, fields={"group_by": ["Well"]}), "several plates") == ["A01: P1, P2"]
    assert findings_of(rows) == []


def test_values_with_comma_and_equals_sign_are_fine() -> None:
    assert findings_of([image_set("P=1,2", "A01", "1")]) == []


def groups_of(*values: tuple[str, str, str]) -> list[dict[str, str]]:
    names = ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
    return [dict(zip(names, one, strict=True)) for one in values]


def test_a_group_that_matches_nothing_is_explained_key_by_key(pipeline: Pipeline) -> None:
    rows = [*sites(["A01", "A02"], count=9), image_set("P2", "B03", "1")]
    wanted = groups_of(
        ("P1", "A01", "01"),
        ("p1", "A01", "1"),
        ("P1", "A2", "1"),
        ("P1", "B03", "1"),
        ("P1", "C07", "1"),
        ("P1", "A01", "1"),
    )
    table, job = table_of(rows), job_of(groups=wanted)
    selection = choose_selection(job, pipeline, table)
    assert selection is not None
    assert [(miss.group, miss.column, miss.asked, miss.has) for miss in find_near_misses(table, selection)] == [
        ("P1-A01-01", "Metadata_Site", "01", "1"),
        ("p1-A01-1", "Metadata_Plate", "p1", "P1"),
        ("P1-A2-1", "Metadata_Well", "A2", "A02"),
        ("P1-B03-1", "Metadata_Well", "B03", ""),
        ("P1-C07-1", "Metadata_Well", "C07", ""),
    ]
    findings = findings_of(rows, pipeline, {"groups": wanted})
    assert about(findings, "phantom well") == ["P1-B03-1", "P1-C07-1"]
    assert about(findings, "matches no image set") == ["P1-A01-01", "p1-A01-1", "P1-A2-1"]
    assert len(about(findings, "no requested group covers")) == len(rows) - 1
    assert not any(finding.stops_all for finding in findings)


def test_a_number_without_its_zeros_is_the_group_that_cellprofiler_would_make() -> None:
    rows = [image_set("P1", "A01", "01"), image_set("P1", "A01", "02")]
    assert findings_of(rows, fields={"groups": groups_of(("P1", "A01", "1"), ("P1", "A01", "02"))}) == []


def test_a_plate_of_3456_sites_is_checked_in_less_than_a_second() -> None:
    rows = sites(ALL_384, count=9)
    wrong = groups_of(*((row["Metadata_Plate"], row["Metadata_Well"], "0" + row["Metadata_Site"]) for row in rows))
    began = time.process_time()
    assert len(findings_of(rows, PIPELINE, {"groups": wrong})) == 2 * len(rows)
    assert time.process_time() - began < 1
