"""The files that SaveImages writes, as far as its settings tell (`modules/saveimages.py`, CellProfiler 4.2.8)."""

from dataclasses import dataclass

from cellpainting.errors import InvalidRequest
from cellpainting.pipelines.module import Module

IMAGE = "Select the image to save"
METHOD, SINGLE_NAME = "Select method for constructing file names", "Single name"
NAME = "Enter single file name"
FORMAT = "Saved file format"
LOCATION = "Output file location"
OUTPUT_FOLDER, OUTPUT_SUBFOLDER = "Default Output Folder", "Default Output Folder sub-folder"
OVERWRITE = "Overwrite existing files without warning?"
# The formats that LoadData reads again; the last two are what older files call those before.
EXTENSIONS = {"npy": "npy", "tiff": "tiff", "png": "png", "jpeg": "jpeg", "tif": "tiff", "jpg": "jpeg"}
# label, the values that tell the file, and why another does not; an old file may not have the setting
REQUIRED = (
    ("Select the type of image to save", ("Image",), "only 'Image' saves the image itself"),
    (METHOD, (SINGLE_NAME,), f"only {SINGLE_NAME!r} tells the file before the run"),
    ("Create subfolders in the output folder?", ("No", ""), "only 'No' tells the file before the run"),
    (FORMAT, tuple(EXTENSIONS), "CellProfiler 4.2.8 cannot write it, or not read it again as 'npy' is"),
)


@dataclass(frozen=True)
class SavedImage:
    """An image and the file that it is saved as: `<folder>/<name>.<extension>` below the folder of the results.

    `name` and `folder` may have metadata tags; without a folder the file lies right there.
    """

    image: str
    name: str
    extension: str
    folder: str = ""


def saved_image(module: Module) -> SavedImage:
    """What a SaveImages module saves. The suffix is not part of it: a single name gets none.

    Raises
    ------
    InvalidRequest
        If its settings do not tell the file, or CellProfiler could not write it.
    """
    for label, values, why in REQUIRED:
        if not module.says(label, *values):
            raise _refusal(module, label, why)
    if not module.value(NAME):
        raise _refusal(module, NAME, "the file has to have a name")
    if module.says("When to save", "Every cycle") and not module.says(OVERWRITE, "Yes"):
        raise _refusal(module, OVERWRITE, "saving at 'Every cycle' fails at the second image set")
    return SavedImage(module.value(IMAGE), module.value(NAME), EXTENSIONS[module.value(FORMAT)], _folder(module))


def _folder(module: Module) -> str:
    choice, separator, folder = module.value(LOCATION).partition("|")
    if choice == OUTPUT_FOLDER:
        return ""  # whatever stands behind it is a choice that was made before
    if choice == OUTPUT_SUBFOLDER:
        return folder if separator else ""
    raise _refusal(module, LOCATION, f"only {OUTPUT_FOLDER!r} and its sub-folders are kept")


def _refusal(module: Module, label: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"module {module.number} (SaveImages) saves {module.value(IMAGE)!r} with {label!r} set to "
        f"{module.value(label)!r}: {why}; change it, or give load data that names the file"
    )
