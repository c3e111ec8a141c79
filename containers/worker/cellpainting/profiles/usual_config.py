"""What is made of a plate when nobody says more: the steps of profiling-recipe, with pycytominer's defaults."""

from cellpainting.profiles.config import (
    SUMMARY,
    USUAL_OPERATIONS,
    AggregateStep,
    AnnotateStep,
    Batch,
    External,
    NormalizeStep,
    ProfilingConfig,
    QualityStep,
    SelectStep,
)


def usual_config(batch: str, plate: str, output_dir: str, external: External | None) -> ProfilingConfig:
    """Whole plate and negative controls, features chosen for the plate. Features that exploded are not kept: nothing
    but 1e-18 is added to a MAD of 0.
    """
    select = SelectStep(operations=(*USUAL_OPERATIONS, "drop_outliers"))
    return ProfilingConfig(
        batches=(Batch(batch, (plate,)),),
        name=plate,
        output_dir=output_dir,
        aggregate=AggregateStep(),
        annotate=AnnotateStep(external=external),
        normalize=NormalizeStep(),
        normalize_negcon=NormalizeStep(),
        feature_select=select,
        feature_select_negcon=select,
        quality=QualityStep(),
        summary=f"{batch}/{plate}/{SUMMARY}",  # others may share the folder of the output
        treatment_column=external.merge_column if external else None,
    )
