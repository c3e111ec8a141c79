"""Draw a small plate of Cell-Painting-like images whose cell count is known.

Five channels per site, 16-bit TIFF, named `images/<plate>_<well>_s<site>_<channel>.tif`, and beside that folder the
tables `load_data.csv`, in the columns of the Cell Painting Gallery, `platemap.txt` and `truth.csv`. Images are darker
towards their corners, as a microscope's are. A site depends on its own seed only, so it comes out the same whatever
else is drawn, and in whatever order.

    python examples/small_plate/make_images.py FOLDER
"""

import argparse
import csv
import io
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import tifffile
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Plane = NDArray[np.float32]

CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
IMAGES = "images"
LOAD_DATA = "load_data.csv"
TRUTH = "truth.csv"
PLATEMAP = "platemap.txt"
MAX_TRIES = 20_000  # places tried per site before the condition is called too crowded
# The share of light lost in a corner. As much as a widefield microscope without a good flat field loses: a cell there
# seems darker than another by more than cells differ (by 1 in 5), which illumination functions are for.
VIGNETTING = 0.4
EDGE_SOFTNESS = 0.10  # width of a nucleus' rim, as a share of its radius
CELL_GAP = 0.02  # gap between neighbours, as a share of a cell's radius
NOWHERE = 9.0  # distance, in cell radii, of a pixel that no cell reaches


@dataclass(frozen=True)
class Condition:
    """How the cells of a well look: their mean number per site, and lengths in px. `control_type` is the platemap's."""

    name: str
    cells: int
    nucleus_radius_px: float
    cell_radius_px: float
    control_type: str


@dataclass(frozen=True)
class Optics:
    """Microscope and camera. Brightness in camera counts; `vignetting` is the share of light lost in a corner."""

    blur_px: float = 0.9
    vignetting: float = VIGNETTING
    background: float = 420.0
    counts_per_photon: float = 6.0
    read_noise: float = 14.0


@dataclass(frozen=True)
class Site:
    """One field of view, and the number of cells in it when it has been drawn."""

    plate: str
    well: str
    site: int
    cells: int


@dataclass(frozen=True)
class Plate:
    """A plate: what is in each well, and how it is imaged. Images are `size_px` squared."""

    batch: str
    name: str
    wells: tuple[tuple[str, Condition], ...]
    sites: int = 2
    size_px: int = 448
    seed: int = 20_240_613
    optics: Optics = Optics()


@dataclass(frozen=True)
class Cell:
    """One cell. Position and radii in px, angles in radians; `light` scales its brightness."""

    y: float
    x: float
    nucleus_radius: float
    cell_radius: float
    elongation: float
    angle: float
    light: float
    golgi_angle: float


@dataclass(frozen=True)
class Shapes:
    """Where the cells of a site are, as float32 planes of the image's shape.

    `nuclei` is 0 outside and 1 inside. `depth` is the distance to the nearest cell's middle in units of its
    radius, and below 1 inside cells; `gap` is how much farther the second nearest is; `light` is each cell's own.
    """

    nuclei: Plane
    depth: Plane
    gap: Plane
    light: Plane

    @property
    def bodies(self) -> Plane:
        """1 inside cells, 0 between them, with a soft rim."""
        inside = np.clip((1 - self.depth) / 0.06, 0, 1) * np.clip((self.gap - CELL_GAP) / 0.05, 0, 1)
        return np.asarray(inside, np.float32)


CONTROL = Condition("control", cells=36, nucleus_radius_px=12.5, cell_radius_px=33, control_type="negcon")
TREATED = Condition("treated", cells=14, nucleus_radius_px=18, cell_radius_px=56, control_type="trt")
EMPTY = Condition("empty", cells=0, nucleus_radius_px=12.5, cell_radius_px=33, control_type="empty")

SMALL_PLATE = Plate(
    batch="small_batch",
    name="SmallPlate",
    wells=(
        ("A01", CONTROL),
        ("A02", TREATED),
        ("A03", CONTROL),
        ("B01", CONTROL),
        ("B02", TREATED),
        ("B03", EMPTY),
    ),
)


def place_cells(rng: Generator, condition: Condition, size_px: int) -> tuple[Cell, ...]:
    """Scatter cells so that no two nuclei touch and none touches the image's border: then their number is exact.

    Raises
    ------
    ValueError
        If so many cells of that size do not fit.
    """
    wanted = round(condition.cells * rng.uniform(0.85, 1.15))
    margin, distance = 1.5 * condition.nucleus_radius_px, 3.2 * condition.nucleus_radius_px
    cells: list[Cell] = []
    for _ in range(MAX_TRIES):
        if len(cells) == wanted:
            return tuple(cells)
        y, x = rng.uniform(margin, size_px - margin, 2)
        if all((y - cell.y) ** 2 + (x - cell.x) ** 2 > distance**2 for cell in cells):
            cells.append(_grow_cell(rng, condition, y, x))
    raise ValueError(
        f"{wanted} cells of {condition} do not fit into {size_px} x {size_px} px; ask for fewer or smaller"
    )


def _grow_cell(rng: Generator, condition: Condition, y: float, x: float) -> Cell:
    size = rng.uniform(0.88, 1.12)
    return Cell(
        y=y,
        x=x,
        nucleus_radius=condition.nucleus_radius_px * size,
        cell_radius=condition.cell_radius_px * size * rng.uniform(0.9, 1.15),
        elongation=rng.uniform(1.0, 1.3),
        angle=rng.uniform(0, np.pi),
        light=rng.uniform(0.8, 1.2),
        golgi_angle=rng.uniform(0, 2 * np.pi),
    )


def make_texture(rng: Generator, size_px: int, grain_px: float) -> Plane:
    """Smooth noise of mean 0 and standard deviation 1, float32 (size, size); `grain_px` is the size of its blobs."""
    noise = gaussian_filter(rng.standard_normal((size_px, size_px), np.float32), grain_px, mode="wrap")
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def make_filaments(rng: Generator, size_px: int, grain_px: float) -> Plane:
    """A network of threads, 0 to 1, float32 (size, size): where smooth noise passes through zero."""
    return np.asarray(np.exp(-((make_texture(rng, size_px, grain_px) / 0.35) ** 2)), np.float32)


def outline_cells(rng: Generator, cells: Sequence[Cell], size_px: int) -> Shapes:
    """Draw each cell's nucleus and body; bodies give way to each other, nuclei stay apart."""
    shape = (size_px, size_px)
    nuclei, light = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    nearest, second = np.full(shape, NOWHERE, np.float32), np.full(shape, NOWHERE, np.float32)
    bend_y, bend_x = (make_texture(rng, size_px, grain_px=9) for _ in range(2))
    for cell in cells:
        window = _window(cell, size_px)
        y, x = (axis.astype(np.float32) for axis in np.mgrid[window])
        rim = _distance(cell, y, x) / cell.nucleus_radius
        nuclei[window] = np.maximum(nuclei[window], np.clip((1 - rim) / EDGE_SOFTNESS, 0, 1))
        bend = 0.1 * cell.cell_radius  # the bodies' outlines are bent, so that none is an ellipse
        far = _distance(cell, y + bend * bend_y[window], x + bend * bend_x[window]) / cell.cell_radius
        is_nearest = far < nearest[window]
        second[window] = np.where(is_nearest, nearest[window], np.minimum(second[window], far))
        nearest[window] = np.where(is_nearest, far, nearest[window])
        light[window] = np.where(is_nearest, np.float32(cell.light), light[window])
    return Shapes(nuclei, nearest, second - nearest, light)


def _window(cell: Cell, size_px: int) -> tuple[slice, slice]:
    """The part of an image that a cell can reach."""
    reach = 1.8 * cell.cell_radius
    rows, columns = (slice(max(0, int(c - reach)), min(size_px, int(c + reach) + 1)) for c in (cell.y, cell.x))
    return rows, columns


def _distance(cell: Cell, y: Plane, x: Plane) -> Plane:
    """Distance to a cell's middle in px, measured along its own axes: circles of it are ellipses of equal area."""
    down, right = y - np.float32(cell.y), x - np.float32(cell.x)
    along = np.cos(cell.angle) * right + np.sin(cell.angle) * down
    across = np.cos(cell.angle) * down - np.sin(cell.angle) * right
    root = np.sqrt(cell.elongation)
    return np.asarray(np.hypot(along / root, across * root), np.float32)


def draw_spots(cells: Sequence[Cell], size_px: int) -> Plane:
    """A Golgi apparatus beside each nucleus, 0 to 1, float32 (size, size)."""
    spots = np.zeros((size_px, size_px), np.float32)
    for cell in cells:
        window = _window(cell, size_px)
        y, x = (axis.astype(np.float32) for axis in np.mgrid[window])
        reach = 1.35 * cell.nucleus_radius
        y0, x0 = cell.y + reach * np.sin(cell.golgi_angle), cell.x + reach * np.cos(cell.golgi_angle)
        width = 0.4 * cell.nucleus_radius
        spots[window] += np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / (2 * width**2))
    return np.clip(spots, 0, 1)


def stain_cells(rng: Generator, cells: Sequence[Cell], shapes: Shapes) -> dict[str, Plane]:
    """What each dye shows, before any optics: camera counts above background, a float32 plane per channel."""
    size_px = len(shapes.nuclei)
    bodies, nuclei, depth = shapes.bodies, shapes.nuclei, shapes.depth
    cytoplasm = bodies * (1 - nuclei)
    thickness = bodies * np.clip(1.25 - depth, 0.15, 1)  # cells are thick in the middle and flat at their edges
    fine, medium, coarse = (make_texture(rng, size_px, grain_px) for grain_px in (1.2, 2.2, 5))
    nucleoli = nuclei * np.clip((make_texture(rng, size_px, 2.8) - 1.0) / 0.4, 0, 1)
    cortex = bodies * np.exp(-((np.minimum(1 - depth, shapes.gap) / 0.12) ** 2))
    fibres = make_filaments(rng, size_px, 3.0) * cytoplasm
    golgi = draw_spots(cells, size_px) * cytoplasm * (0.8 + 0.3 * medium)
    mitochondria = make_filaments(rng, size_px, 1.8) * cytoplasm * np.clip(1.3 - depth, 0, 1)
    signals = {
        "DNA": 15_000 * nuclei * (1 + 0.10 * medium + 0.08 * coarse) * (1 - 0.35 * nucleoli),
        "ER": 9_000 * thickness * (1 - 0.65 * nuclei) * (1 + 0.20 * fine + 0.12 * coarse),
        "RNA": 6_000 * thickness * (1 - 0.3 * nuclei) * (1 + 0.12 * fine) + 14_000 * nucleoli,
        "AGP": 3_200 * bodies * (1 + 0.1 * fine) + 6_500 * cortex + 2_200 * fibres + 9_000 * golgi,
        "Mito": 900 * bodies + 13_000 * mitochondria * (1 + 0.2 * coarse),
    }
    return {name: np.asarray(shapes.light * np.clip(signal, 0, None), np.float32) for name, signal in signals.items()}


def photograph(rng: Generator, signal: Plane, optics: Optics) -> NDArray[np.uint16]:
    """See a plane through a microscope: blur, vignetting, photon and read noise. Float32 in, uint16 out, same shape."""
    y, x = np.ogrid[-1 : 1 : signal.shape[0] * 1j, -1 : 1 : signal.shape[1] * 1j]
    lit = 1 - optics.vignetting * (y**2 + x**2) / 2
    seen = (gaussian_filter(signal, optics.blur_px) + optics.background) * lit
    counts = rng.poisson(seen / optics.counts_per_photon) * optics.counts_per_photon
    counts = counts + optics.read_noise * rng.standard_normal(signal.shape)
    return np.asarray(np.clip(np.rint(counts), 0, np.iinfo(np.uint16).max), np.uint16)


def draw_site(plate: Plate, well: str, site: int) -> tuple[Site, dict[str, NDArray[np.uint16]]]:
    """One field of view: how many cells it has, and a uint16 image (size, size) per channel."""
    condition = dict(plate.wells)[well]
    row, column = ord(well[0]) - ord("A"), int(well[1:])
    rng = np.random.default_rng([plate.seed, row, column, site])
    cells = place_cells(rng, condition, plate.size_px)
    signals = stain_cells(rng, cells, outline_cells(rng, cells, plate.size_px))
    images = {channel: photograph(rng, signals[channel], plate.optics) for channel in CHANNELS}
    return Site(plate.name, well, site, len(cells)), images


def encode(image: NDArray[np.uint16]) -> bytes:
    """A TIFF with deflate compression, without a date or anything else that would differ next time."""
    content = io.BytesIO()
    tifffile.imwrite(content, image, compression="zlib", photometric="minisblack", metadata=None)
    return content.getvalue()


def write_site(plate: Plate, well: str, site: int, folder: Path) -> Site:
    """Draw a site and write its images into `images/`, leaving files that are right untouched."""
    drawn, images = draw_site(plate, well, site)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for channel, image in images.items():
        write_if_new(folder / IMAGES / image_name(drawn, channel), encode(image))
    return drawn


def image_name(site: Site, channel: str) -> str:
    """The file of one channel of a site."""
    return f"{site.plate}_{site.well}_s{site.site}_{channel}.tif"


def write_if_new(path: Path, content: bytes) -> None:
    """Write a file unless it holds that content already: its date then says when it last changed."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def write_plate(plate: Plate, folder: Path) -> tuple[Site, ...]:
    """Draw all sites on all cores, then write the tables of where they are, what is in the wells and what is true."""
    jobs = [(plate, well, site, folder) for well, _ in plate.wells for site in range(1, plate.sites + 1)]
    start = multiprocessing.get_context("spawn")  # a fork would copy whatever threads hold in the caller's process
    with ProcessPoolExecutor(min(len(jobs), os.cpu_count() or 1), mp_context=start) as pool:
        sites = tuple(pool.map(write_site, *zip(*jobs, strict=True)))
    write_if_new(folder / LOAD_DATA, load_data(plate, sites).encode())
    write_if_new(folder / TRUTH, b"".join(_truth_lines(sites)))
    write_if_new(folder / PLATEMAP, platemap(plate).encode())
    return sites


def platemap(plate: Plate) -> str:
    """What is in each well, divided by tabs as profiling-recipe has it."""
    rows = [(well, condition.name, condition.control_type) for well, condition in plate.wells]
    return "".join("\t".join(row) + "\n" for row in (("well_position", "treatment", "control_type"), *rows))


def load_data(plate: Plate, sites: Sequence[Site]) -> str:
    """A row per site with the places of its images, relative to the plate's folder, wherever that is put."""
    places = [f"{kind}_Orig{channel}" for channel in CHANNELS for kind in ("FileName", "PathName")]
    rows = [["Metadata_Batch", "Metadata_Plate", "Metadata_Well", "Metadata_Site", *places]]
    for site in sites:
        images = [cell for channel in CHANNELS for cell in (image_name(site, channel), f"{IMAGES}/")]
        rows.append([plate.batch, site.plate, site.well, str(site.site), *images])
    return "".join(",".join(row) + "\n" for row in rows)


def _truth_lines(sites: Sequence[Site]) -> Iterator[bytes]:
    yield (",".join(field.name for field in fields(Site)) + "\n").encode()
    for site in sites:
        yield (",".join(map(str, astuple(site))) + "\n").encode()


def read_truth(path: Path) -> tuple[Site, ...]:
    """Read what `write_plate` wrote."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(Site(row["plate"], row["well"], int(row["site"]), int(row["cells"])) for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the small plate's images and its tables.")
    parser.add_argument("folder", type=Path)
    write_plate(SMALL_PLATE, parser.parse_args().folder)
