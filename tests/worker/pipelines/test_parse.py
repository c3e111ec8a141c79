"""The text of a pipeline is read as CellProfiler reads it, and what is none is refused with the remedy."""

from pathlib import Path

import pytest

from cellpainting.errors import InvalidRequest
from cellpainting.pipelines import parse_pipeline
from tests.worker.pipelines.text import EXPORT, cppipe, load_data, measure, module

SPOTS_PIPELINE = Path(__file__).resolve().parents[2] / "data" / "spots.cppipe"


def test_modules_have_number_name_and_settings_in_order() -> None:
    pipeline = parse_pipeline(SPOTS_PIPELINE.read_bytes(), "spots.cppipe")
    assert [module.name for module in pipeline.modules] == [
        "Images",
        "Metadata",
        "NamesAndTypes",
        "Groups",
        "CorrectIlluminationApply",
        "IdentifyPrimaryObjects",
        "ExportToSpreadsheet",
    ]
    assert [module.number for module in pipeline.modules] == [1, 2, 3, 4, 5, 6, 7]
    assert pipeline.modules[4].settings[0] == ("Select the input image", "DNA")


def test_a_disabled_module_is_none_of_the_enabled_whatever_its_notes_say() -> None:
    pipeline = parse_pipeline(cppipe(module("CreateBatchFiles", enabled=False), EXPORT), "p.cppipe")
    assert not pipeline.writes_batch_files
    assert pipeline.exports_tables
    assert [module.enabled for module in pipeline.modules] == [False, True]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\xff\xfeD\x00N\x00A\x00", "DNA"),
        (r"Default Input Folder\x7C", "Default Input Folder|"),
        (r"Elsewhere...|C:\users\x", r"Elsewhere...|C:\users\x"),
        (r"\\\\g<Plate>_\\\\g<Well>", r"\g<Plate>_\g<Well>"),
        (r"Default Output Folder sub-folder\x7C\\\\g<Plate>", r"Default Output Folder sub-folder|\g<Plate>"),
        ("Zellkern\u00e4hnlich", "Zellkern\u00e4hnlich"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_escapes_of_all_versions_are_undone(written: str, meant: str) -> None:
    pipeline = parse_pipeline(cppipe(module("Resize", ("Select the input image", written))), "p.cppipe")
    assert pipeline.modules[0].settings == (("Select the input image", meant),)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_taken(line_end: str) -> None:
    content = cppipe(load_data("Plate"), measure(["DNA"])).replace(b"\n", line_end.encode())
    assert len(parse_pipeline(content, "p.cppipe").modules) == 2


def test_text_that_is_not_utf_8_is_read_as_latin_1() -> None:
    content = cppipe(module("Resize", ("Name the output image", "Gr\u00f6\u00dfe"))).decode().encode("latin-1")
    assert parse_pipeline(content, "p.cppipe").modules[0].value("Name the output image") == "Gr\u00f6\u00dfe"


def test_a_list_of_images_after_the_modules_is_no_module() -> None:
    content = cppipe(EXPORT, details=True) + b'\n"Version":"1","PlaneCount":"1"\n"file:///a.tif"\n'
    assert len(parse_pipeline(content, "p.cppipe").modules) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(100), r"p\.cpproj.*HDF5.*Export > Pipeline"),
        (b"%PDF-1.4", r"not a CellProfiler pipeline.*%PDF"),
        (b"", "not a CellProfiler pipeline"),
        (cppipe(), "has no modules"),
        (cppipe(EXPORT, EXPORT, count=3), "says that it has 3 modules and has 2"),
        (cppipe(EXPORT, EXPORT, count=1), "says that it has 1 modules and has 2"),
        (cppipe(load_data("Plate"), count=1)[:-150], "where a module begins|among the settings"),
        (cppipe(EXPORT).replace(b"Version:5", b"Version:7"), "pipeline format 7"),
    ],
)
def test_what_is_no_whole_pipeline_is_refused_by_name(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_pipeline(content, "p.cpproj")
