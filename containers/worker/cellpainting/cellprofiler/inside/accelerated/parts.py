"""The parts of CellProfiler that are made faster, each with the sources that its values were proven equal to."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from .kernel import KernelsNotCompiled

DIGITS = 16  # of a SHA-256
# What the kernels stand for beside the sources below, and what they are compared with in the tests.
VERSIONS = {
    "cellprofiler": "4.2.8.1",
    "cellprofiler-core": "4.2.8.1",
    "centrosome": "1.2.3",
    "h5py": "3.7.0",
    "mahotas": "1.4.18",
    "numpy": "1.23.5",
    "pillow": "11.3.0",
    "prokaryote": "2.4.4",
    "scikit-image": "0.18.3",
    "scipy": "1.9.0",
}


@dataclass(frozen=True)
class Part:
    """A part of CellProfiler and the file of this package, `file`, that makes it faster.

    `name` is that of a module as pipelines have it, for `is_module`; other parts are of use to every pipeline.
    `sources` are the Python modules that are replaced or relied on, the class of a module in the first, each with the
    beginning of its SHA-256.
    """

    name: str
    file: str
    sources: Mapping[str, str]
    is_module: bool = True


PARTS = (
    Part("MeasureColocalization", "colocalization", {"cellprofiler.modules.measurecolocalization": "4dedd8faf2ff1fc7"}),
    Part("MeasureObjectNeighbors", "neighbors", {"cellprofiler.modules.measureobjectneighbors": "1f7578f423790c6c"}),
    Part(
        "CorrectIlluminationCalculate",
        "illumination",
        {
            "cellprofiler.modules.correctilluminationcalculate": "4720036663d66dcd",
            "centrosome.cpmorphology": "881644fb53a19add",
            "centrosome.smooth": "3c5bf2a970adfa6d",
            "scipy.ndimage._filters": "dc1e1c1819fcee21",
            "scipy.ndimage._measurements": "65cbba630f6c60fc",
        },
    ),
    Part(
        "MeasureGranularity",
        "granularity",
        {
            "cellprofiler.modules.measuregranularity": "2f3494a09797372f",
            "scipy.ndimage._interpolation": "514d24a5731209d3",
            "skimage.morphology.grey": "2eb916913e5fa62d",
            "skimage.morphology.greyreconstruct": "8f9c1ea5348d47ce",
        },
    ),
    Part(
        "MeasureImageIntensity",
        "image_intensity",
        {
            "cellprofiler.modules.measureimageintensity": "661f3c415bbf2213",
            "numpy.lib.function_base": "4d610b3884a47323",
        },
    ),
    Part(
        "MeasureImageQuality",
        "quality",
        {
            "cellprofiler.modules.measureimagequality": "fcb349eedaea49e5",
            "centrosome.haralick": "ead20e9a72761a69",
            "centrosome.otsu": "ec2efb9ad6870852",
            "centrosome.radial_power_spectrum": "f0cd93fd375f493d",
            "numpy.lib.function_base": "4d610b3884a47323",
            "scipy.fft._pocketfft.basic": "5a7faabdcdabd657",
            "scipy.ndimage._measurements": "65cbba630f6c60fc",
        },
    ),
    Part(
        "MeasureObjectIntensity",
        "intensity",
        {
            "cellprofiler.modules.measureobjectintensity": "3fac73fe3eab74f5",
            "scipy.ndimage._measurements": "65cbba630f6c60fc",
            "skimage.segmentation.boundaries": "878f07067f99e157",
        },
    ),
    Part(
        "MeasureObjectIntensityDistribution",
        "distribution",
        {
            "cellprofiler.modules.measureobjectintensitydistribution": "e012998562d0871d",
            "centrosome.cpmorphology": "881644fb53a19add",
            "centrosome.propagate": "409f0bf1d2093857",
            "centrosome.zernike": "4b1703e035a7fcd3",
            "scipy.ndimage._measurements": "65cbba630f6c60fc",
        },
    ),
    Part(
        "MeasureObjectSizeShape",
        "shape",
        {
            "cellprofiler.modules.measureobjectsizeshape": "66b35e81be80ffa7",
            "centrosome.cpmorphology": "881644fb53a19add",
            "centrosome.zernike": "4b1703e035a7fcd3",
            "skimage.measure._moments": "42295a6732b98fd9",
            "skimage.measure._regionprops": "bf6c37d30fb54507",
            "skimage.measure._regionprops_utils": "9c0335abda40e700",
            "skimage.morphology.convex_hull": "c88bfa70ed37dc22",
        },
    ),
    Part(
        "MeasureTexture",
        "texture",
        {
            "cellprofiler.modules.measuretexture": "3af3c00ac9b7f6f3",
            "mahotas.features.texture": "7833113980daf0a5",
        },
    ),
    Part(
        "OverlayOutlines",
        "outlines",
        {
            "cellprofiler.modules.overlayoutlines": "e3b2fa6c7f807f41",
            "skimage.segmentation.boundaries": "878f07067f99e157",
        },
    ),
    Part(
        "ExportToSpreadsheet",
        "export",
        {"cellprofiler.modules.exporttospreadsheet": "53ab328a27a2cb48"},
    ),
    Part(
        "Measurements",
        "measurements",
        {
            "cellprofiler_core.measurement._measurements": "212e709d23e41459",
            "cellprofiler_core.utilities.hdf5_dict": "3c90007f30969513",
        },
        is_module=False,
    ),
    Part(
        "objects",
        "objects",
        {
            "cellprofiler_core.object._objects": "efd6ad4c93821222",
            "cellprofiler_core.object._segmentation": "1e14e66f8517f8d4",
            "centrosome.cpmorphology": "881644fb53a19add",
        },
        is_module=False,
    ),
    Part(
        "image reading",
        "image_files",
        {
            "bioformats.formatreader": "ecb78ea58242f4aa",
            "cellprofiler_core.image.abstract_image.file._file_image": "8c35c637f95c1429",
        },
        is_module=False,
    ),
)


@dataclass(frozen=True)
class Acceleration:
    """Which parts were replaced, and why others, of those that the pipeline uses, were left alone, by name.

    `version` tells one state of this package from another.
    """

    version: str
    replaced: tuple[str, ...]
    left_alone: Mapping[str, str]


def accelerate(module_names: Collection[str]) -> Acceleration:
    """Replace what a pipeline of these modules uses, after CellProfiler has loaded its modules and plugins."""
    parts = [part for part in PARTS if not part.is_module or part.name in module_names]
    reasons = dict.fromkeys((part.name for part in parts), _unknown_version())
    for part in parts:
        reasons[part.name] = reasons[part.name] or _unknown_source(part) or _install(part)
    replaced = tuple(name for name, reason in reasons.items() if not reason)
    return Acceleration(_version(), replaced, {name: reason for name, reason in reasons.items() if reason})


def _install(part: Part) -> str:
    """Why it could not be, or nothing; so the two below."""
    try:
        importlib.import_module(f".{part.file}", __package__).install()
    except (ImportError, KernelsNotCompiled) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _version() -> str:
    text = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        text.update(path.read_bytes())
    return text.hexdigest()[:DIGITS]


def _unknown_version() -> str:
    for package, known in VERSIONS.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        if version != known:
            return f"{package} is {version}, and equal values are proven for {known} only"
    return ""


def _unknown_source(part: Part) -> str:
    if part.is_module:
        from cellprofiler_core.utilities.core.modules import get_module_class

        in_use = get_module_class(part.name)
        if in_use.__module__ != next(iter(part.sources)):
            return f"a plugin replaces it ({inspect.getfile(in_use)})"
    for module, known in part.sources.items():
        sha256 = hashlib.sha256(_path(module).read_bytes()).hexdigest()
        if sha256[:DIGITS] != known:
            return f"{module} is not as it was proven equal to (its SHA-256 begins with {sha256[:DIGITS]}, not {known})"
    return ""


def _path(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin)
