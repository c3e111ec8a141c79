"""What is to be made of which plates: profiling-recipe's configuration, typed, and what we have beside it."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from cellpainting.jobs.build_backend import Aggregate
from cellpainting.profiles.names import CONTROL_TYPE, NEGATIVE_CONTROL, PLATEMAP_WELL

Method = Literal["standardize", "robustize", "mad_robustize", "spherize"]
METHODS: tuple[Method, ...] = get_args(Method)
SpherizeMethod = Literal["PCA", "ZCA", "PCA-cor", "ZCA-cor"]
SPHERIZE_METHODS: tuple[SpherizeMethod, ...] = get_args(SpherizeMethod)
Operation = Literal[
    "variance_threshold",
    "frequency_threshold",
    "correlation_threshold",
    "drop_na_columns",
    "blocklist",
    "drop_outliers",
    "noise_removal",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
USUAL_OPERATIONS: tuple[Operation, ...] = (
    "variance_threshold",
    "correlation_threshold",
    "drop_na_columns",
    "blocklist",
)
SelectionLevel = Literal["plate", "batch", "all"]
SUMMARY = "profiles.json"
LEVELS: tuple[SelectionLevel, ...] = get_args(SelectionLevel)
Consensus = Literal["median", "mean", "modz"]
CONSENSUSES: tuple[Consensus, ...] = get_args(Consensus)
Format = Literal["csv.gz", "gct", "h5ad"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class AggregateStep:
    """Cells to wells, or to sites with `by_site`. `sites`, if not empty, are the only ones whose cells count.

    `image_categories` are the categories of whole-image features to have beside. Without `method`, it is that of the
    backend's own profile.
    """

    method: Aggregate | None = None
    sites: tuple[str, ...] = ()
    image_categories: tuple[str, ...] = ()
    by_site: bool = False


@dataclass(frozen=True)
class External:
    """A table of treatments, below `metadata/external_metadata/`, and the column that it shares with the platemap."""

    file: str
    merge_column: str


@dataclass(frozen=True)
class AnnotateStep:
    """The join with the platemap. Wells that are not on it are kept, unless `drop_unmatched`."""

    external: External | None = None
    drop_unmatched: bool = False


@dataclass(frozen=True)
class NormalizeStep:
    """`epsilon` is added to the MAD (`mad_robustize_fudge_factor`). `features`, if not empty, are the only ones.

    Wells with fewer than `min_cells` cells are normalized, but do not say what is normal.
    """

    method: Method = "mad_robustize"
    epsilon: float = 1e-18
    features: tuple[str, ...] = ()
    image_features: bool = False
    min_cells: int = 1
    spherize_method: SpherizeMethod = "ZCA-cor"
    spherize_epsilon: float = 1e-6


@dataclass(frozen=True)
class Thresholds:
    """When an operation removes a feature; names and defaults are pycytominer's."""

    na_cutoff: float = 0.05
    corr_threshold: float = 0.9
    freq_cut: float = 0.05
    unique_cut: float = 0.01
    min_variance: float = 1e-6
    outlier_cutoff: float = 500.0
    noise_removal_perturb_groups: str | None = None
    noise_removal_stdev_cutoff: float | None = None


@dataclass(frozen=True)
class SelectStep:
    """Which features to keep: a choice per plate, per batch, or for all plates. `gct` stacks plates of a batch."""

    level: SelectionLevel = "plate"
    operations: tuple[Operation, ...] = USUAL_OPERATIONS
    gct: bool = False
    features: tuple[str, ...] = ()
    image_features: bool = False
    min_cells: int = 1
    thresholds: Thresholds = Thresholds()


@dataclass(frozen=True)
class ConsensusStep:
    """One profile per value of `replicate_columns`, of the wells of a selection."""

    replicate_columns: tuple[str, ...]
    operation: Consensus = "median"


@dataclass(frozen=True)
class QualityStep:
    """`summary_columns`, if there, name row and column in the load data that is counted; `heatmap` draws pictures;
    `replicates` says how alike the replicates of a treatment are.
    """

    summary_columns: tuple[str, str] | None = None
    heatmap: bool = False
    replicates: bool = True


@dataclass(frozen=True)
class Controls:
    """Which wells are negative controls: those with one of `negative` in `column`."""

    column: str = CONTROL_TYPE
    negative: tuple[str, ...] = (NEGATIVE_CONTROL,)


@dataclass(frozen=True)
class Batch:
    """The plates of one imaging batch."""

    name: str
    plates: tuple[str, ...]


@dataclass(frozen=True)
class ProfilingConfig:
    """A whole configuration; steps that are None are left out. `treatment_column` names what replicates share.

    `formats` are beside Parquet, which holds numbers in full and is what later steps read; `float_format` is how
    CSVs have them, such as `%.5g`, None for in full. `summary` is where, below `output_dir`, it is told what became of
    all of it.
    """

    batches: tuple[Batch, ...]
    name: str = ""
    output_dir: str = "profiles"
    platemap_well_column: str = PLATEMAP_WELL
    compartments: tuple[str, ...] = ("cells", "cytoplasm", "nuclei")
    aggregate: AggregateStep | None = None
    annotate: AnnotateStep | None = None
    normalize: NormalizeStep | None = None
    normalize_negcon: NormalizeStep | None = None
    feature_select: SelectStep | None = None
    feature_select_negcon: SelectStep | None = None
    consensus: ConsensusStep | None = None
    quality: QualityStep | None = None
    controls: Controls = field(default_factory=Controls)
    treatment_column: str | None = None
    formats: tuple[Format, ...] = ("csv.gz",)
    summary: str = SUMMARY
    float_format: str | None = None
