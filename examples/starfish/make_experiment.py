"""Draw a small in-situ-sequencing experiment whose genes and their places are known, in SpaceTx format.

Four rounds of four channels, and images of all nuclei and all dots, in fields of view of 256 x 256 pixels; beside them
`truth.csv`. A field depends on the seed and its own number only, so that it comes out the same whatever else is drawn.

    python examples/starfish/make_experiment.py FOLDER [--fields 2] [--empty 1 ...]
"""

import argparse
import csv
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

Point = tuple[int, int]  # row and column, in pixels

CHANNELS = 4
# The channel that is lit in each round.
GENES: Mapping[str, tuple[int, ...]] = {"ACTB": (0, 1, 2, 3), "GAPDH": (3, 0, 1, 2), "HER2": (2, 3, 3, 0)}
DRIFTS: tuple[Point, ...] = ((0, 0), (2, -1), (-3, 2), (1, 3))  # of the stage in each round; a recipe has to undo it
PIXEL_UM = 0.325
SPOT_SIGMA_PX = 2.2
BRIGHTNESS, BACKGROUND, NOISE = 0.55, 0.004, 0.0015  # shares of the whole range
MARGIN_PX, DISTANCE_PX = 24, 22  # of spots to the edge and to each other
NUCLEI, DOTS, PRIMARY = 2, 3, 1  # tell the noise of images apart
TRUTH = "truth.csv"


@dataclass(frozen=True)
class Drawing:
    """What is drawn: `empty` are the numbers of fields without a spot."""

    fields: int = 2
    empty: Collection[int] = ()
    size_px: int = 256
    spots: int = 12
    seed: int = 7


@dataclass(frozen=True)
class Spot:
    """One molecule: its gene and where it is before the stage drifts."""

    gene: str
    place: Point


def field_name(number: int) -> str:
    """As the published tools name fields of view."""
    return f"fov_{number:03d}"


def spots_of(drawing: Drawing, field: int) -> list[Spot]:
    """The spots of one field of view."""
    if field in drawing.empty:
        return []
    rng = np.random.default_rng([drawing.seed, field])
    places: list[Point] = []
    while len(places) < drawing.spots:
        row, column = map(int, rng.integers(MARGIN_PX, drawing.size_px - MARGIN_PX, 2))
        if all((row - y) ** 2 + (column - x) ** 2 >= DISTANCE_PX**2 for y, x in places):
            places.append((row, column))
    genes = sorted(GENES)
    return [Spot(genes[number % len(genes)], place) for number, place in enumerate(places)]


def draw(places: list[Point], size_px: int, key: tuple[int, ...]) -> NDArray[np.uint16]:
    """An image of size_px x size_px with a spot at each of the places; `key` seeds its noise."""
    image = np.abs(np.random.default_rng(key).normal(BACKGROUND, NOISE, (size_px, size_px)))
    y, x = np.ogrid[:size_px, :size_px]
    for row, column in places:
        image += BRIGHTNESS * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * SPOT_SIGMA_PX**2))
    return (np.clip(image, 0, 1) * np.iinfo(np.uint16).max).astype(np.uint16)


def write_experiment(folder: Path, drawing: Drawing) -> None:
    """Write everything into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"primary": _primary, "nuclei": _nuclei, "dots": _dots}
    for kind, images in kinds.items():
        contents = {}
        for field in range(drawing.fields):
            name = field_name(field)
            tiles = [_write_tile(folder, kind, field, drawing, *image) for image in images(drawing, field)]
            contents[name] = f"{kind}-{name}.json"
            _write_json(folder / contents[name], _field_document(tiles))
        _write_json(folder / f"{kind}.json", {"version": "0.1.0", "contents": contents, "extras": None})
    experiment = {"version": "5.0.0", "images": {kind: f"{kind}.json" for kind in kinds}, "extras": {}}
    _write_json(folder / "experiment.json", {**experiment, "codebook": "codebook.json"})
    _write_json(folder / "codebook.json", _codebook())
    _write_truth(folder / TRUTH, drawing)


def _primary(drawing: Drawing, field: int) -> Iterator[tuple[int, int, NDArray[np.uint16]]]:
    spots = spots_of(drawing, field)
    for turn, (down, right) in enumerate(DRIFTS):
        for channel in range(CHANNELS):
            lit = [spot.place for spot in spots if GENES[spot.gene][turn] == channel]
            moved = [(row + down, column + right) for row, column in lit]
            yield turn, channel, draw(moved, drawing.size_px, (field, turn, channel, PRIMARY))


def _nuclei(drawing: Drawing, field: int) -> Iterator[tuple[int, int, NDArray[np.uint16]]]:
    yield 0, 0, draw([spot.place for spot in spots_of(drawing, field)], drawing.size_px, (field, NUCLEI))


def _dots(drawing: Drawing, field: int) -> Iterator[tuple[int, int, NDArray[np.uint16]]]:
    yield 0, 0, draw([spot.place for spot in spots_of(drawing, field)], drawing.size_px, (field, DOTS))


def _write_tile(
    folder: Path, kind: str, field: int, drawing: Drawing, turn: int, channel: int, image: NDArray[np.uint16]
) -> dict[str, Any]:
    path = folder / f"{kind}-{field_name(field)}-c{channel}-r{turn}-z0.tiff"
    tifffile.imwrite(path, image)
    width_um = drawing.size_px * PIXEL_UM
    return {
        "coordinates": {"xc": [field * width_um, (field + 1) * width_um], "yc": [0.0, width_um], "zc": [0.0, 0.0]},
        "file": path.name,
        "indices": {"r": turn, "c": channel, "z": 0},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "tile_format": "TIFF",
        "tile_shape": {"y": drawing.size_px, "x": drawing.size_px},
    }


def _field_document(tiles: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {axis: len({tile["indices"][axis] for tile in tiles}) for axis in ("r", "c", "z")}
    dimensions = ["r", "c", "z", "y", "x", "xc", "yc", "zc"]
    head = {"version": "0.1.0", "default_tile_format": "TIFF", "dimensions": dimensions, "extras": {}}
    return {**head, "shape": counts, "tiles": tiles}


def _codebook() -> dict[str, Any]:
    mappings = [
        {"codeword": [{"r": turn, "c": channel, "v": 1} for turn, channel in enumerate(channels)], "target": gene}
        for gene, channels in sorted(GENES.items())
    ]
    return {"version": "0.0.0", "mappings": mappings}


def _write_truth(path: Path, drawing: Drawing) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["fov", "target", "x", "y"])
        for field in range(drawing.fields):
            for spot in spots_of(drawing, field):
                table.writerow([field_name(field), spot.gene, spot.place[1], spot.place[0]])


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1))


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description="draw a small in-situ-sequencing experiment in SpaceTx format")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fields", type=int, default=Drawing.fields, help="fields of view")
    parser.add_argument("--empty", type=int, nargs="*", default=[], help="numbers of fields without a spot, from 0")
    arguments = parser.parse_args()
    write_experiment(arguments.folder, Drawing(fields=arguments.fields, empty=arguments.empty))
    print(f"{arguments.fields} fields of view in {arguments.folder}")


if __name__ == "__main__":
    main()
