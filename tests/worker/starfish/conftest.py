"""What tests of fields of view share: starfish's place, a drawn experiment, and recipes that do as they are told."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cellpainting.dispatch.planning_job import plan_run
from cellpainting.errors import StarfishNotFound
from cellpainting.jobs import DecodeFovs, MergeFovs, RunRecord, parse_job
from cellpainting.ledger import GroupResult, Ledger, Manifest, Outcome, read_ledger
from cellpainting.planning import ShardPlan
from cellpainting.planning.plan_job import read_csv_source
from cellpainting.starfish import decode, merge
from cellpainting.starfish.environment import Starfish, find_starfish
from cellpainting.storage import FolderStorage
from examples.starfish.make_experiment import Drawing, write_experiment
from tests.conftest import REPOSITORY

RECIPE = REPOSITORY / "examples" / "starfish" / "recipe.py"
DECODING = {"job_type": "decode_fovs", "experiment": "iss/experiment.json", "recipe": "recipe.py", "output": "results"}
MERGING = {"job_type": "merge_fovs", "decoded": "runs/decoding", "output": "results", "run": "merging"}


@pytest.fixture(scope="session")
def starfish() -> Starfish:
    """The starfish that `make setup` installed, or the one that STARFISH names."""
    named = os.environ.get("STARFISH", str(REPOSITORY / ".starfish" / "bin" / "python"))
    try:
        return find_starfish(named)
    except StarfishNotFound as error:
        pytest.fail(str(error))


@dataclass(frozen=True)
class Fields:
    """A bucket on disk with a drawn experiment, and the request that decodes it."""

    root: Path
    document: Mapping[str, Any]

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.root)

    @property
    def record(self) -> RunRecord:
        return RunRecord.of(parse_job(self.document), self.document)

    def asking(self, **fields: Any) -> "Fields":
        """The same bucket with a request that differs."""
        return Fields(self.root, {**self.document, **fields})

    def with_recipe(self, text: str) -> "Fields":
        """The same bucket with another recipe."""
        self.bucket.write("recipe.py", text.encode())
        return self

    def edit(self, name: str, **values: Any) -> None:
        """Change values of a JSON file of the experiment."""
        path = self.root / "iss" / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    def plan(self, version: str = "") -> str:
        """Store request and plan; returns which shards are to be done, as ranges."""
        self.bucket.write(self.record.keys.request, json.dumps(self.document).encode())
        return plan_run(self.record, self.bucket, read_csv_source, version).pending

    def decode(self, shard: int, starfish: Starfish, *, memory_mib: int = 4096) -> GroupResult:
        """Do one shard in this process; the one group of its manifest."""
        manifest = self.run(shard, starfish, memory_mib=memory_mib)
        assert manifest.reason == ""
        (group,) = manifest.groups
        return group

    def run(self, shard: int, starfish: Starfish, *, memory_mib: int = 4096) -> Manifest:
        """Plan, and do one shard in this process."""
        self.plan()
        job = self.record.job
        plan = ShardPlan.from_json(self.bucket.read(self.record.keys.shard_plan(shard)))
        common: dict[str, Any] = {"bucket": self.bucket, "starfish": starfish, "memory_mib": memory_mib}
        if isinstance(job, MergeFovs):
            return merge.run(self.record, job, plan, **common)
        assert isinstance(job, DecodeFovs)
        return decode.run(self.record, job, plan, **common)

    def merge(self, starfish: Starfish, **fields: Any) -> tuple[Outcome, dict[str, Any]]:
        """Merge what was decoded; the outcome, and the report if there is one."""
        manifest = Fields(self.root, {**MERGING, **fields}).run(0, starfish)
        report = self.root / "results" / "merge_report.json"
        return manifest.outcomes[0], json.loads(report.read_text()) if report.exists() else {}

    def ledger(self) -> Ledger:
        return read_ledger(self.bucket, self.record.run_id)

    def log(self, shard: int) -> str:
        """All that was printed for a shard."""
        return self.bucket.read(self.record.keys.log(shard)).decode()

    def copy(self, folder: Path) -> "Fields":
        """The same in another folder."""
        shutil.copytree(self.root, folder)
        return Fields(folder, self.document)


def draw_fields(root: Path, *, fields: int = 2, empty: tuple[int, ...] = (), **document: Any) -> Fields:
    """A bucket with the experiment of the examples, and their recipe."""
    write_experiment(root / "iss", Drawing(fields=fields, empty=empty, spots=6))
    shutil.copyfile(RECIPE, root / "recipe.py")
    return Fields(root, {**DECODING, "run": "decoding", **document})


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Fields:
    """Two fields of view, drawn once."""
    return draw_fields(tmp_path_factory.mktemp("drawn") / "bucket")


@pytest.fixture
def fields(drawn: Fields, tmp_path: Path) -> Fields:
    """Two fields of view of one's own."""
    return drawn.copy(tmp_path / "bucket")


def cpb(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The command, as a container has it."""
    environment = {**os.environ, **variables}
    return subprocess.run(["cpb", *arguments], check=False, capture_output=True, text=True, env=environment)
