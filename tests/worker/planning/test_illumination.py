"""Illumination functions are told before they are made, or found where they are, and named by the load data."""

from pathlib import Path

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.load_data import Column, LoadData, ValueType
from cellpainting.pipelines import Pipeline, parse_pipeline
from cellpainting.planning.illumination import functions_found, functions_made, functions_needed, with_illumination
from cellpainting.storage import FolderStorage
from tests.worker.pipelines.text import cppipe, load_data, measure, module
from tests.worker.planning.conftest import table_of

NUMBERS = table_of([("0042", "A01", "1"), ("0042", "A02", "1")])
TEXTS = table_of([("BR 1", "A01", "1"), ("BR 1", "A02", "1")])


def saving(image: str, name: str, *, number: int = 1, method: str = "Single name", folder: str = "") -> str:
    """A module that saves a function, below `folder` if there is one."""
    location = f"Default Output Folder sub-folder|{folder}" if folder else "Default Output Folder|"
    return module(
        "SaveImages",
        ("Select the type of image to save", "Image"),
        ("Select the image to save", image),
        ("Select method for constructing file names", method),
        ("Enter single file name", name),
        ("Saved file format", "npy"),
        ("Output file location", location),
        ("When to save", "Last cycle"),
        number=number,
    )


def pipeline_of(*modules: str) -> Pipeline:
    return parse_pipeline(cppipe(load_data("Plate"), *modules), "illum.cppipe")


def made(saved: str, table: LoadData = TEXTS, name: str = "IllumDNA", folder: str = "illum/P1/") -> str:
    """The key of the one function of a pipeline that saves this."""
    return functions_made(pipeline_of(saved), [name], table, folder)[name]


def test_needed_are_the_images_that_the_load_data_has_not() -> None:
    analysis = parse_pipeline(cppipe(load_data(), measure(["OrigDNA", "IllumDNA", "IllumER"])), "analysis.cppipe")
    assert functions_needed(analysis, TEXTS) == ("IllumDNA", "IllumER")
    assert functions_needed(analysis, with_illumination(TEXTS, {"IllumER": "er.npy"})) == ("IllumDNA",)
    labels = LoadData((*TEXTS.columns, Column("ObjectsURL_IllumER", ValueType.TEXT)), ())
    assert functions_needed(analysis, labels) == ("IllumDNA",)


def test_a_function_is_known_by_its_file_s_name_whatever_the_image_is_called() -> None:
    assert made(saving("UpsampledIllumDNA", r"\g<Plate>_IllumDNA")) == "illum/P1/BR 1_IllumDNA.npy"
    assert made(saving("Upsampled", "IllumDNA")) == "illum/P1/IllumDNA.npy"
    assert made(saving("UpsampledIllumBFLow", "x_IllumBF_L"), name="IllumBF_L") == "illum/P1/x_IllumBF_L.npy"


def test_a_function_is_known_by_its_image_if_no_file_has_its_name() -> None:
    small, large = saving("IllumDNA", r"\g<Plate>DNA"), saving("UpsampledIllumDNA", r"\g<Plate>_IllumDNA")
    assert made(small) == "illum/P1/BR 1DNA.npy"
    assert functions_made(pipeline_of(small, large), ["IllumDNA"], TEXTS, "") == {"IllumDNA": "BR 1_IllumDNA.npy"}


def test_a_number_is_in_a_file_s_name_as_cellprofiler_writes_it() -> None:
    assert made(saving("IllumDNA", r"\g<Plate>_IllumDNA"), NUMBERS) == "illum/P1/42_IllumDNA.npy"


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        ("functions", "illum/P1/functions/BR 1.npy"),
        (r"\g<Plate>/./x/", "illum/P1/BR 1/x/BR 1.npy"),
        (".", "illum/P1/BR 1.npy"),
        ("a/../b", "illum/P1/b/BR 1.npy"),
    ],
)
def test_sub_folders_lie_below_the_group_s_folder(folder: str, key: str) -> None:
    assert made(saving("IllumDNA", r"\g<Plate>", folder=folder)) == key


@pytest.mark.parametrize(
    ("name", "folder"),
    [("a/IllumDNA", ""), ("IllumDNA", "../up"), ("IllumDNA", "/data"), (r"a\\b_IllumDNA", "")],
)
def test_a_file_that_would_lie_elsewhere_is_refused(name: str, folder: str) -> None:
    with pytest.raises(InvalidRequest, match=r"module 26 \(SaveImages\).*'Output file location' only"):
        made(saving("IllumDNA", name, folder=folder, number=26))


def test_tags_that_differ_within_the_group_or_have_no_column_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'Well' has 2 values in one group, A01, A02"):
        made(saving("IllumDNA", r"\g<Well>_IllumDNA"))
    with pytest.raises(InvalidRequest, match="the tag 'Batch', the load data has Metadata_Plate, Metadata_Well"):
        made(saving("IllumDNA", r"\g<Batch>_IllumDNA"))


def test_only_the_functions_asked_for_need_settings_that_tell_their_files() -> None:
    each = saving("CorrDNA", "", method="From image filename")
    function = saving("IllumDNA", "IllumDNA")
    assert functions_made(pipeline_of(each, function), ["IllumDNA"], TEXTS, "") == {"IllumDNA": "IllumDNA.npy"}
    with pytest.raises(InvalidRequest, match="'From image filename'"):
        functions_made(pipeline_of(each, function), ["CorrDNA"], TEXTS, "")


def test_functions_that_are_not_made_are_refused_with_those_that_are() -> None:
    illumination = pipeline_of(saving("UpsampledIllumDNA", r"\g<Plate>_IllumDNA"))
    with pytest.raises(InvalidRequest, match=r"needs ER, RNA, .*saves UpsampledIllumDNA as \\g<Plate>_IllumDNA;"):
        functions_made(illumination, ["ER", "IllumDNA", "RNA"], TEXTS, "")


def test_a_function_that_is_saved_twice_is_refused() -> None:
    twice = pipeline_of(saving("A", "a_IllumDNA", number=3), saving("B", "b_IllumDNA", number=7))
    with pytest.raises(InvalidRequest, match=r"modules 3, 7 .* all save 'IllumDNA'"):
        functions_made(twice, ["IllumDNA"], TEXTS, "")


def bucket_of(folder: Path, *keys: str) -> FolderStorage:
    storage = FolderStorage(folder)
    for key in keys:
        storage.write(key, b"")
    return storage


def test_functions_are_found_in_the_plate_s_folder(tmp_path: Path) -> None:
    keys = (
        "illum/P1/P1_IllumDNA.npy",
        "illum/P1/x/IllumER.TIFF",
        "illum/P1/log_IllumER.txt",
        "illum/P2/P2_IllumER.npy",
    )
    found = functions_found(bucket_of(tmp_path, *keys), "illum/", "P1", ["IllumER", "IllumDNA"])
    assert found == {"IllumER": "illum/P1/x/IllumER.TIFF", "IllumDNA": "illum/P1/P1_IllumDNA.npy"}


def test_functions_are_found_in_a_folder_of_several_plates(tmp_path: Path) -> None:
    keys = ("illum/P1_IllumDNA.npy", "illum/P2_IllumDNA.npy", "illum/IllumER.mat", "illum/old/IllumER.npy")
    found = functions_found(bucket_of(tmp_path, *keys), "illum", "P1", ["IllumDNA", "IllumER"])
    assert found == {"IllumDNA": "illum/P1_IllumDNA.npy", "IllumER": "illum/IllumER.mat"}


def test_a_function_of_another_plate_is_none_of_this_one(tmp_path: Path) -> None:
    storage = bucket_of(tmp_path, "illum/P2_IllumDNA.npy", "illum/P3/P3_IllumDNA.npy")
    with pytest.raises(InvalidRequest, match=r"'IllumDNA' of plate 'P1': got 0 files below 'illum', illum/P2_Ill"):
        functions_found(storage, "illum", "P1", ["IllumDNA"])


def test_two_files_for_one_function_are_refused_by_name(tmp_path: Path) -> None:
    storage = bucket_of(tmp_path, "illum/P1/a_IllumDNA.npy", "illum/P1/a_IllumDNA.mat", "illum/P1/a_IllumER.mat")
    with pytest.raises(InvalidRequest, match=r"got 2 files.* illum/P1/a_IllumDNA.mat, illum/P1/a_IllumDNA.npy;"):
        functions_found(storage, "illum", "P1", ["IllumDNA"])


def test_functions_at_the_top_of_the_bucket_are_found(tmp_path: Path) -> None:
    assert functions_found(bucket_of(tmp_path, "P1_IllumDNA.npy"), "", "P1", ["IllumDNA"]) == {
        "IllumDNA": "P1_IllumDNA.npy"
    }


def test_functions_become_columns_and_replace_those_of_the_same_name() -> None:
    old = with_illumination(TEXTS, {"IllumDNA": "old.npy"})
    new = with_illumination(old, {"IllumDNA": "new.npy", "IllumER": "er.npy"})
    assert [column.name for column in new.columns][-2:] == ["URL_IllumDNA", "URL_IllumER"]
    assert len(new.columns) == len(TEXTS.columns) + 2
    assert {row[-2:] for row in new.rows} == {("new.npy", "er.npy")}
    assert [row[:-2] for row in new.rows] == list(TEXTS.rows)
