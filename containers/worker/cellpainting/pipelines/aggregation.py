"""Which modules put the image sets of a group together (`is_aggregation_module` of CellProfiler 4.2.8)."""

from cellpainting.pipelines.module import Module

ALWAYS = frozenset({"MakeProjection", "TrackObjects"})
# module -> a setting's label and the values with which the module does
WITH_SETTING = {
    "CorrectIlluminationCalculate": (
        "Calculate function for each image individually, or based on all images?",
        ("All", "All: First cycle", "All: Across cycles"),
    ),
    "SaveImages": ("When to save", ("Last cycle",)),
    "Tile": ("Tile assembly method", ("Across cycles",)),
    "UntangleWorms": ("Train or untangle worms?", ("Train",)),
}
MOVIE = ("Movie", "Movie/Stack")
MANUAL_RANGE = "Choose specific values to be reset to"
RANGE_OF_ALL = ("Minimum of all images", "Maximum of all images")


def aggregates(module: Module) -> bool:
    """Whether the module's result depends on all image sets of a group."""
    if module.name == "SaveImages" and module.says("Select the type of image to save", *MOVIE):
        return True
    if module.name == "RescaleIntensity":
        return _rescales_by_all(module)
    label, values = WITH_SETTING.get(module.name, ("", ()))
    return module.name in ALWAYS or (bool(label) and module.says(label, *values))


def _rescales_by_all(module: Module) -> bool:
    return module.value("Rescaling method").startswith(MANUAL_RANGE) and (
        module.says("Method to calculate the minimum intensity", *RANGE_OF_ALL)
        or module.says("Method to calculate the maximum intensity", *RANGE_OF_ALL)
    )
