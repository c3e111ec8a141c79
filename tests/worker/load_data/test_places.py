"""Whatever a path of load data looks like, it becomes a key of the bucket, or of a public one, or is refused."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellpainting.errors import InvalidRequest
from cellpainting.load_data.places import Places, locate, locate_all, split_url

IN_S3 = Places.of("s3://screens/", base="plates/input")
IN_A_FOLDER = Places.of("file:///data/my%20bucket", base="plates/input")
NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1, max_size=12
).filter(lambda name: name.strip("."))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("s3://screens/P 1/a.tif", "P 1/a.tif"),
        ("S3://screens/P1/a.tif", "P1/a.tif"),
        ("s3://screens//P1//a.tif", "P1/a.tif"),
        ("s3://screens/P1/100%25.tif", "P1/100%25.tif"),
        ("s3://screens/Measurement+1/a.tif", "Measurement 1/a.tif"),
        ("/home/ubuntu/bucket/projects/p/a.tif", "projects/p/a.tif"),
        ("/home/ubuntu/bucket//projects/./p/a.tif", "projects/p/a.tif"),
        ("/fsx/P1/a+b.tif", "P1/a+b.tif"),
        ("file:///fsx/P%201/a%2Bb.tif", "P 1/a+b.tif"),
        ("file:/fsx/P1/a.tif", "P1/a.tif"),
        ("file://localhost/fsx/P1/a.tif", "P1/a.tif"),
        ("images/a.tif", "plates/input/images/a.tif"),
        ("./a.tif", "plates/input/a.tif"),
        ("images\\s1\\a.tif", "plates/input/images/s1/a.tif"),
        ("t=10:30/a.tif", "plates/input/t=10:30/a.tif"),
        ("s3://cellpainting-gallery/cpg0016-jump/a.tiff", "s3://cellpainting-gallery/cpg0016-jump/a.tiff"),
        ("s3://other/runs/a.tif", "s3://other/runs/a.tif"),
        ("", ""),
    ],
)
def test_a_path_in_any_dialect_is_a_key(text: str, key: str) -> None:
    assert locate(text, IN_S3) == key


@pytest.mark.parametrize(
    "text", ["/data/my bucket/P1/a.tif", "file:///data/my%20bucket/P1/a.tif", "/home/ubuntu/bucket/P1/a.tif"]
)
def test_a_path_below_the_folder_that_stands_for_the_bucket_is_a_key(text: str) -> None:
    assert locate(text, IN_A_FOLDER) == "P1/a.tif"


@pytest.mark.parametrize(
    "text",
    [
        "../secrets/a.tif",
        "/fsx/P1/../../etc/passwd",
        "/fsx/P1\\..\\..\\etc\\passwd",
        "file:///fsx/%2e%2e/etc/passwd",
        "s3://screens/../other/a.tif",
        "s3://other/../screens/a.tif",
        "/fsx/a\n.tif",
        "file:///fsx/a%00.tif",
        "http://example.org/a.tif",
        "https://screens.s3.amazonaws.com/a.tif",
        "omero:iid=7",
        "gs://screens/a.tif",
        "/etc/passwd",
        "/fsxother/a.tif",
        "/data/my bucket2/a.tif",
        "file://server/share/a.tif",
        "C:\\plates\\a.tif",
        "\\\\server\\share\\a.tif",
        "s3://screens",
        "s3://screens/",
        "s3:///a.tif",
        "/fsx/P1/",
        "/fsx/P1/.",
        "/fsx/runs/r1/shards/0.json",
        "s3://screens/runs/r1/a.tif",
    ],
)
def test_a_path_that_is_no_file_of_the_bucket_is_refused_by_its_value_and_remedy(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        locate(text, IN_S3)
    assert repr(text) in str(refused.value)
    assert "path_remap" in str(refused.value)


@pytest.mark.parametrize(
    ("move", "text", "key"),
    [
        (("C:\\plates", "screens/plates"), "C:\\plates\\P1\\a.tif", "screens/plates/P1/a.tif"),
        (("C:/plates/", "screens/plates/"), "file:///C:/plates/P%201/a.tif", "screens/plates/P 1/a.tif"),
        (("\\\\server\\share\\", "screens"), "\\\\server\\share\\P1\\a.tif", "screens/P1/a.tif"),
        (("https://example.org/", ""), "https://example.org/P1/a.tif", "P1/a.tif"),
        (("/data", "/fsx/moved"), "/data/P1/a.tif", "moved/P1/a.tif"),
        (("/data", "s3://gallery/x"), "/data/P1/a+b.tif", "s3://gallery/x/P1/a+b.tif"),
        (("s3://screens/", "s3://screens/"), "s3://screens/a+b.tif", "a+b.tif"),
        (("old", "new"), "old/a.tif", "new/a.tif"),
        (("../images", "plates/images"), "../images/a.tif", "plates/images/a.tif"),
    ],
)
def test_a_moved_folder_is_read_where_it_is_now(move: tuple[str, str], text: str, key: str) -> None:
    assert locate(text, Places.of("s3://screens/", remap=[move], base="input")) == key


def test_the_longest_moved_folder_wins() -> None:
    places = Places.of("s3://screens/", remap=[("/data", "a"), ("/data/P1", "b"), ("/", "c")])
    assert [locate(f"{folder}/x.tif", places) for folder in ("/data/P1", "/data/P2", "/else")] == [
        "b/x.tif",
        "a/P2/x.tif",
        "c/else/x.tif",
    ]


def test_a_moved_folder_is_not_the_beginning_of_another_name() -> None:
    with pytest.raises(InvalidRequest, match="path_remap"):
        locate("/database/a.tif", Places.of("s3://screens/", remap=[("/data", "a")]))


@pytest.mark.parametrize("moved_to", ["/etc", "../..", "runs"])
def test_a_moved_folder_does_not_lead_out_of_the_bucket_either(moved_to: str) -> None:
    with pytest.raises(InvalidRequest):
        locate("/data/a.tif", Places.of("s3://screens/", remap=[("/data", moved_to)]))


@pytest.mark.parametrize("base", ["/home/ubuntu/bucket/plates/", "s3://screens/plates", "plates/"])
def test_relative_paths_start_at_a_base_of_any_dialect(base: str) -> None:
    assert locate("a.tif", Places.of("s3://screens/", base=base)) == "plates/a.tif"


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_every_dialect_of_one_key_leads_to_it(parts: list[str]) -> None:
    key = "/".join(["plates", *parts])
    dialects = [f"/fsx/{key}", f"/home/ubuntu/bucket/{key}", "file:///fsx/" + quote(key)]
    assert {locate(text, IN_S3) for text in dialects} == {key}


@given(st.text(st.sampled_from("ab./\\:%2e+C \0s3:fxile"), max_size=30))
def test_what_is_not_refused_is_a_key_within_the_bucket_or_in_another(text: str) -> None:
    try:
        place = locate(text, IN_S3)
    except InvalidRequest:
        return
    assert not place.startswith(("/", "runs/"))
    assert ".." not in place.split("/")


@given(
    st.lists(st.tuples(st.sampled_from(["/fsx/P1", "/fsx/P1/", "s3://screens/P+1", "", "s1"]), NAMES)),
    st.sampled_from([(), (("/fsx/P1", "moved"),)]),
)
def test_many_files_are_where_each_of_them_is(files: list[tuple[str, str]], remap: tuple[tuple[str, str], ...]) -> None:
    places = Places.of("s3://screens/", remap=remap, base="input")
    texts = [f"{folder}/{name}" if folder else name for folder, name in files]
    one_by_one = [locate(text, places) for text in texts]
    assert locate_all([folder for folder, _ in files], [name for _, name in files], places) == one_by_one


@pytest.mark.parametrize("folder", ["/fsx/P1", "/fsx/P1/"])
def test_a_folder_may_end_with_a_slash(folder: str) -> None:
    assert locate_all([folder], ["a.tif"], IN_S3) == ["P1/a.tif"]


def test_a_file_without_name_has_no_location() -> None:
    assert locate_all(["/fsx/P1"], [""], IN_S3) == [""]


def test_an_absolute_name_stands_for_itself_as_in_loaddata() -> None:
    assert locate_all(["/fsx/P1"], ["/fsx/P2/a.tif"], IN_S3) == ["P2/a.tif"]


def test_the_url_of_a_folder_is_refused_among_many() -> None:
    folder, name = split_url("s3://screens/P1/")
    with pytest.raises(InvalidRequest, match="names a folder"):
        locate_all([folder], [name], IN_S3)
