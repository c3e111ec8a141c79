"""MeasureObjectIntensityDistribution: where in its object each pixel lies is found once, for all images.

Zernike moments are added up from sums of powers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cellprofiler.modules.measureobjectintensitydistribution import (
    C_CENTERS_OF_OTHER,
    C_SELF,
    F_ALL,
    FF_GENERIC,
    FF_OVERFLOW,
    M_CATEGORY,
    Z_MAGNITUDES_AND_PHASE,
    MeasureObjectIntensityDistribution,
)
from centrosome.zernike import construct_zernike_lookuptable, get_zernike_indexes

from .kernel import Array
from .kernels.radial import WEDGES, add_up_double, add_up_single, count_places
from .kernels.zernike import zernike_sums
from .positions import Positions, positions_of
from .regions import Regions, regions_of
from .replacing import replace_method

# Of Zernike moments. Coefficients grow with it, to 1e7 at 20, and with them the rounding of sums that they multiply.
HIGHEST_DEGREE = 12
KNOWN = "accelerated"  # a key of the dictionary that the module makes for each run


def install() -> None:
    """Replace the two methods that measure."""
    replace_method(MeasureObjectIntensityDistribution, "do_measurements", do_measurements)
    replace_method(MeasureObjectIntensityDistribution, "calculate_zernikes", calculate_zernikes)


def do_measurements(
    self: Any,
    workspace: Any,
    image_name: str,
    object_name: str,
    center_object_name: str | None,
    center_choice: str,
    bin_count_settings: Any,
    known: dict[Any, Any],
) -> Any:
    """Measure the objects of one name in one image, with one number of bins."""
    if KNOWN not in known:
        known[KNOWN] = None if self.heatmaps else _run_of(self, workspace)
    run = known[KNOWN]
    if run is None:
        return NotImplemented
    regions = run.regions[object_name]
    bin_count, is_scaled = bin_count_settings.bin_count.value, bin_count_settings.wants_scaled.value
    if not len(regions):
        _store_nothing(workspace, object_name, image_name, bin_count, is_scaled)
        return []
    # Of several settings of bins the first decides on the distances for all: so it does in the original.
    key = object_name if center_object_name is None else f"{object_name}_{center_object_name}"
    if key not in run.positions:
        run.positions[key] = positions_of(
            regions,
            None if center_object_name is None else run.regions[center_object_name],
            is_from_centers=center_choice == C_CENTERS_OF_OTHER,
            radius=None if is_scaled else bin_count_settings.maximum_radius.value,
        )
    pixels = workspace.image_set.get_image(image_name, must_be_grayscale=True).pixel_data
    features = _measure(pixels, regions, run.positions[key], bin_count)
    for ring in range(bin_count if is_scaled else bin_count + 1):
        for feature, values in zip(F_ALL, features):
            name = _name(feature, image_name, ring, bin_count)
            workspace.measurements.add_measurement(object_name, name, values[:, ring])
    return []


@dataclass(frozen=True)
class Run:
    """What one run of the module knows: regions by the name of objects, positions by theirs and that of centres."""

    regions: dict[str, Regions]
    positions: dict[str, Positions] = field(default_factory=dict)


def _run_of(module: Any, workspace: Any) -> Run | None:
    """None if some objects overlap, or an image is not of their size, or of whole numbers."""
    names = [of_one.object_name.value for of_one in module.objects]
    names += [of_one.center_object_name.value for of_one in module.objects if of_one.center_choice.value != C_SELF]
    found = {name: regions_of(workspace.object_set.get_objects(name)) for name in names}
    regions = {name: of_one for name, of_one in found.items() if of_one is not None}
    shapes = {of_one.labels.shape for of_one in regions.values()}
    for name in module.images_list.value:
        pixels = workspace.image_set.get_image(name, must_be_grayscale=True).pixel_data
        if pixels.dtype not in (np.float32, np.float64) or shapes != {pixels.shape}:
            return None
    return Run(regions) if len(regions) == len(found) else None


def _name(feature: str, image_name: str, ring: int, bin_count: int) -> str:
    if ring == bin_count:
        return f"{M_CATEGORY}_{feature}_{image_name}_{FF_OVERFLOW}"
    return f"{M_CATEGORY}_{feature}{FF_GENERIC % (image_name, ring + 1, bin_count)}"


def _store_nothing(workspace: Any, object_name: str, image_name: str, bin_count: int, is_scaled: bool) -> None:
    for ring in range(bin_count):
        for feature in F_ALL:
            for stored in (ring,) if is_scaled else (ring, bin_count):
                name = _name(feature, image_name, stored, bin_count)
                workspace.measurements.add_measurement(object_name, name, np.zeros(0))


def _measure(pixels: Array, regions: Regions, positions: Positions, bin_count: int) -> tuple[Array, Array, Array]:
    """What is in each ring, by number and ring: its part of the intensity, that relative to its part of the area,
    and how its wedges vary.
    """
    rings = bin_count + 1
    places = positions.places(bin_count)
    by_ring = np.zeros((len(regions), rings), pixels.dtype)
    by_wedge = np.zeros((len(regions), rings * WEDGES), pixels.dtype)
    add_up = add_up_single if pixels.dtype == np.float32 else add_up_double
    add_up(pixels, regions.pixels, regions.starts, places, by_ring, by_wedge)
    counts = count_places(regions.starts, places, rings).astype(float)
    by_ring, by_wedge, counts = [_by_number(values, regions) for values in (by_ring, by_wedge, counts)]
    wedge_counts = counts.reshape(-1, rings, WEDGES)
    ring_counts = wedge_counts.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        fractions = by_ring / by_ring.sum(axis=1, keepdims=True)
        areas = ring_counts / ring_counts.sum(axis=1, keepdims=True)
        relative = fractions / (areas + np.finfo(float).eps)
        means = np.ma.masked_array(by_wedge.reshape(wedge_counts.shape) / wedge_counts, wedge_counts == 0)
        variations = np.ma.std(means, axis=2) / np.ma.mean(means, axis=2)
    variations[ring_counts == 0] = 0
    return fractions, relative, np.asarray(variations)


def _by_number(values: Array, regions: Regions) -> Array:
    """With zeros for numbers that do not occur."""
    if len(regions) == regions.numbers[-1]:
        return values
    by_number = np.zeros((regions.numbers[-1], *values.shape[1:]), values.dtype)
    by_number[regions.numbers - 1] = values
    return by_number


def calculate_zernikes(self: Any, workspace: Any) -> Any:
    """Magnitudes and phases of all objects in all images."""
    run = _run_of(self, workspace) if self.zernike_degree.value <= HIGHEST_DEGREE else None
    if run is None:
        return NotImplemented
    indexes = get_zernike_indexes(self.zernike_degree.value + 1)
    has_phases = self.wants_zernikes == Z_MAGNITUDES_AND_PHASE
    for objects in self.objects:
        object_name = objects.object_name.value
        for image_name in self.images_list.value:
            image = workspace.image_set.get_image(image_name, must_be_grayscale=True)
            magnitudes, phases = _zernikes(image, run.regions[object_name], indexes)
            for (n, m), magnitude, phase in zip(indexes, magnitudes, phases):
                workspace.measurements[object_name, self.get_zernike_magnitude_name(image_name, n, m)] = magnitude
                if has_phases:
                    workspace.measurements[object_name, self.get_zernike_phase_name(image_name, n, m)] = phase
    return None


def _zernikes(image: Any, regions: Regions, indexes: Array) -> tuple[Array, Array]:
    """Magnitude and phase by polynomial and number; none if no pixel is to be measured."""
    pixels, starts = regions.pixels, regions.starts
    if image.has_mask:
        is_used = image.mask[pixels[:, 0], pixels[:, 1]]
        starts = np.concatenate([[0], np.cumsum(is_used)])[starts]
        pixels = pixels[is_used]
    if not len(pixels):
        return np.zeros((len(indexes), 0)), np.zeros((len(indexes), 0))
    weights = image.pixel_data[pixels[:, 0], pixels[:, 1]].astype(np.float64)
    centers, radii = regions.circles
    table = construct_zernike_lookuptable(indexes)
    real, imaginary = np.zeros((2, len(indexes), regions.numbers[-1]))
    occurring = regions.numbers - 1
    real[:, occurring], imaginary[:, occurring] = zernike_sums(pixels, weights, starts, centers, radii, indexes, table)
    areas = np.zeros(regions.numbers[-1])
    areas[occurring] = np.diff(starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(real * real + imaginary * imaginary) / areas, np.arctan2(real, imaginary)
