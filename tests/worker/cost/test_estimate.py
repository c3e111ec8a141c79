"""What a request will cost is its plan times what its pipeline took before, or a default that says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellpainting.cost.actual import count_run
from cellpainting.cost.estimate import estimate
from cellpainting.cost.prices import shipped_prices
from cellpainting.cost.run_cost import Money
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import RunRecord, parse_job
from tests.conftest import DATA
from tests.worker.cost.recorded_plates import RecordedPlates, Seconds
from tests.worker.staged_run import RUN, StagedRun


@pytest.fixture
def plates(tmp_path: Path) -> RecordedPlates:
    plates = RecordedPlates(tmp_path)
    plates.put("P1", wells=24)
    plates.put("P2", wells=384, sites=9)
    return plates


def measured(plates: RecordedPlates, **fields: Any) -> RunRecord:
    return plates.request(load_data="P2.csv", output="others", **fields)


class TestMeasured:
    def test_a_small_run_tells_what_a_whole_plate_will_take(self, plates: RecordedPlates) -> None:
        plates.do(plates.request(run="small"), Seconds(shard=6, group=20))
        (stage,) = estimate(measured(plates), plates.bucket).stages
        assert (stage.image_sets, stage.shards) == (3456, 288)
        assert stage.seconds == pytest.approx(288 * 6 + 3456 * 20)
        assert stage.vcpu_hours == pytest.approx(stage.seconds / 3600)
        assert stage.source == "measured: 24 image sets of small"
        assert stage.written_bytes == pytest.approx(3456 * 2**20)
        assert [stage.reads, stage.writes] == pytest.approx([288 * 6 + 3456, 288 * 3 + 3456 * 2])

    def test_before_and_after_are_the_same_when_work_takes_as_long_as_it_did(self, plates: RecordedPlates) -> None:
        plates.do(plates.request(run="small", job_vcpu=2), Seconds(shard=6, group=20))
        large = measured(plates, run="large", job_vcpu=4)
        before = estimate(large, plates.bucket)
        plates.do(large, Seconds(shard=6, group=20))
        counted = count_run(plates.bucket, "large")
        assert counted.actual.vcpu_hours == pytest.approx(before.vcpu_hours)
        assert counted.estimated.vcpu_hours == pytest.approx(before.vcpu_hours)
        after, estimated = (Money.of(cost.stages, shipped_prices()) for cost in (counted.actual, before))
        assert vars(after) == pytest.approx(vars(estimated))

    def test_another_text_of_the_pipeline_is_another_pipeline(self, plates: RecordedPlates) -> None:
        plates.do(plates.request(run="small"), Seconds(shard=6, group=20))
        text = plates.bucket.read("analysis.cppipe")
        plates.bucket.write("analysis.cppipe", text + b"\n")
        (stage,) = estimate(measured(plates), plates.bucket).stages
        assert stage.source.startswith("default: ")

    def test_accelerated_runs_do_not_tell_how_long_the_original_takes(self, plates: RecordedPlates) -> None:
        plates.do(plates.request(run="small"), Seconds(shard=6, group=20))
        (stage,) = estimate(measured(plates, accelerate=False), plates.bucket).stages
        assert stage.source.startswith("default: ")

    def test_shards_that_failed_do_not_count_as_quick_ones(self, plates: RecordedPlates) -> None:
        plates.do(plates.request(run="small"), Seconds(shard=6, group=20), failed=1)
        (stage,) = estimate(measured(plates), plates.bucket).stages
        assert stage.source == "measured: 12 image sets of small"
        assert stage.seconds == pytest.approx(288 * 6 + 3456 * 20)

    def test_more_memory_than_a_vcpu_has_is_paid_for(self, plates: RecordedPlates) -> None:
        usual, large = (
            estimate(measured(plates, job_memory=memory), plates.bucket).vcpu_hours for memory in (4096, 16384)
        )
        assert large == pytest.approx(4 * usual)

    def test_vcpus_that_share_a_shard_cost_as_much_as_one_would(self, plates: RecordedPlates) -> None:
        plates.do(plates.request(run="small"), Seconds(shard=0, group=20))
        one, four = (estimate(measured(plates, job_vcpu=vcpus), plates.bucket).vcpu_hours for vcpus in (1, 4))
        assert four == pytest.approx(one)


class TestDefaults:
    @pytest.mark.parametrize(
        ("pipeline", "accelerate", "seconds_each"),
        [
            ("spots_load_data.cppipe", False, 96),
            ("spots_load_data.cppipe", True, 6.5),
            ("illum_load_data.cppipe", True, 1.1),
        ],
    )
    def test_what_a_pipeline_does_and_by_which_means_tells_which_default_it_gets(
        self, plates: RecordedPlates, pipeline: str, accelerate: bool, seconds_each: float
    ) -> None:
        plates.bucket.write("other.cppipe", (DATA / pipeline).read_bytes())
        (stage,) = estimate(plates.request(pipeline="other.cppipe", accelerate=accelerate), plates.bucket).stages
        assert stage.source.startswith("default: the published a549")
        assert (stage.seconds - 5 * stage.shards) / 24 == pytest.approx(seconds_each)

    def test_a_plate_has_a_row_for_each_stage_and_its_backend_takes_the_plate_s_image_sets(
        self, tmp_path: Path
    ) -> None:
        screen = StagedRun(tmp_path, ("P1", "P2"))
        screen.put()
        screen.plan()
        document = json.loads(screen.bucket.read(screen.keys.request))
        cost = estimate(RunRecord.of(parse_job(document), document), screen.bucket)
        chain = ["illumination", "quality_control", "analysis", "backend"]
        assert [(stage.plate, stage.name) for stage in cost.stages] == [
            (p, name) for p in ("P1", "P2") for name in chain
        ]
        assert [stage.image_sets for stage in cost.stages] == [3] * 8
        assert (cost.image_sets, cost.plates) == (6, ("P1", "P2"))
        assert cost.run_id == RUN

    def test_image_sets_that_only_the_worker_can_tell_have_to_be_said(self, plates: RecordedPlates) -> None:
        document = {"pipeline": "analysis.cppipe", "input": "images", "output": "results"}
        plates.bucket.write("analysis.cppipe", (DATA / "spots.cppipe").read_bytes())
        run = RunRecord.of(parse_job(document), document)
        with pytest.raises(InvalidRequest, match="--image-sets"):
            estimate(run, plates.bucket)
        (stage,) = estimate(run, plates.bucket, 96).stages
        assert (stage.image_sets, stage.shards) == (96, 1)

    def test_a_download_is_estimated_by_its_image_sets(self, plates: RecordedPlates) -> None:
        document = {"job_type": "download_images", "load_data": "P2.csv", "output": "images-of-p2"}
        (stage,) = estimate(RunRecord.of(parse_job(document), document), plates.bucket).stages
        assert (stage.image_sets, stage.shards, stage.size.vcpus) == (3456, 3, 2)
