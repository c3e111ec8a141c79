"""The small analysis in tests/data is what its script writes."""

from pathlib import Path

from tests.peers.make_analysis_csv import FOLDER, write_sites


def files(folder: Path) -> dict[str, bytes]:
    """The content of each file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_in_the_repository_are_those_that_the_script_writes(tmp_path: Path) -> None:
    write_sites(tmp_path)
    assert files(FOLDER) == files(tmp_path)


def test_they_are_small_and_their_lines_end_as_those_of_cellprofiler() -> None:
    contents = files(FOLDER).values()
    assert sum(map(len, contents)) < 60_000
    assert all(content.count(b"\n") == content.count(b"\r\n") for content in contents)
