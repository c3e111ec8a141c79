"""profiling-recipe's YAML file: text becomes frozen dataclasses here and nowhere else.

Source: cytomining/profiling-recipe, README ("Config file") and config_template.yml. Entries that we have beside are
optional, so that a file of profiling-recipe is read as it is.
"""

import re
from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs.build_backend import AGGREGATES
from cellpainting.profiles.config import (
    CONSENSUSES,
    FORMATS,
    LEVELS,
    METHODS,
    OPERATIONS,
    SPHERIZE_METHODS,
    USUAL_OPERATIONS,
    AggregateStep,
    AnnotateStep,
    Batch,
    ConsensusStep,
    Controls,
    External,
    NormalizeStep,
    ProfilingConfig,
    QualityStep,
    SelectStep,
    Thresholds,
)
from cellpainting.profiles.names import IMAGE_COLUMNS, PLATE, PLATEMAP_WELL, SITE, WELL, metadata_name
from cellpainting.profiles.section import Section

FLOAT_FORMAT = re.compile(r"%\.\d{1,2}[gef]")
ALL, INFER = "all", "infer"
GZIP = "gzip"


def read_config(content: bytes, name: str) -> ProfilingConfig:
    """Read a configuration; `name` is that of the file, for messages.

    Raises
    ------
    InvalidRequest
        Naming the file, the entry, the value got and what to write instead.
    """
    try:
        documents = [document for document in yaml.load_all(content, Loader=_Loader) if document]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{name} is no YAML file ({' '.join(str(error).split())}); correct it") from error
    try:
        return _config(documents)
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error}") from error


class _Loader(yaml.BaseLoader):
    """All scalars are text. An entry that is there twice, of which YAML takes the last, is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _config(documents: Sequence[Any]) -> ProfilingConfig:
    steps = [document for document in documents if "pipeline" in document]
    if len(steps) != 1:
        raise InvalidField(
            "pipeline", len(steps), "write one document of steps, which has it, before those of the batches ('---')"
        )
    batches = tuple(
        batch
        for number, document in enumerate(documents, start=1)
        if document is not steps[0]
        for batch in _batch(Section(document, f"document {number}"))
    )
    _refuse_twice("batch", [batch.name for batch in batches])
    if not any(batch.plates for batch in batches):
        raise InvalidField(
            "plates", [], "name at least one plate whose 'process' is true, in a batch whose 'process' is, too"
        )
    return _steps(Section(steps[0], ""), batches)


def _batch(section: Section) -> list[Batch]:
    """A batch, or nothing where it is not to be processed."""
    if not section.flag("process", default=True):
        section.pass_over("batch", "plates")
        section.refuse_unknown()
        return []
    name = section.folder_name("batch")
    plates = [
        plate
        for position, document in enumerate(section.items("plates") or [], start=1)
        for plate in _plate(Section(document, section.name(f"plates[{position}]")))
    ]
    section.refuse_unknown()
    _refuse_twice(f"plates of batch {name}", plates)
    return [Batch(name, tuple(plates))]


def _plate(section: Section) -> list[str]:
    """The name of a plate, or nothing where it is not to be processed."""
    is_wanted = section.flag("process", default=True)
    if not is_wanted:
        section.pass_over("name")
    names = [section.folder_name("name")] if is_wanted else []
    section.refuse_unknown()
    return names


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidField(what, name, "it is there twice; name it once")


def _steps(section: Section, batches: tuple[Batch, ...]) -> ProfilingConfig:
    options = section.section("options") or Section({}, "options")
    annotate = _annotate(section.section("annotate"))
    config = ProfilingConfig(
        batches=batches,
        name=section.text("pipeline") or "",
        output_dir=section.key("output_dir") if section.has("output_dir") else "profiles",
        platemap_well_column=metadata_name(section.text("platemap_well_column") or PLATEMAP_WELL),
        compartments=section.texts("compartments") or ("cells", "cytoplasm", "nuclei"),
        aggregate=_aggregate(section.section("aggregate")),
        annotate=annotate,
        normalize=_normalize(section.section("normalize")),
        normalize_negcon=_normalize(section.section("normalize_negcon")),
        feature_select=_select(section.section("feature_select")),
        feature_select_negcon=_select(section.section("feature_select_negcon")),
        consensus=_consensus(section.section("consensus")),
        quality=_quality(section.section("quality_control")),
        controls=_controls(section.section("controls")),
        treatment_column=_treatment(section.text("treatment_column"), annotate.external if annotate else None),
        formats=options.choices("formats", FORMATS) or ("csv.gz",),
        float_format=_float_format(options),
    )
    options.choice("compression", (GZIP,), GZIP)
    options.choice("samples", (ALL,), ALL)
    options.refuse_unknown()
    section.refuse_unknown()
    return config


def _is_performed(section: Section | None) -> bool:
    return section is not None and section.flag("perform", default=True)


def _aggregate(section: Section | None) -> AggregateStep | None:
    if section is None:
        return None
    is_performed = _is_performed(section)
    _column(section, "plate_column", PLATE)
    _column(section, "well_column", WELL)
    by_site = _column(section, "site_column", SITE)
    method = section.choice("method", AGGREGATES, "median")
    sites = section.texts("fields")
    categories = section.texts("image_feature_categories")
    section.pass_over("object_feature")  # whose values pycytominer counts; a row of a backend is an object
    section.refuse_unknown()
    if not is_performed:
        return None
    return AggregateStep(method, () if sites == (ALL,) else sites, categories, by_site)


def _column(section: Section, entry: str, column: str) -> bool:
    """Whether a column of the backend is named; there is one that it can be."""
    given = section.text(entry)
    if given is not None and IMAGE_COLUMNS.get(given, given) != column:
        raise InvalidField(section.name(entry), given, f"backends have it as {column}; write that")
    return given is not None


def _annotate(section: Section | None) -> AnnotateStep | None:
    if section is None:
        return None
    is_performed = _is_performed(section)
    section.pass_over("well_column")  # in a backend it is Metadata_Well
    external = section.section("external")
    step = AnnotateStep(
        external=_external(external) if external else None,
        drop_unmatched=section.flag("drop_unmatched", default=False),
    )
    section.refuse_unknown()
    return step if is_performed else None


def _external(section: Section) -> External | None:
    external = None
    if _is_performed(section):
        external = External(section.key("file"), metadata_name(section.required_text("merge_column")))
    section.pass_over("file", "merge_column")
    section.refuse_unknown()
    return external


def _normalize(section: Section | None) -> NormalizeStep | None:
    if section is None:
        return None
    is_performed = _is_performed(section)
    step = NormalizeStep(
        method=section.choice("method", METHODS, "mad_robustize"),
        epsilon=section.number("mad_robustize_fudge_factor", default=1e-18, minimum=0.0),
        features=_features(section),
        image_features=section.flag("image_features", default=False),
        min_cells=section.whole_number("min_cells", default=1, minimum=0),
        spherize_method=section.choice("spherize_method", SPHERIZE_METHODS, "ZCA-cor"),
        spherize_epsilon=section.number("spherize_epsilon", default=1e-6, minimum=0.0),
    )
    section.refuse_unknown()
    return step if is_performed else None


def _select(section: Section | None) -> SelectStep | None:
    if section is None:
        return None
    is_performed = _is_performed(section)
    step = SelectStep(
        level=section.choice("level", LEVELS, "batch"),
        operations=section.choices("operations", OPERATIONS) or USUAL_OPERATIONS,
        gct=section.flag("gct", default=False),
        features=_features(section),
        image_features=section.flag("image_features", default=False),
        min_cells=section.whole_number("min_cells", default=1, minimum=0),
        thresholds=_thresholds(section),
    )
    noise = step.thresholds.noise_removal_perturb_groups, step.thresholds.noise_removal_stdev_cutoff
    if "noise_removal" in step.operations and None in noise:
        raise InvalidField(
            section.name("operations"),
            "noise_removal",
            "it needs 'noise_removal_perturb_groups' and 'noise_removal_stdev_cutoff' beside",
        )
    section.refuse_unknown()
    return step if is_performed else None


def _thresholds(section: Section) -> Thresholds:
    usual = Thresholds()
    shares = {
        name: section.number(name, default=getattr(usual, name), minimum=0.0, maximum=1.0)
        for name in ("na_cutoff", "corr_threshold", "freq_cut", "unique_cut")
    }
    groups = section.text("noise_removal_perturb_groups")
    cutoff = section.number("noise_removal_stdev_cutoff", default=-1.0, minimum=0.0)
    return Thresholds(
        **shares,
        min_variance=section.number("min_variance", default=usual.min_variance, minimum=0.0),
        outlier_cutoff=section.number("outlier_cutoff", default=usual.outlier_cutoff, minimum=0.0),
        noise_removal_perturb_groups=metadata_name(groups) if groups else None,
        noise_removal_stdev_cutoff=cutoff if cutoff >= 0 else None,
    )


def _features(section: Section) -> tuple[str, ...]:
    """The features that are named; none where they are to be inferred."""
    given = section.texts("features")
    return () if given == (INFER,) else given


def _consensus(section: Section | None) -> ConsensusStep | None:
    if section is None:
        return None
    is_performed = _is_performed(section)
    columns = tuple(map(metadata_name, section.texts("replicate_columns")))
    step = ConsensusStep(columns, section.choice("operation", CONSENSUSES, "median"))
    section.refuse_unknown()
    if is_performed and not columns:
        raise InvalidField(section.name("replicate_columns"), None, "name the columns that replicates share")
    return step if is_performed else None


def _quality(section: Section | None) -> QualityStep | None:
    if section is None:
        return None
    is_performed = _is_performed(section)
    summary, heatmap = section.section("summary"), section.section("heatmap")
    columns = None
    if summary:
        is_wanted = _is_performed(summary)
        named = (summary.text("row") or "Metadata_Row", summary.text("column") or "Metadata_Col")
        columns = named if is_wanted else None
        summary.refuse_unknown()
    draws = _is_performed(heatmap)
    if heatmap:
        heatmap.refuse_unknown()
    replicates = section.flag("replicates", default=True)
    section.refuse_unknown()
    return QualityStep(columns, draws, replicates) if is_performed else None


def _controls(section: Section | None) -> Controls:
    usual = Controls()
    if section is None:
        return usual
    column = section.text("column")
    controls = Controls(metadata_name(column) if column else usual.column, section.texts("negative") or usual.negative)
    section.refuse_unknown()
    return controls


def _treatment(given: str | None, external: External | None) -> str | None:
    """profiling-recipe's merge column is the one that identifies a perturbation."""
    if given:
        return metadata_name(given)
    return external.merge_column if external else None


def _float_format(options: Section) -> str | None:
    given = options.text("float_format")
    if given is not None and not FLOAT_FORMAT.fullmatch(given):
        raise InvalidField(options.name("float_format"), given, 'write one such as "%.5g", or leave it out')
    return given
