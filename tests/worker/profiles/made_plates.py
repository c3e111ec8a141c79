"""Profiles and plates made for tests of them: correlated features with the oddities that real ones have."""

import gzip
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from cellpainting.profiles.layout import Layout, Places
from cellpainting.profiles.make_profiles import Tell, make_profiles
from cellpainting.profiles.place import Place
from cellpainting.profiles.profile_report import MakingReport, ProfileReport
from cellpainting.profiles.profiles import Profiles, Rows
from cellpainting.profiles.read_config import read_config
from cellpainting.storage import FolderStorage
from tests.conftest import DATA, REPOSITORY
from tests.worker.backend.plates import build

SMALL_CSV, SMALL_PLATE = DATA / "analysis_csv", "BR00099001"
REAL_CSV, REAL_PLATE = REPOSITORY.parent / "shared" / "data" / "analysis_csv", "BR00121431"
TREATMENT, CONTROL = "Metadata_broad_sample", "Metadata_control_type"
NEGCON = f"{CONTROL} == 'negcon'"
ROWS, COLUMNS = "ABCDEFGHIJKLMNOP", 24
WELLS = tuple(f"{row}{column:02}" for row in ROWS for column in range(1, COLUMNS + 1))
SIGNALS, NOISE = 60, 0.4
CSV_GZ = ".csv.gz"


def feature_names(number: int) -> tuple[str, ...]:
    """Names as CellProfiler has them, some of which are on pycytominer's blocklist."""
    blocked = ["Nuclei_Correlation_Manders_AGP_DNA", "Cells_Correlation_RWC_DNA_ER"]
    kinds = [
        f"{part}_{kind}" for part in ("Cells", "Cytoplasm", "Nuclei") for kind in ("AreaShape", "Texture", "Intensity")
    ]
    return tuple([f"{kinds[place % len(kinds)]}_F{place}" for place in range(number - len(blocked))] + blocked)


@cache
def made_plate(features: int = 300, wells: int = 384, *, plate: str = "P1", seed: int = 0) -> Profiles:
    """An annotated plate: a few signals behind all features, copies of some, constants, missing values, empty wells.

    One treatment in each four wells, every eighth well is a negative control; two of the wells have no cell.
    """
    random = np.random.default_rng(seed)
    # The strengths of signals decline, so that few pairs of thousands of features are alike.
    signals = random.normal(size=(wells, SIGNALS)) / np.sqrt(1 + np.arange(SIGNALS))
    values = signals @ random.normal(size=(SIGNALS, features)) + NOISE * random.normal(size=(wells, features))
    values = (values + random.uniform(-9, 9, features)) * 10 ** random.uniform(-3, 4, features)
    values[:, 10:20] = values[:, :10]  # the same
    values[:, 20:24] = -2.0 * values[:, 24:28]  # the opposite
    values[:, 30:36] = random.normal(size=6)  # constant
    values[:, 36:40] = np.where(random.random((wells, 4)) < 0.7, 1.5, random.normal(size=(wells, 4)))  # mostly so
    values[:, 40:44] = np.where(random.random((wells, 4)) < (0.02, 0.04, 0.2, 0.9), np.nan, values[:, 40:44])
    values[:, 44] = np.nan
    values[:, 46] = np.where(np.arange(wells) % 97 == 5, 1e6, values[:, 46])  # a few are far away
    empty = np.isin(np.arange(wells), [3, wells - 2])
    values[empty] = np.nan
    number = np.arange(wells)
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": plate,
            "Metadata_Well": WELLS[:wells],
            "Metadata_Object_Count": np.where(empty, 0, random.integers(1, 2000, wells)),
            TREATMENT: [None if one % 8 == 0 else f"BRD-{one // 4}" for one in number],
            CONTROL: ["negcon" if one % 8 == 0 else "trt" for one in number],
        }
    )
    return Profiles(metadata, values, feature_names(features))


def negative(profiles: Profiles) -> Rows:
    """The negative controls that have cells."""
    return np.asarray((profiles.metadata[CONTROL] == "negcon") & profiles.has_cells(), dtype=np.bool_)


def assert_same(ours: Profiles, theirs: pd.DataFrame, within: float = 1e-9) -> None:
    """The same features, and in them the same numbers, missing and infinite where theirs are."""
    features = [name for name in theirs if not name.startswith("Metadata_")]
    assert sorted(ours.features) == sorted(features)
    their_values = theirs[list(ours.features)].to_numpy(dtype=np.float64)
    np.testing.assert_allclose(ours.values, their_values, rtol=within, atol=0)


def rows(*lines: Sequence[object], delimiter: str = "\t") -> bytes:
    """Lines of a table, without quotes."""
    return "\n".join(delimiter.join(map(str, line)) for line in lines).encode()


CONFIG = """\
---
pipeline: made
output_dir: profiles
platemap_well_column: Metadata_well_position
compartments:
  - cells
  - cytoplasm
  - nuclei
aggregate:
  perform: true
  plate_column: Metadata_Plate
  well_column: Metadata_Well
  method: median
  fields: all
  image_feature_categories:
    - Count
    - Texture
annotate:
  perform: true
  well_column: Metadata_Well
  external :
    perform: true
    file: treatments.tsv
    merge_column: broad_sample
normalize:
  perform: true
  method: mad_robustize
  features: infer
  mad_robustize_fudge_factor: 0
  image_features: true
  min_cells: 1
normalize_negcon:
  perform: true
  method: mad_robustize
  features: infer
  mad_robustize_fudge_factor: 0
  image_features: true
  min_cells: 1
feature_select:
  perform: true
  features: infer
  level: batch
  gct: true
  image_features: true
  operations:
    - variance_threshold
    - correlation_threshold
    - drop_na_columns
    - blocklist
  min_cells: 1
feature_select_negcon:
  perform: true
  features: infer
  level: batch
  gct: false
  image_features: true
  operations:
    - variance_threshold
    - correlation_threshold
    - drop_na_columns
    - blocklist
  min_cells: 1
quality_control:
  perform: false
  summary:
    perform: true
    row: Metadata_Row
    column: Metadata_Col
  heatmap:
    perform : true
options:
  compression: gzip
  float_format: "%.5g"
  samples: all
"""


def config_text(batches: Mapping[str, Collection[str]], *edits: tuple[str, str]) -> str:
    """profiling-recipe's template, filled in, with some of its text replaced."""
    text = CONFIG
    for old, new in edits:
        assert old in text, f"there is no {old!r} to replace"
        text = text.replace(old, new)
    for batch, plates in batches.items():
        named = "".join(f"  - name: {plate}\n    process: true\n" for plate in plates)
        text += f"---\nbatch: {batch}\nplates:\n{named}process: true\n"
    return text


PROFILED = (
    ("aggregate:\n  perform: true", "aggregate:\n  perform: false"),
    ("mad_robustize_fudge_factor: 0", "mad_robustize_fudge_factor: 1e-18"),
    ('  float_format: "%.5g"\n', ""),
)


@dataclass(frozen=True)
class Workspace:
    """A folder laid out as profiling-recipe's: metadata, backends and what is made."""

    root: Path

    def write(self, name: str, content: bytes) -> Path:
        """Put a file there."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def put_maps(self, batch: str, plates: Collection[str], wells: Sequence[str] = WELLS) -> None:
        """A platemap that all plates of a batch have: four wells of each treatment, every eighth a control."""
        folder = f"metadata/platemaps/{batch}"
        named = [(plate, "map") for plate in plates]
        self.write(
            f"{folder}/barcode_platemap.csv", rows(("Assay_Plate_Barcode", "Plate_Map_Name"), *named, delimiter=",")
        )
        lines = [
            (well, "" if number % 8 == 0 else f"BRD-{number // 4}", "negcon" if number % 8 == 0 else "trt")
            for number, well in enumerate(wells)
        ]
        self.write(f"{folder}/platemap/map.txt", rows(("well_position", "broad_sample", "control_type"), *lines))
        known = [(f"BRD-{number}", f"target {number % 7}") for number in range(-(-len(wells) // 4))]
        self.write("metadata/external_metadata/treatments.tsv", rows(("broad_sample", "target"), *known))

    def put_profile(self, batch: str, profiles: Profiles, plate: str = "P1") -> Path:
        """A profile of wells as if it was aggregated elsewhere; the platemap has the treatments."""
        metadata = profiles.metadata.drop(columns=[TREATMENT, CONTROL])
        text = io.StringIO()
        Profiles(metadata, profiles.values, profiles.features).frame().to_csv(text, index=False)
        return self.write(f"profiles/{batch}/{plate}/{plate}{CSV_GZ}", gzip.compress(text.getvalue().encode(), mtime=0))

    def put_backend(self, batch: str, analysis: Path = SMALL_CSV, plate: str = SMALL_PLATE, **settings: Any) -> Path:
        """The backend of CSVs."""
        build(analysis, self.root / "backend" / batch, plate, **settings)
        return self.root / "backend" / batch / plate

    def make(self, config: str, *, force: bool = False) -> MakingReport:
        """Make what a configuration asks for."""
        place = Place(FolderStorage(self.root))
        backend = Place(FolderStorage(self.root), "backend")
        read = read_config(config.encode(), "config.yml")
        return make_profiles(read, Places(backend, Layout(place), place), Tell(), force=force)

    def report(self, name: str) -> ProfileReport:
        """The report of a profile, named without its folder `profiles`."""
        return ProfileReport.from_json((self.root / "profiles" / f"{name}.json").read_bytes())

    def profile(self, name: str, folder: str = "profiles") -> Profiles:
        """A profile in full."""
        return Profiles.of_frame(pl.read_parquet(self.root / folder / f"{name}.parquet").to_pandas())

    def times(self) -> dict[str, int]:
        """When each profile was written."""
        made = [path for folder in ("profiles", "gct", "consensus") for path in (self.root / folder).rglob("*")]
        return {
            path.relative_to(self.root).as_posix(): path.stat().st_mtime_ns
            for path in made
            if path.is_file() and path.name != "profiles.json"
        }

    @property
    def files(self) -> set[str]:
        """All that was made."""
        return set(self.times())


def reasons(report: MakingReport) -> list[str]:
    """What could not be made, and why."""
    return [problem.told for problem in report.problems]
