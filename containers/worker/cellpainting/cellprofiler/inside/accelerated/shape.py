"""MeasureObjectSizeShape: shapes are counted by kernels, and Zernike moments are added up from sums of powers.

What scikit-image, centrosome and NumPy do quickly is left to them, and is rounded as the original rounds it: moments
of single objects, of which some are zero but for rounding, enclosing circles and diameters.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
import skimage.measure
from cellprofiler.modules.measureobjectsizeshape import MeasureObjectSizeShape
from centrosome.cpmorphology import feret_diameter
from centrosome.zernike import construct_zernike_lookuptable

from .kernel import Array
from .kernels.distances import distances_to_outside
from .kernels.shape import CONVEX_AREA, DIAGONAL, EULER, MIXED, STRAIGHT, count_shapes, radii_of
from .kernels.zernike import zernike_sums
from .regions import Regions, regions_of
from .replacing import replace_method

ORDER = 3  # of moments


def install() -> None:
    """Replace the method that measures one set of objects."""
    replace_method(MeasureObjectSizeShape, "analyze_objects", analyze_objects)


def analyze_objects(self: Any, objects: Any, _desired_properties: Any) -> Any:
    """Features by name, in the order in which they are stored."""
    regions = regions_of(objects)
    if regions is None or not len(regions):
        return NotImplemented
    numbers = np.arange(1, regions.numbers[-1] + 1, dtype=np.int32)
    raw, central = _moments(regions)
    tensor = _inertia_tensor(central)
    eigenvalues = np.clip(np.linalg.eigvalsh(tensor), 0, None)[:, ::-1]
    features = {**_ellipses(tensor, eigenvalues), **_boxes(regions), **_outlines(regions), **_radii(regions)}
    features["MinFeretDiameter"], features["MaxFeretDiameter"] = feret_diameter(*regions.hulls, numbers)
    features = {name: features[name] for name in PLAIN}
    if self.calculate_advanced.value:
        features.update(_advanced(raw, central, tensor, eigenvalues))
    if self.calculate_zernikes.value:
        features.update(_zernikes(regions, self.get_zernike_numbers(), self.get_zernike_name))
    return features


# In the order in which they are stored.
PLAIN = (
    *("Area", "Perimeter", "MajorAxisLength", "MinorAxisLength", "Eccentricity", "Orientation", "Center_X", "Center_Y"),
    *("BoundingBoxArea", "BoundingBoxMinimum_X", "BoundingBoxMaximum_X", "BoundingBoxMinimum_Y"),
    *("BoundingBoxMaximum_Y", "FormFactor", "Extent", "Solidity", "Compactness", "EulerNumber", "MaximumRadius"),
    *("MeanRadius", "MedianRadius", "ConvexArea", "MinFeretDiameter", "MaxFeretDiameter", "EquivalentDiameter"),
)


def _moments(regions: Regions) -> tuple[Array, Array]:
    """Raw and central moments of each object: (n, 4, 4) each, of rows and columns within its box."""
    raw, central = np.empty((2, len(regions), ORDER + 1, ORDER + 1))
    for index, (number, (top, bottom, left, right)) in enumerate(zip(regions.numbers, regions.boxes)):
        image = (regions.labels[top:bottom, left:right] == number).astype(np.uint8)
        raw[index] = skimage.measure.moments(image, ORDER)
        center = raw[index, 1, 0] / raw[index, 0, 0], raw[index, 0, 1] / raw[index, 0, 0]
        central[index] = skimage.measure.moments_central(image, center, ORDER)
    return raw, central


def _inertia_tensor(central: Array) -> Array:
    """(n, 2, 2) from central moments; their sum less one of them, which is rounded, and not just the other."""
    tensor = np.empty((len(central), 2, 2))
    both = central[:, 2, 0] + central[:, 0, 2]
    tensor[:, 0, 0], tensor[:, 1, 1] = both - central[:, 2, 0], both - central[:, 0, 2]
    tensor[:, 0, 1] = tensor[:, 1, 0] = -central[:, 1, 1]
    return tensor / central[:, :1, :1]


def _ellipses(tensor: Array, eigenvalues: Array) -> dict[str, Array]:
    major, minor = eigenvalues.T
    with np.errstate(invalid="ignore"):
        eccentricity = np.where(major == 0, 0, np.sqrt(1 - minor / major))
    rows, mixed, columns = tensor[:, 0, 0], tensor[:, 0, 1], tensor[:, 1, 1]
    diagonal = np.where(mixed < 0, -pi / 4, pi / 4)
    orientation = np.where(rows - columns == 0, diagonal, 0.5 * np.arctan2(-2 * mixed, columns - rows))
    return {
        "MajorAxisLength": 4 * np.sqrt(major),
        "MinorAxisLength": 4 * np.sqrt(minor),
        "Eccentricity": eccentricity,
        "Orientation": orientation * (180 / pi),
    }


def _boxes(regions: Regions) -> dict[str, Array]:
    top, bottom, left, right = regions.boxes.T
    area = np.diff(regions.starts)
    sums = np.add.reduceat(regions.pixels, regions.starts[:-1], axis=0, dtype=np.int64)
    box_area = (bottom - top) * (right - left)
    return {
        "Area": area,
        "Center_X": sums[:, 1] / area,
        "Center_Y": sums[:, 0] / area,
        "BoundingBoxArea": box_area,
        "BoundingBoxMinimum_X": left,
        "BoundingBoxMaximum_X": right,
        "BoundingBoxMinimum_Y": top,
        "BoundingBoxMaximum_Y": bottom,
        "Extent": area / box_area,
        "EquivalentDiameter": np.sqrt(4 * area / pi),
    }


def _outlines(regions: Regions) -> dict[str, Array]:
    area = np.diff(regions.starts)
    counts = count_shapes(regions.labels, regions.numbers, regions.boxes).T
    perimeter = counts[STRAIGHT] + sqrt(2) * counts[DIAGONAL] + (1 + sqrt(2)) / 2 * counts[MIXED]
    with np.errstate(divide="ignore"):
        form_factor = 4 * pi * area / perimeter**2
    return {
        "Perimeter": perimeter,
        "FormFactor": form_factor,
        "Compactness": perimeter**2 / (4 * pi * area),
        "EulerNumber": counts[EULER],
        "ConvexArea": counts[CONVEX_AREA],
        "Solidity": area / counts[CONVEX_AREA],
    }


def _radii(regions: Regions) -> dict[str, Array]:
    """Of numbers up to the highest; if some do not occur, the last places are left over, as in the original."""
    distances = distances_to_outside(
        regions.labels, regions.numbers, regions.boxes, regions.pixels, regions.starts, False
    )
    radii = np.zeros((3, regions.numbers[-1]))
    radii[:, : len(regions)] = radii_of(distances, regions.starts)
    return {"MaximumRadius": radii[0], "MeanRadius": radii[1], "MedianRadius": radii[2]}


def _advanced(raw: Array, central: Array, tensor: Array, eigenvalues: Array) -> dict[str, Array]:
    normalized = np.full_like(central, np.nan)
    for p, q in np.ndindex(ORDER + 1, ORDER + 1):
        if p + q >= 2:
            normalized[:, p, q] = central[:, p, q] / central[:, 0, 0] ** ((p + q) / 2 + 1)
    hu = np.array([skimage.measure.moments_hu(of_one) for of_one in normalized])
    features = {f"SpatialMoment_{p}_{q}": raw[:, p, q] for p, q in np.ndindex(ORDER, ORDER + 1)}
    features.update({f"CentralMoment_{p}_{q}": central[:, p, q] for p, q in np.ndindex(ORDER, ORDER + 1)})
    features.update({f"NormalizedMoment_{p}_{q}": normalized[:, p, q] for p, q in np.ndindex(ORDER + 1, ORDER + 1)})
    features.update({f"HuMoment_{index}": values for index, values in enumerate(hu.T)})
    features.update({f"InertiaTensor_{p}_{q}": tensor[:, p, q] for p, q in np.ndindex(2, 2)})
    features.update({f"InertiaTensorEigenvalues_{index}": values for index, values in enumerate(eigenvalues.T)})
    return features


def _zernikes(regions: Regions, indexes: Array, name: Any) -> dict[str, Array]:
    """Magnitudes by number, relative to the area of the enclosing circle; NaN for numbers that do not occur."""
    centers, radii = regions.circles
    table = construct_zernike_lookuptable(indexes)
    ones = np.broadcast_to(1.0, len(regions.pixels))
    sums = zernike_sums(regions.pixels, ones, regions.starts, centers, radii, indexes, table)
    magnitudes = np.full((len(indexes), regions.numbers[-1]), np.nan)
    magnitudes[:, regions.numbers - 1] = np.sqrt((sums**2).sum(axis=0)) / (pi * radii**2)
    return {name(index): values for index, values in zip(indexes, magnitudes)}
