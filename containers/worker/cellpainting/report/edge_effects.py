"""Whether the outermost wells of a plate differ from the inner ones."""

from collections.abc import Sequence

import numpy as np

from cellpainting.ledger.plate_map import Well
from cellpainting.report.page_data import EdgeEffect, Layer

FEWEST = 4  # wells on either side, to say anything
MAD_TO_DEVIATION = 1.4826  # of a normal distribution


def edge_effects(layers: Sequence[Layer], places: Sequence[Well]) -> tuple[EdgeEffect, ...]:
    """The effect for each layer of numbers, the largest first; the edge are the outermost rows and columns in use."""
    rows, columns = [row for row, _ in places], [column for _, column in places]
    edge = np.array(
        [row in (min(rows), max(rows)) or column in (min(columns), max(columns)) for row, column in places],
        dtype=np.bool_,
    )
    found = [effect for layer in layers if not layer.is_category and (effect := _effect(layer, edge))]
    return tuple(sorted(found, key=lambda one: -abs(one.deviations or 0.0)))


def _effect(layer: Layer, edge: np.ndarray) -> EdgeEffect | None:
    values = np.array([np.nan if value is None else float(value) for value in layer.values])
    is_known = ~np.isnan(values)
    outer, inner = values[edge & is_known], values[~edge & is_known]
    if len(outer) < FEWEST or len(inner) < FEWEST:
        return None
    middle = float(np.median(inner))
    spread = MAD_TO_DEVIATION * float(np.median(np.abs(inner - middle)))
    difference = float(np.median(outer)) - middle
    return EdgeEffect(layer.name, middle + difference, middle, difference / spread if spread else None)
