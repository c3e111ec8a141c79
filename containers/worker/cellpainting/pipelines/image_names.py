"""Which settings of CellProfiler's modules name images or objects, and when CellProfiler looks at them.

A module hides the settings that its other settings make pointless; their values stay in the file and mean nothing.
"""

import re
from collections.abc import Iterable, Iterator

from cellpainting.pipelines.module import Module

MADE = re.compile(r"(Name|Name to assign|Enter|What should CellProfiler call) (the|these|your|.*image)\b.*")
NEEDED = re.compile(
    r"Select (?!how|where|binary image$|the (type|method))(the |an |initial )?([\w-]+ ){0,3}"
    r"(images?(?! types?\b| sets?\b)|illumination function|objects?(?! shapes)|masking object)\b.*"
)
# In files of CellProfiler 3.0 many modules have just these.
MADE_IN_3_0 = ("Object", "Output")
NEEDED_IN_3_0 = ("Input",)
# Labels that no rule tells, by module.
ALSO_NEEDED = {
    "GrayToColor": ("Image name",),
    "MatchTemplate": ("Image",),
    "MeasureObjectSkeleton": ("Intensity image",),
    "OverlayObjects": ("Objects",),
    "RelateObjects": ("Parent objects", "Child objects"),
    "SaveCroppedObjects": ("Objects", "Image to crop"),
    "Watershed": ("Markers", "Mask", "Reference Image"),
}
ALSO_MADE = {"ColorToGray": ("Image name",)}
# They find images, or name measurements rather than images.
WITHOUT_NEEDS = frozenset(
    {
        "CalculateMath",
        "ExportToDatabase",
        "ExportToSpreadsheet",
        "FlagImage",
        "Groups",
        "Images",
        "LoadData",
        "Metadata",
    }
    | {"DisplayDensityPlot", "DisplayHistogram", "DisplayPlatemap", "DisplayScatterPlot", "NamesAndTypes"}
)
BLANK = frozenset({"", "None", "Leave blank", "Leave this black", "Do not use"})

Conditions = tuple[tuple[str, tuple[str, ...]], ...]
RGB: Conditions = (("Select a color scheme", ("RGB",)),)
CMYK: Conditions = (("Select a color scheme", ("CMYK",)),)
GRAYSCALE = ("Input image type", ("Grayscale",))
# module, label -> the settings that have to have one of these values for the name to be looked at
LOOKED_AT_IF: dict[tuple[str, str], Conditions] = {
    ("ClassifyObjects", "Select the object name"): (
        ("Make classification decision based on", ("Pair of measurements",)),
    ),
    ("Crop", "Select the masking image"): (("Select the cropping shape", ("Image",)),),
    ("Crop", "Select the image with a cropping mask"): (("Select the cropping shape", ("Previous cropping",)),),
    ("Crop", "Select the objects"): (("Select the cropping shape", ("Objects",)),),
    ("DefineGrid", "Select the image to display when drawing"): (
        ("Select the method to define the grid", ("Manual",)),
        ("Select the method to define the grid manually", ("Mouse",)),
    ),
    ("DefineGrid", "Select the previously identified objects"): (
        ("Select the method to define the grid", ("Automatic",)),
    ),
    ("FilterObjects", "Select the objects that contain the filtered objects"): (
        ("Select the filtering method", ("Minimal per object", "Maximal per object")),
    ),
    ("FindMaxima", "Select the image to use as a mask"): (("Method for excluding background", ("Mask",)),),
    ("FindMaxima", "Select the objects to search within"): (("Method for excluding background", ("Within Objects",)),),
    ("GrayToColor", "Image name"): (("Select a color scheme", ("Stack", "Composite")),),
    ("GrayToColor", "Select the image to be colored red"): RGB,
    ("GrayToColor", "Select the image to be colored green"): RGB,
    ("GrayToColor", "Select the image to be colored blue"): RGB,
    ("GrayToColor", "Select the image to be colored cyan"): CMYK,
    ("GrayToColor", "Select the image to be colored magenta"): CMYK,
    ("GrayToColor", "Select the image to be colored yellow"): CMYK,
    ("GrayToColor", "Select the image that determines brightness"): CMYK,
    ("IdentifyObjectsInGrid", "Select the guiding objects"): (
        ("Select object shapes and locations", ("Circle Natural Location", "Natural Shape and Location")),
    ),
    ("InvertForPrinting", "Select the color image"): (("Input image type", ("Color",)),),
    ("InvertForPrinting", "Select the red image"): (GRAYSCALE, ("Use a red image?", ("Yes",))),
    ("InvertForPrinting", "Select the green image"): (GRAYSCALE, ("Use a green image?", ("Yes",))),
    ("InvertForPrinting", "Select the blue image"): (GRAYSCALE, ("Use a blue image?", ("Yes",))),
    ("MaskImage", "Select image for mask"): (("Use objects or an image as a mask?", ("Image",)),),
    ("MaskImage", "Select object for mask"): (("Use objects or an image as a mask?", ("Objects",)),),
    ("MaskObjects", "Select the masking image"): (
        ("Mask using a region defined by other objects or by binary image?", ("Image",)),
    ),
    ("MaskObjects", "Select the masking object"): (
        ("Mask using a region defined by other objects or by binary image?", ("Objects",)),
    ),
    ("MeasureColocalization", "Select objects to measure"): (
        ("Select where to measure correlation", ("Within objects", "Both")),
    ),
    ("MeasureGranularity", "Select objects to measure"): (("Measure within objects?", ("Yes",)),),
    ("MeasureImageAreaOccupied", "Select binary images to measure"): (
        ("Measure the area occupied by", ("Binary Image", "Both")),
    ),
    ("MeasureImageAreaOccupied", "Select object sets to measure"): (
        ("Measure the area occupied by", ("Objects", "Both")),
    ),
    ("MeasureImageIntensity", "Select input object sets"): (
        ("Measure the intensity only from areas enclosed by objects?", ("Yes",)),
    ),
    ("MeasureImageQuality", "Select the images to measure"): (("Calculate metrics for which images?", ("Select...",)),),
    ("MeasureObjectSkeleton", "Intensity image"): (("Export the skeleton graph relationships?", ("Yes",)),),
    ("MeasureTexture", "Select objects to measure"): (("Measure whole images or objects?", ("Objects", "Both")),),
    ("OverlayOutlines", "Select image on which to display outlines"): (
        ("Display outlines on a blank image?", ("No",)),
    ),
    ("RescaleIntensity", "Select image to match in maximum intensity"): (
        ("Rescaling method", ("Match the image's maximum to another image's maximum",)),
    ),
    ("Resize", "Select the image with the desired dimensions"): (
        ("Resizing method", ("Resize by specifying desired final dimensions",)),
        ("Method to specify the dimensions", ("Image",)),
    ),
    ("ResizeObjects", "Select the image with the desired dimensions"): (("Method", ("Match Image",)),),
    ("SaveCroppedObjects", "Image to crop"): (("Do you want to save cropped images or object masks?", ("Images",)),),
    ("SaveCroppedObjects", "Select image name to use as a prefix"): (
        ("Prefix saved crop image name with input image name?", ("Yes",)),
    ),
    ("SaveImages", "Select image name for file prefix"): (
        ("Select method for constructing file names", ("From image filename",)),
    ),
    ("SplitOrMergeObjects", "Select the grayscale image to guide merging"): (
        ("Operation", ("Merge",)),
        ("Merging method", ("Distance",)),
        ("Merge using a grayscale image?", ("Yes",)),
    ),
    ("Tile", "Select an additional image to tile"): (("Tile assembly method", ("Within cycles",)),),
    ("Watershed", "Markers"): (("Generate from", ("Markers",)),),
    ("Watershed", "Mask"): (("Generate from", ("Markers",)),),
    ("Watershed", "Reference Image"): (("Use advanced settings?", ("Yes",)), ("Declump method", ("Intensity",))),
}


def input_names(modules: Iterable[Module]) -> tuple[str, ...]:
    """The names that modules use before any module made them, each once, in the order of their first use."""
    made: set[str] = set()
    needed: dict[str, None] = {}
    for module in modules:
        needed.update(dict.fromkeys(name for name in _needed(module) if name not in made))
        made.update(_made(module))
    return tuple(needed)


def is_output_label(module: str, label: str) -> bool:
    """Whether a setting names what the module makes."""
    return bool(MADE.fullmatch(label)) or label in (*MADE_IN_3_0, *ALSO_MADE.get(module, ()))


def is_input_label(module: str, label: str) -> bool:
    """Whether a setting names what the module uses."""
    if module in WITHOUT_NEEDS:
        return False
    return bool(NEEDED.fullmatch(label)) or label in (*NEEDED_IN_3_0, *ALSO_NEEDED.get(module, ()))


def _made(module: Module) -> Iterator[str]:
    yield from (value for label, value in module.settings if is_output_label(module.name, label))


def _needed(module: Module) -> Iterator[str]:
    for label, value in module.settings:
        if is_input_label(module.name, label) and _is_looked_at(module, label):
            yield from (name for name in re.split(r"\s*[,|]\s*", value.strip()) if name not in BLANK)


def _is_looked_at(module: Module, label: str) -> bool:
    conditions = LOOKED_AT_IF.get((module.name, label), ())
    return all(module.says(control, *values) for control, values in conditions)
