"""Which image sets are measured together is the request's choice, else the pipeline's, else one by one."""

import pytest

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import RunCellProfiler, parse_job
from cellpainting.planning.grouping import choose_grouping, folder_name
from tests.conftest import measuring
from tests.worker.planning.conftest import pipeline_of, plate_of, table_of

GALLERY = "Metadata_Plate/analysis/Metadata_Plate-Metadata_Well-Metadata_Site"


def job(**fields: object) -> RunCellProfiler:
    return measuring(parse_job({"pipeline": "a.cppipe", "load_data": "l.csv", "output": "o", **fields}))


def test_pipeline_s_own_grouping_is_taken_in_the_gallery_s_order() -> None:
    chosen = choose_grouping(job(), pipeline_of(group_by="Site,Plate,Well"), plate_of(2, 2))
    assert chosen.group_by == ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
    assert chosen.output_structure == GALLERY


def test_illumination_by_plate_has_the_plate_s_folder() -> None:
    chosen = choose_grouping(job(), pipeline_of(group_by="Plate", aggregates=True), plate_of(2, 2))
    assert (chosen.group_by, chosen.output_structure) == (("Metadata_Plate",), "Metadata_Plate")


def test_ungrouped_pipeline_is_measured_image_set_by_image_set() -> None:
    assert choose_grouping(job(), pipeline_of(), plate_of(2, 2)).output_structure == GALLERY


def test_ungrouped_pipeline_that_puts_images_together_stays_whole() -> None:
    assert choose_grouping(job(), pipeline_of(aggregates=True), plate_of(2, 2)).group_by == ()


def test_request_s_grouping_comes_before_the_pipeline_s() -> None:
    asked = job(group_by="Plate,Well", output_structure="Metadata_Well")
    chosen = choose_grouping(asked, pipeline_of(group_by="Plate,Well,Site"), plate_of(2, 2))
    assert (chosen.group_by, chosen.output_structure) == (("Metadata_Plate", "Metadata_Well"), "Metadata_Well")


def test_groups_that_would_divide_an_illumination_function_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="would divide image sets that CorrectIlluminationCalculate puts together"):
        choose_grouping(job(group_by="Plate,Well"), pipeline_of(group_by="Plate", aggregates=True), plate_of(2, 2))


def test_column_that_the_load_data_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(InvalidField, match=r"Metadata_Row.*it has Metadata_Plate, Metadata_Well, Metadata_Site"):
        choose_grouping(job(group_by="Row"), pipeline_of(), table_of([("P", "A01", "1")]))


def test_longer_names_are_replaced_before_those_they_begin_with() -> None:
    values = {"Metadata_Plate": "P1", "Metadata_PlateType": "TARGET2"}
    assert folder_name("Metadata_PlateType/Metadata_Plate_x", values) == "TARGET2/P1_x"


def test_slash_in_a_value_makes_no_folder() -> None:
    assert folder_name("Metadata_Plate/x", {"Metadata_Plate": "P/1\\2"}) == "P_1_2/x"


@pytest.mark.parametrize("value", ["", " ", "..", "a\nb"])
def test_value_that_cannot_name_a_folder_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="folder"):
        folder_name("Metadata_Plate", {"Metadata_Plate": value})


def test_column_in_the_structure_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidField, match="Metadata_Batch is no column"):
        folder_name("Metadata_Batch/Metadata_Plate", {"Metadata_Plate": "P1"})
