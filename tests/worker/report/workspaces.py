"""A workspace with the results of plates, as the Cell Painting Gallery has it, and runs that measured them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cellpainting.jobs.run_record import RunKeys
from cellpainting.ledger import Cause, GroupResult, ImageSet, Manifest, Outcome, State, StoredFile, write_plan
from cellpainting.profiles.make_profiles import Tell, make_profiles
from cellpainting.profiles.place import Place, PlacedFile
from cellpainting.profiles.request import OnePlate, of_configuration, of_plate
from cellpainting.report.sources import PlateSources
from cellpainting.report.targets import Targets
from cellpainting.storage import FolderStorage
from tests.worker.profiled_plates import BATCH, WELLS, config_text, platemap_text, put_metadata, write_backend

RUN = "measured"
OUTLINES = "results/outlines"
SIDE_PX = 64


@dataclass(frozen=True)
class Workspace:
    """A folder with `backend`, `profiles` and `quality_control`, and the bucket of the runs."""

    root: Path

    @property
    def bucket(self) -> FolderStorage:
        return FolderStorage(self.root / "bucket")

    def place(self, name: str) -> Place:
        """A folder in it, in a storage that also has what lies beside."""
        path = (self.root / name).resolve()
        return Place(FolderStorage(Path("/")), path.as_posix().lstrip("/"))

    def plates(self, *folders: str, runs: Sequence[str] = ()) -> list[PlateSources]:
        """The plates of some folders and runs."""
        targets = Targets(self.bucket)
        for folder in folders:
            targets.add_folder(self.place(folder))
        for run in runs:
            targets.add_run(run)
        return targets.plates()


def make_workspace(root: Path, *plates: str, controls: str = "{}") -> Workspace:
    """Backends and profiles of some plates, with features chosen for all of a batch; `controls` as a configuration says
    which they are.
    """
    for plate in plates:
        write_backend(root / "backend", plate)
    data = Place(FolderStorage(root))
    put_metadata(data.storage, "", *plates)
    steps = f"quality_control: {{perform: true}}\ncontrols: {controls}\nfeature_select: ".encode()
    data.storage.write("batch.yml", config_text(*plates).replace(b"feature_select: ", steps))
    config, places = of_configuration(PlacedFile(data, "batch.yml"), data, None)
    report = make_profiles(config, places, Tell())
    assert report.is_complete, report.problems
    return Workspace(root)


def make_usual_profiles(workspace: Workspace, plate: str, platemap: bytes | None = None) -> None:
    """The usual profiles of one plate, whose backend is there."""
    place = Place(FolderStorage(workspace.root))
    place.storage.write("map.txt", platemap or platemap_text())
    backend = Place(place.storage, f"backend/{BATCH}/{plate}")
    make_profiles(*of_plate(OnePlate(backend, PlacedFile(place, "map.txt"), Place(place.storage, "profiles"))), Tell())


def record_run(
    workspace: Workspace,
    plate: str,
    wells: Sequence[str] = WELLS,
    failed: Mapping[str, str] | None = None,
    *,
    run: str = RUN,
    outlines: bool = True,
) -> None:
    """A run of CellProfiler over some wells, those of `failed` with a reason; pictures are there of the others."""
    bucket, keys = workspace.bucket, RunKeys(run)
    request = {
        "run": run,
        "pipeline": "a.cppipe",
        "input": "images",
        "output": "results",
    }
    bucket.write(keys.request, json.dumps(request).encode())
    outcomes = []
    for number, well in enumerate(wells, start=1):
        channels = [f"images/{plate}_{well}_s1_{channel}.png" for channel in ("DNA", "ER")]
        image_set = ImageSet(0, number, plate=plate, well=well, site="1", files=" | ".join(channels))
        reason = (failed or {}).get(well, "")
        state = State.INPUT_DAMAGED if reason else State.DONE
        outcomes.append(Outcome(image_set, state, reason, Cause.INPUT_DAMAGED if reason else None))
        for channel in channels:
            bucket.write(channel, picture(number))
        if outlines:
            bucket.write(f"{OUTLINES}/{plate}_{well}_s1.png", picture(number, channels=3))
    stored = [StoredFile(item.key, item.size, item.etag) for item in bucket.list("results")]
    group = GroupResult("", tuple(outcomes), (), tuple(stored), {"Image.csv": len(wells)}, 60.0, 900.0)
    manifest = Manifest(0, (group,), None, "", (), "4.2.8.1", "", 60.0, 900.0)
    bucket.write(keys.plan, write_plan(one.image_set for one in outcomes))
    bucket.write(keys.shard(0), manifest.to_json())


def picture(number: int, channels: int = 1) -> bytes:
    """A PNG file with a square whose place depends on the number."""
    shape = (SIDE_PX, SIDE_PX) if channels == 1 else (SIDE_PX, SIDE_PX, channels)
    image = np.zeros(shape, np.uint8)
    image[number % 30 : number % 30 + 20, 10:40] = 200
    return bytes(cv2.imencode(".png", image)[1].tobytes())
