"""What a job prints in a container, JSON for CloudWatch Logs; on a laptop, and in the bucket, it is text as ever."""

import json
import os
import subprocess
from typing import Any

import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.job_output import message_of
from tests.conftest import Plate, write_site
from tests.embedded_metrics import dimensions, figures

WELLS = [("P1", well, "1") for well in ("A01", "A02", "A03")]


def run_in_container(uri: str, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`cpb run` with the variable that job definitions set."""
    return subprocess.run(
        ["cpb", "run", "--request", uri, *options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "CPB_LOG_FORMAT": "json", **variables},
    )


def documents(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, cellprofiler: CellProfiler) -> tuple[Plate, list[str]]:
    """A shard of three wells: one is measured, one is empty and one cannot be measured; and the lines of its output."""
    root = tmp_path_factory.mktemp("bucket")
    for well in ("A01", "A02", "A03"):
        write_site(root / "plate" / "images", well, spots=well != "A03", illum_size=32 if well == "A02" else 64)
    plate = Plate(root, {}).with_load_data(WELLS)
    ended = run_in_container(plate.write_request(), CELLPROFILER=str(cellprofiler.command))
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr == ""
    return plate, ended.stdout.splitlines()


@pytest.mark.cellprofiler
class TestLines:
    def test_each_is_an_object_with_time_level_run_shard_and_plate(self, printed: tuple[Plate, list[str]]) -> None:
        plate, lines = printed
        for line in documents("\n".join(lines)):
            assert line["time"].endswith("Z")
            assert line["level"] in ("INFO", "WARNING", "ERROR")
            assert (line["run"], line["shard"], line["plate"]) == (plate.record.run_id, 0, "P1")

    def test_image_sets_are_told_with_well_and_site(self, printed: tuple[Plate, list[str]]) -> None:
        about = [line for line in documents("\n".join(printed[1])) if "well" in line]
        measured = [line for line in about if " measured in " in line["message"]]
        assert [(line["well"], line["site"], line["level"]) for line in measured] == [
            ("A01", "1", "INFO"),
            ("A03", "1", "INFO"),
        ]
        (left,) = [line for line in about if line["message"].startswith("cpb: not done: ")]
        assert (left["well"], left["level"]) == ("A02", "ERROR")

    def test_cellprofiler_s_own_are_wrapped(self, printed: tuple[Plate, list[str]]) -> None:
        messages = [line.get("message", "") for line in documents("\n".join(printed[1]))]
        assert [message for message in messages if "module IdentifyPrimaryObjects" in message]

    def test_the_log_in_the_bucket_is_text(self, printed: tuple[Plate, list[str]]) -> None:
        plate, lines = printed
        log = (plate.root / plate.record.keys.log(0)).read_text().splitlines()
        shown = [message for line in lines if (message := message_of(line)) is not None]
        assert log == shown[: len(log)]
        assert not [line for line in log if line.startswith("{")]


@pytest.mark.cellprofiler
class TestFigures:
    def test_image_sets_time_price_and_memory_are_told_by_job_type_only(self, printed: tuple[Plate, list[str]]) -> None:
        plate, lines = printed
        (told,) = figures(lines)
        assert (told["ImageSetsDone"], told["ImageSetsNoCells"], told["ImageSetsFailed"]) == (1, 1, 1)
        assert told["PeakMemoryMiB"] > 100
        seconds = json.loads((plate.root / plate.record.keys.shard(0)).read_text())["seconds"]
        assert seconds <= told["VcpuSeconds"] < seconds + 10
        assert 0 < told["EstimatedUsd"] < 0.01
        assert told["JobType"] == "run_cellprofiler"
        assert told["pipeline"] == "plate/spots_load_data.cppipe"
        sets = dimensions(told)
        assert sets.pop("ImageSetsFailed") == [["JobType"], []]
        assert set(map(str, sets.values())) == {"[['JobType']]"}

    def test_what_was_done_before_is_not_counted_again(
        self, printed: tuple[Plate, list[str]], cellprofiler: CellProfiler
    ) -> None:
        plate, _ = printed
        write_site(plate.images, "A02")
        ended = run_in_container(plate.write_request(), CELLPROFILER=str(cellprofiler.command))
        assert ended.returncode == 0, ended.stderr
        (told,) = figures(ended.stdout.splitlines())
        assert (told["ImageSetsDone"], told["ImageSetsNoCells"], told["ImageSetsFailed"]) == (1, 0, 0)

    def test_image_sets_of_a_shard_that_cannot_begin_have_failed(
        self, plate: Plate, cellprofiler: CellProfiler
    ) -> None:
        plate = plate.with_load_data(WELLS)
        uri = plate.write_request()
        (plate.root / "plate" / "spots_load_data.cppipe").unlink()
        ended = run_in_container(uri, CELLPROFILER=str(cellprofiler.command))
        assert ended.returncode == 1
        (told,) = figures(ended.stdout.splitlines())
        assert (told["ImageSetsDone"], told["ImageSetsFailed"]) == (0, 3)

    def test_people_are_not_shown_any(self, plate: Plate, cellprofiler: CellProfiler) -> None:
        uri = plate.with_load_data(WELLS).write_request()
        ended = run_in_container(uri, CPB_LOG_FORMAT="", CELLPROFILER=str(cellprofiler.command))
        assert ended.returncode == 0
        assert "cpb: shard 0 of run" in ended.stdout
        assert "_aws" not in ended.stdout


class TestErrors:
    def test_one_of_ours_is_an_object_that_names_the_run(self, plate: Plate, tmp_path: Any) -> None:
        ended = run_in_container(plate.write_request(), "--shard", "7", CELLPROFILER=str(tmp_path))
        assert ended.returncode == 2
        (line,) = documents(ended.stderr)
        assert (line["level"], line["run"]) == ("ERROR", plate.record.run_id)
        assert "has no plan for shard 7" in line["message"]

    def test_a_surprise_is_one_object_with_its_whole_traceback(self, plate: Plate) -> None:
        uri = plate.write_request()
        plate.bucket.write(plate.record.keys.shard_plan(0), b"[]")
        ended = run_in_container(uri)
        assert ended.returncode == 1
        (line,) = documents(ended.stderr)
        assert line["level"] == "ERROR"
        assert line["message"].startswith("Traceback")
        assert line["message"].splitlines()[-1].startswith("TypeError")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "INFO", "message": "cpb: done"}', "cpb: done"),
        ('{"_aws": {}, "ImageSetsDone": 1}', None),
        (
            '{"level": "INFO", "run": "r1", "outcome": "submitted"}',
            '{"level": "INFO", "run": "r1", "outcome": "submitted"}',
        ),
        ("{not JSON", "{not JSON"),
        ("cpb: done", "cpb: done"),
    ],
)
def test_a_person_sees_the_message_of_a_line(line: str, shown: str | None) -> None:
    assert message_of(line) == shown
