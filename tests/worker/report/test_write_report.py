"""`cpb report` writes one file for a plate, and for several one above them with links."""

import re
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from cellpainting.cli.report import report
from cellpainting.errors import InvalidRequest
from tests.worker.backend.plates import s3_bucket, s3_environment, uploaded
from tests.worker.profiled_plates import BATCH
from tests.worker.report.workspaces import RUN, Workspace


def cpb_report(*arguments: object) -> Result:
    return CliRunner().invoke(report, [str(one) for one in arguments], standalone_mode=False)


def test_a_plate_is_one_file_that_asks_for_nothing(workspace: Workspace, tmp_path: Path) -> None:
    page = tmp_path / "new" / "P1.html"
    ended = cpb_report(workspace.root / f"backend/{BATCH}/P1", RUN, "--bucket", workspace.root / "bucket", "-o", page)
    assert ended.return_value == 0
    assert ended.output.splitlines()[-1] == f"look at it: {page}"
    text = page.read_text()
    assert [path.name for path in page.parent.iterdir()] == ["P1.html"]
    assert not re.search(r"(src|href)=[\"']?https?:", text)


def test_several_plates_have_a_page_each_and_one_above_them_with_links(workspace: Workspace, tmp_path: Path) -> None:
    page = tmp_path / "all of it.html"
    ended = cpb_report(workspace.root / "backend", "-o", page)
    assert ended.return_value == 0
    assert re.search(r"2 plates: (good|look|bad)", ended.output)
    names = sorted(path.name for path in (tmp_path / "all of it_plates").iterdir())
    assert names == [f"{BATCH}_P1.html", f"{BATCH}_P2.html"]
    assert f"all%20of%20it_plates/{BATCH}_P1.html" in page.read_text()
    assert "../all%20of%20it.html" in (tmp_path / "all of it_plates" / names[0]).read_text()


def test_a_workspace_in_a_bucket_gives_the_page_that_one_in_a_folder_does(
    workspace: Workspace, tmp_path: Path, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3_bucket(moto_url, f"b-{uuid4().hex}")
    for name in ("backend", "profiles", "quality_control"):
        uploaded(workspace.root / name, bucket, f"w/{name}")
    for name, value in s3_environment(moto_url).items():
        monkeypatch.setenv(name, value)
    there = cpb_report(f"s3://{bucket.bucket}/w/backend/{BATCH}/P1", "-o", tmp_path / "there.html")
    here = cpb_report(workspace.root / f"backend/{BATCH}/P1", "-o", tmp_path / "here.html")
    assert (there.return_value, here.return_value) == (0, 0)
    assert (tmp_path / "there.html").read_text() == (tmp_path / "here.html").read_text()


@pytest.mark.parametrize("name", ["P1_normalized_negcon", "P1_augmented", "P1_normalized_feature_select_batch"])
def test_one_plate_of_several_that_cannot_be_read_has_a_page_that_says_so(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    shutil.copytree(workspace.root, tmp_path / "w")
    damaged = tmp_path / "w" / f"profiles/{BATCH}/P1/{name}.parquet"
    damaged.write_bytes(b"")
    ended = cpb_report(tmp_path / "w" / "backend", "-o", tmp_path / "all.html")
    assert ended.return_value == 1
    assert "not shown: " in ended.output
    assert f"{name}.parquet cannot be read" in ended.output
    assert f"{name}.parquet cannot be read" in (tmp_path / f"all_plates/{BATCH}_P1.html").read_text()
    assert "cannot be read" not in (tmp_path / f"all_plates/{BATCH}_P2.html").read_text()
    assert "P1: bad" in ended.output


def test_features_are_named_with_commas_between_them(workspace: Workspace, tmp_path: Path) -> None:
    feature = "Cytoplasm_AreaShape_Eccentricity"
    ended = cpb_report(workspace.root / f"profiles/{BATCH}/P1", "-o", tmp_path / "p.html", "--features", feature)
    assert ended.return_value == 0
    assert feature in (tmp_path / "p.html").read_text()


def test_a_target_that_is_nothing_is_an_invalid_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BUCKET", raising=False)
    ended = cpb_report("nothing", "-o", tmp_path / "p.html")
    assert isinstance(ended.exception, InvalidRequest)
    assert not (tmp_path / "p.html").exists()
