"""A plate of whole real sites from images to the page: one message to a local cloud.

With `-s` it prints what each stage took.
"""

import csv
import json
import os
import resource
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.jobs.run_record import RunKeys
from cellpainting.jobs.stage import stage_run_id
from cellpainting.ledger import Manifest, read_ledger
from cellpainting.storage import FolderStorage
from tests.conftest import REPOSITORY
from tests.real_plate.make_plate import CHANNELS, PLATE, REAL_DATA, SITES
from tests.real_plate.make_whole_plate import BATCH, IN_BUCKET, REQUEST, RUN, WHOLE_WELLS, write_whole_plate

pytestmark = [
    pytest.mark.plate,
    pytest.mark.cellprofiler,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"{REAL_DATA} is not here: real images and published pipelines"),
]
STAGES = ("illumination", "analysis", "backend", "profiles", "report")  # each follows the one before
IMAGE_SETS = [(well, site) for well in WHOLE_WELLS for site in SITES]
Row = Mapping[str, str]


@dataclass(frozen=True)
class Processed:
    """The bucket after the message was done, on disk."""

    bucket: Path

    @property
    def backend(self) -> Path:
        return self.bucket / "workspace" / "backend" / BATCH / PLATE

    @property
    def profiles(self) -> Path:
        return self.bucket / "workspace" / "profiles" / BATCH / PLATE

    @property
    def page(self) -> Path:
        return self.bucket / "workspace" / "reports" / BATCH / f"{PLATE}.html"

    def manifests(self, stage: str) -> dict[Path, Manifest]:
        """The manifests of a stage's shards, by the file of each."""
        folder = self.bucket / RunKeys(stage_run_id(RUN, PLATE, stage)).shards
        return {path: Manifest.from_json(path.read_bytes()) for path in sorted(folder.iterdir())}

    def span(self, stage: str) -> tuple[float, float]:
        """When the first shard of a stage began and the last one ended: a manifest is written last, and has the time
        that all before it took.
        """
        ends = {path.stat().st_mtime: manifest.seconds for path, manifest in self.manifests(stage).items()}
        return min(end - seconds for end, seconds in ends.items()), max(ends)

    @cached_property
    def tables(self) -> dict[str, list[Row]]:
        """The rows of all CSVs of the analysis, by the name of the file."""
        tables: dict[str, list[Row]] = {}
        for path in sorted((self.bucket / "workspace" / "analysis" / BATCH).rglob("*.csv")):
            with path.open(newline="") as file:
                tables.setdefault(path.name, []).extend(csv.DictReader(file))
        return tables


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, cellprofiler: CellProfiler) -> Iterator[Processed]:
    """The plate, processed by one command."""
    folder = tmp_path_factory.mktemp("whole")
    write_whole_plate(folder / "plate")
    (folder / "request.json").write_text(json.dumps(REQUEST))
    command = ["cpb", "local", "run", str(folder / "request.json")]
    command += ["--upload", f"{folder / 'plate'}={IN_BUCKET}", "--data", str(folder / "data")]
    environment = {**os.environ, "CELLPROFILER": str(cellprofiler.command)}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=REPOSITORY)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    made = Processed(folder / "data" / "bucket")
    yield made
    _print_figures(made)


def _print_figures(processed: Processed) -> None:
    print(f"\n{processed.page}\nstage | shards | wall s | s of all shards | peak memory, MiB")
    for stage in STAGES:
        manifests, (start, end) = processed.manifests(stage).values(), processed.span(stage)
        seconds, memory = sum(one.seconds for one in manifests), max(one.peak_memory_mib for one in manifests)
        print(f"{stage} | {len(manifests)} | {end - start:.1f} | {seconds:.1f} | {memory:.0f}")
    print(f"all | | {processed.span(STAGES[-1])[1] - processed.span(STAGES[0])[0]:.1f} | |")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time, the local cloud included: {used.ru_utime + used.ru_stime:.0f} s")


def test_ledger_is_complete_and_so_is_every_stage(processed: Processed) -> None:
    ledger = read_ledger(FolderStorage(processed.bucket), RUN)
    assert ledger.is_complete, ledger.problems
    assert ledger.summary["states"]["done"] == len(IMAGE_SETS)
    stages = ledger.summary["stages"][PLATE]
    assert {name: stage["state"] for name, stage in stages.items()} == dict.fromkeys(STAGES, "complete")


def test_every_stage_begins_when_the_one_before_has_ended(processed: Processed) -> None:
    for earlier, later in pairwise(STAGES):
        assert processed.span(earlier)[1] <= processed.span(later)[0], f"{later} began before {earlier} had ended"


def test_analysis_used_the_functions_that_this_run_has_made(processed: Processed) -> None:
    (illumination,) = processed.manifests("illumination").values()
    made = {file.key for file in illumination.outputs if file.key.endswith(".npy")}
    assert len(made) == len(CHANNELS)
    for manifest in processed.manifests("analysis").values():
        for group in manifest.groups:
            assert {file.key for file in group.inputs if "Illum" in file.key} == made
    for row in processed.tables["Image.csv"]:
        used = {row[f"URL_Illum{channel}"].partition("/bucket/")[2] for channel in CHANNELS}
        assert used == made


def test_backend_has_every_row_of_the_csvs(processed: Processed) -> None:
    tables = {name: len(rows) for name, rows in processed.tables.items() if name != "Experiment.csv"}
    assert tables["Image.csv"] == len(IMAGE_SETS)
    assert {"Cells.csv", "Cytoplasm.csv", "Nuclei.csv"} <= tables.keys()
    backend = {name: processed.backend / Path(name).with_suffix(".parquet") for name in tables}
    assert {name: pl.read_parquet(path).height for name, path in backend.items()} == tables


def test_every_profile_has_all_wells_and_normalized_ones_have_numbers(processed: Processed) -> None:
    profiles = {path.stem: pl.read_parquet(path) for path in processed.profiles.glob("*.parquet")}
    names = {"", "_augmented", "_normalized", "_normalized_negcon"}
    names |= {f"_normalized_feature_select_{kind}" for kind in ("plate", "negcon_plate")}
    assert profiles.keys() == {PLATE + name for name in names}
    for name, table in profiles.items():
        assert sorted(table["Metadata_Well"]) == list(WHOLE_WELLS), name
    chosen = profiles[f"{PLATE}_normalized_feature_select_negcon_plate"]
    numbers = chosen.select(pl.selectors.starts_with("Cells_", "Cytoplasm_", "Nuclei_"))
    assert numbers.width > 0
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width


def test_page_is_about_the_plate_and_misses_nothing(processed: Processed) -> None:
    page = processed.page.read_text()
    assert f"<title>{PLATE}: " in page
    assert f"<title>{PLATE}: bad" not in page
