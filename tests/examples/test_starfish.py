"""The drawn experiment holds what its truth says, each time the same, and the checker sees what differs."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cellpainting.jobs import ProcessFovs, parse_message
from cellpainting.starfish.recipe import Form, read_form
from examples.starfish.check_truth import Placed, differences, read_spots
from examples.starfish.make_experiment import DRIFTS, GENES, Drawing, spots_of, write_experiment
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "starfish"
SPOT = Placed("fov_000", "ACTB", 10, 20)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_it_is_the_same_each_time_and_a_field_whatever_else_is_drawn(tmp_path: Path) -> None:
    for name, drawing in (("a", Drawing()), ("b", Drawing()), ("c", Drawing(fields=3, empty=(1,)))):
        write_experiment(tmp_path / name, drawing)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    assert {name for name in a if a[name] != c[name]} == {
        *(name for name in a if "fov_001" in name and _is_of_spots(name)),
        *(
            "primary.json",
            "nuclei.json",
            "dots.json",
            "truth.csv",
            *(name for name in a if name.endswith("fov_001.json")),
        ),
    }


def _is_of_spots(name: str) -> bool:
    """Whether a tile shows a spot: each gene lights one channel per round."""
    if not name.startswith("primary") or not name.endswith(".tiff"):
        return name.endswith(".tiff")
    channel, turn = int(name.split("-c")[1][0]), int(name.split("-r")[1][0])
    return any(channels[turn] == channel for channels in GENES.values())


def test_each_spot_is_bright_in_its_channel_of_every_round_where_the_stage_has_drifted_to(tmp_path: Path) -> None:
    write_experiment(tmp_path, Drawing(fields=1))
    for spot in spots_of(Drawing(), 0):
        for turn, (down, right) in enumerate(DRIFTS):
            values = [
                int(
                    tifffile.imread(tmp_path / f"primary-fov_000-c{channel}-r{turn}-z0.tiff")[
                        spot.place[0] + down, spot.place[1] + right
                    ]
                )
                for channel in range(4)
            ]
            assert int(np.argmax(values)) == GENES[spot.gene][turn]
            assert max(values) > 0.5 * 65535


def test_tiles_have_the_checksums_that_the_experiment_tells(tmp_path: Path) -> None:
    write_experiment(tmp_path, Drawing(fields=1, size_px=64, spots=1))
    known = digests(tmp_path)
    for kind in ("primary", "nuclei", "dots"):
        for tile in json.loads((tmp_path / f"{kind}-fov_000.json").read_text())["tiles"]:
            assert tile["sha256"] == known[tile["file"]]


def test_shipped_request_and_recipe_are_ones_that_are_taken() -> None:
    (run,) = parse_message((EXAMPLE / "request.json").read_text())
    assert isinstance(run.job, ProcessFovs)
    assert read_form((REPOSITORY / run.job.recipe).read_bytes(), run.job.recipe) == Form.FIELD


@pytest.mark.parametrize(
    ("decoded", "told"),
    [
        ([SPOT], []),
        ([Placed("fov_000", "ACTB", 11, 21)], []),
        ([], ["missed: ACTB in fov_000 at x=10, y=20"]),
        ([Placed("fov_000", "HER2", 10, 20)], ["another gene: ACTB in fov_000 at x=10, y=20 was decoded as HER2"]),
        ([SPOT, SPOT], ["never drawn: ACTB in fov_000 at x=10, y=20"]),
        (
            [Placed("fov_001", "ACTB", 10, 20)],
            ["missed: ACTB in fov_000 at x=10, y=20", "never drawn: ACTB in fov_001 at x=10, y=20"],
        ),
    ],
)
def test_checker_names_what_differs(decoded: list[Placed], told: list[str]) -> None:
    assert list(differences([SPOT], decoded)) == told


def test_truth_is_a_table_of_every_spot(tmp_path: Path) -> None:
    write_experiment(tmp_path, Drawing(fields=2, empty=(0,), size_px=128, spots=3))
    with (tmp_path / "truth.csv").open(newline="") as file:
        assert [row["fov"] for row in csv.DictReader(file)] == ["fov_001"] * 3
    assert len(read_spots(tmp_path / "truth.csv")) == 3
