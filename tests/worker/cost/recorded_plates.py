"""Plates in a bucket that is a folder, and what their workers left: manifests with seconds that are known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from cellpainting.dispatch.store_plan import store_plan
from cellpainting.jobs import RunRecord, parse_job
from cellpainting.ledger import GroupResult, Manifest, Outcome, State, StoredFile
from cellpainting.planning.plan_job import plan_job
from cellpainting.storage import FolderStorage
from tests.conftest import LOAD_DATA_PIPELINE

REQUEST: Mapping[str, Any] = {"pipeline": "analysis.cppipe", "load_data": "P1.csv", "output": "results"}
WELLS = [f"{row}{column:02}" for row, column in product("ABCDEFGHIJKLMNOP", range(1, 25))]


@dataclass(frozen=True)
class Seconds:
    """How long each shard took beside its groups, and each group."""

    shard: float
    group: float


@dataclass(frozen=True)
class RecordedPlates:
    """A bucket with one pipeline."""

    root: Path

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.root)

    def put(self, plate: str, wells: int, sites: int = 1) -> None:
        """Write pipeline and load data of a plate."""
        lines = ["Metadata_Plate,Metadata_Well,Metadata_Site,URL_DNA"]
        for well, site in product(WELLS[:wells], range(1, sites + 1)):
            lines.append(f"{plate},{well},{site},images/{plate}_{well}_s{site}_DNA.tif")
        self.bucket.write(f"{plate}.csv", "\n".join(lines).encode())
        self.bucket.write("analysis.cppipe", LOAD_DATA_PIPELINE.read_bytes())

    def request(self, **fields: Any) -> RunRecord:
        document = {**REQUEST, **fields}
        return RunRecord.of(parse_job(document), document)

    def do(self, run: RunRecord, seconds: Seconds, *, failed: int = 0) -> None:
        """Leave what dispatcher and workers leave; the first shards failed, and quickly."""
        self.bucket.write(run.keys.request, json.dumps(dict(run.document)).encode())
        plan = plan_job(run.job, self.bucket)
        store_plan(run.keys, plan, [shard.number for shard in plan.shards], self.bucket)
        vcpus = run.job.resources.vcpus or 1
        for shard in plan.shards:
            is_failed = shard.number < failed
            groups = tuple(
                GroupResult(
                    folder=group.folder,
                    outcomes=tuple(
                        Outcome(one, State.FAILED if is_failed else State.DONE) for one in shard.image_sets(group)
                    ),
                    inputs=(StoredFile("image", 10, "etag"),),
                    outputs=(StoredFile("table", 2**20, "sha"),),
                    rows={},
                    seconds=0.1 if is_failed else seconds.group,
                    peak_memory_mib=900.0,
                )
                for group in shard.groups
            )
            took = seconds.shard + sum(group.seconds for group in groups) / min(vcpus, len(groups))
            digest = sha256(self.bucket.read("analysis.cppipe")).hexdigest()
            manifest = Manifest(shard.number, groups, None, digest, (), "4.2.8.1", "", took, 900.0)
            self.bucket.write(run.keys.shard(shard.number), manifest.to_json())
