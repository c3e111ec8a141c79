"""What SaveImages writes is told from its settings; where they do not tell it, the setting is named."""

import re

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.pipelines import Module
from cellpainting.pipelines.saved_images import SavedImage, saved_image

SETTINGS = {
    "Select the type of image to save": "Image",
    "Select the image to save": "UpsampledIllumDNA",
    "Select method for constructing file names": "Single name",
    "Enter single file name": r"\g<Plate>_IllumDNA",
    "Append a suffix to the image file name?": "No",
    "Text to append to the image name": "",
    "Saved file format": "npy",
    "Output file location": "Default Output Folder|",
    "Overwrite existing files without warning?": "No",
    "When to save": "Last cycle",
    "Create subfolders in the output folder?": "No",
}


def module(**changed: str) -> Module:
    """A module that saves a function; `format="tiff"` changes the setting with that word in its label."""
    settings = dict(SETTINGS)
    for word, value in changed.items():
        (label,) = [label for label in settings if word in label]
        settings[label] = value
    return Module(26, "SaveImages", True, tuple(settings.items()))


def test_a_single_name_is_the_file_whatever_the_suffix() -> None:
    function = SavedImage("UpsampledIllumDNA", r"\g<Plate>_IllumDNA", "npy")
    assert saved_image(module()) == function
    assert saved_image(module(Append="Yes", Text="_x")) == function


@pytest.mark.parametrize(
    ("written", "extension"),
    [("npy", "npy"), ("tiff", "tiff"), ("png", "png"), ("jpeg", "jpeg"), ("tif", "tiff"), ("jpg", "jpeg")],
)
def test_the_extension_is_the_format_as_cellprofiler_4_calls_it(written: str, extension: str) -> None:
    assert saved_image(module(format=written)).extension == extension


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("Default Output Folder", ""),
        ("Default Output Folder|left behind", ""),
        ("Default Output Folder sub-folder", ""),
        (r"Default Output Folder sub-folder|illum/\g<Plate>", r"illum/\g<Plate>"),
    ],
)
def test_only_a_sub_folder_s_name_counts(location: str, folder: str) -> None:
    assert saved_image(module(location=location)).folder == folder


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("type", "Mask"),
        ("type", "Movie/Stack"),
        ("method", "From image filename"),
        ("method", "Sequential numbers"),
        ("single", ""),
        ("format", "mat"),
        ("format", "h5"),
        ("location", "Elsewhere...|/data"),
        ("location", "Same folder as image|"),
        ("location", "Default Input Folder|"),
        ("subfolders", "Yes"),
    ],
)
def test_what_does_not_tell_the_file_is_refused_by_module_setting_and_value(word: str, value: str) -> None:
    (label,) = [label for label in SETTINGS if word in label]
    with pytest.raises(InvalidRequest, match=re.escape("module 26 (SaveImages) saves 'UpsampledIllumDNA' with")) as no:
        saved_image(module(**{word: value}))
    assert f"{label!r} set to {value!r}" in str(no.value)
    assert "give load data" in str(no.value)


def test_saving_each_cycle_without_overwriting_fails_at_the_second_one_and_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="fails at the second image set"):
        saved_image(module(When="Every cycle"))
    assert saved_image(module(When="Every cycle", Overwrite="Yes")) == saved_image(module())


def test_files_of_older_versions_need_not_have_all_settings() -> None:
    settings = tuple(pair for pair in SETTINGS.items() if "subfolders" not in pair[0])
    assert saved_image(Module(26, "SaveImages", True, settings)) == saved_image(module())
