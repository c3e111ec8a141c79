"""Does the same to two measurements, one with CellProfiler's store and one with ours, and writes what is not the same.

Under CellProfiler's Python: `python measurements.py`. The result is a JSON object by sequence of operations; each holds
how many answers were compared, a line for each that differs, and whether our store was still in memory at the end.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from cellpainting.cellprofiler.inside.accelerated import measurements as ours
else:  # a script of a Python that does not have this package
    sys.path.insert(0, str(Path(__file__).parents[4] / "containers/worker/cellpainting/cellprofiler/inside"))
    from accelerated import measurements as ours

OBJECTS, FEATURES, NUMBERS = ("Cells", "Nuclei"), ("Area", "Count", "B"), (1, 2, 3, 7)
Operation = Callable[[Any], Any]


def plain_values(rng: np.random.Generator) -> Any:
    """What modules measure of objects."""
    count = rng.integers(0, 4)
    made: tuple[Callable[[], Any], ...] = (
        lambda: rng.normal(size=count),
        lambda: np.where(rng.uniform(size=count) < 0.5, np.nan, 1 / 3),
        lambda: rng.integers(-5, 9, count),
        lambda: rng.integers(0, 9, count).astype(np.int32),
        lambda: rng.normal(size=count).astype(np.float32),
        lambda: rng.integers(0, 9, count).astype(np.uint16),
        lambda: rng.normal(size=2 * count)[::2],
        lambda: [float(value) for value in rng.normal(size=count)],
        lambda: [int(value) for value in rng.integers(0, 9, count)],
        lambda: [],
    )
    return made[rng.integers(len(made))]()


def plain_value(rng: np.random.Generator) -> Any:
    """What modules measure of images."""
    made = (
        3,
        2.5,
        np.float64(1 / 3),
        np.float32(0.1),
        np.int32(4),
        np.nan,
        None,
        "A01",
        "",
        "a longer text, with commas",
    )
    return made[rng.integers(len(made))]


def odd_values(rng: np.random.Generator) -> Any:
    """What our store leaves to HDF5, or to its errors."""
    made = (
        np.array([True, False]),
        np.ones((2, 2)),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        ["é", "x"],
        ["a\0b"],
        [b"bytes", b"x"],
        np.array(["text", "texts"]),
        np.array(["text", 1, None], object),
        [2**40, 0.1],
        np.array([2**62 + 1]),
        np.array([1e300]),
        [1, "x"],
        (4.5, 2),
        np.array([1.5], np.float16),
        np.array([1 + 2j]),
        np.array([1, 2], ">i4"),
        None,
        5,
        np.array(7),
    )
    return made[rng.integers(len(made))]


def common(rng: np.random.Generator, objects: str, feature: str, number: Any) -> list[Operation]:
    """Questions."""
    several = [int(value) for value in rng.permutation(NUMBERS)[: rng.integers(1, 5)]]
    return [
        lambda m: m.get_measurement(objects, feature, number),
        lambda m: m.get_measurement(objects, feature, several),
        lambda m: m.get_measurement("Image", feature, number),
        lambda m: m.get_measurement("Image", feature, several),
        lambda m: m["Image", feature, number],
        lambda m: m.get_all_measurements(objects, feature),
        lambda m: m.get_experiment_measurement(feature),
        lambda m: (m.has_feature(objects, feature), m.has_feature("Image", feature), m.has_feature("No", feature)),
        lambda m: m.has_measurements(objects, feature, number),
        lambda m: m.get_object_names(),
        lambda m: m.get_feature_names(objects),
        lambda m: (m.get_image_numbers(), m.image_set_count),
        lambda m: m.get_measurement_columns(),
        lambda m: m.compute_aggregate_measurements(number),
        lambda m: m.get_relationships(2, "Parent", "Cells", "Nuclei"),
        lambda m: sorted(vars(key).items() for key in m.get_relationship_groups()),
        lambda m: m.group_by_metadata([feature])[0].image_numbers,
    ]


def ordinary(rng: np.random.Generator, objects: str, feature: str, number: Any) -> list[Operation]:
    """What a headless run does."""
    values, value = plain_values(rng), plain_value(rng)
    blob, numbers = np.arange(3, dtype=np.uint8), rng.normal(size=3)
    return [
        lambda m: m.add_measurement(objects, feature, values, number),
        lambda m: m.add_measurement(objects, feature, values, number),
        lambda m: m.add_measurement(objects, "Number", numbers[: len(values)], number),
        lambda m: m.add_measurement("Image", feature, value, number),
        lambda m: m.add_measurement("Image", "Metadata_Well", "B02", number),
        lambda m: m.add_measurement("Image", feature, [value, None, value], [1, 2, 3]),
        lambda m: m.add_image_measurement(feature, value),
        lambda m: m.add_experiment_measurement(feature, "a text" if value is None else value),
        lambda m: m.add_all_measurements("Image", feature, [value for _ in m.get_image_numbers()]),
        lambda m: m.add_all_measurements("Image", "Blob", [blob] * max(1, m.image_set_count), data_type=np.uint8),
        lambda m: m.next_image_set(number),
        lambda m: m.add_relate_measurement(2, "Parent", "Cells", "Nuclei", [number] * 2, [1, 2], [number] * 2, [2, 1]),
        lambda m: m.remove_measurement("Image", feature, number),
        lambda m: m.remove_measurement("Image", "ImageNumber", number),
        lambda m: m.remove_measurement(objects, feature),
        lambda m: m.flush(),
    ]


def odd(rng: np.random.Generator, objects: str, feature: str, number: Any) -> list[Operation]:
    """What a headless run may do with some module, or never does."""
    values, name = odd_values(rng), ("a/b", ".", "ö", "", "C")[rng.integers(5)]
    return [
        *ordinary(rng, objects, feature, number)[:12],
        lambda m: m.add_measurement(objects, feature, values, number),
        lambda m: m.add_measurement("Image", feature, values, number),
        lambda m: m.add_measurement("Image", feature, values, number, data_type=float),
        lambda m: m.add_measurement(objects, name, [1.5], number),
        lambda m: m.add_measurement(objects, feature, [1.5], -1),
        lambda m: m.add_all_measurements(objects, feature, [values, [1.0]]),
        lambda m: m.reorder_image_measurements(np.array([0, 3, 1, 2, 4, 5, 6, 7])),
        lambda m: m.hdf5_dict.get_dataset(objects, feature)[:],
        lambda m: m.hdf5_dict.add_object("Others"),
        lambda m: m.hdf5_dict.clear(),
    ]


def outcome(operation: Operation, measurements: Any) -> Any:
    """The answer, or the kind of error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return operation(measurements)
    except Exception as error:
        return f"raises {type(error).__name__}"


def is_same(one: Any, other: Any) -> bool:
    """Whether two answers are equal to the last digit, types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return all(map(is_same, one.ravel().tolist(), other.ravel().tolist()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_same(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))  # NaN


def everything(measurements: Any, folder: Path) -> list[Any]:
    """All that there is, and all of a copy in a file."""
    from cellprofiler_core.measurement import Measurements

    path = folder / f"copy_{id(measurements)}.h5"
    found = all_values(measurements)
    copy = outcome(lambda m: Measurements(filename=str(path), copy=m), measurements)
    if isinstance(copy, str):
        return [*found, copy]
    found += all_values(copy)
    copy.close()
    return found


def all_values(measurements: Any) -> list[Any]:
    """Of each feature, its name, its type and its value for each image number."""
    store, found = measurements.hdf5_dict, []
    for name in measurements.get_object_names():
        for feature in measurements.get_feature_names(name):
            dtype = outcome(partial(store.get_feature_dtype, name), feature)
            found += [name, feature, str(dtype), isinstance(dtype, str) or h5py.check_string_dtype(dtype)]
            found += [outcome(store.__getitem__, (name, feature, number)) for number in (0, *NUMBERS)]
    return found


def compare(kind: Callable[..., list[Operation]], seed: int, folder: Path) -> dict[str, Any]:
    """One sequence of operations on both stores."""
    from cellprofiler_core.measurement import Measurements, _measurements
    from cellprofiler_core.utilities.hdf5_dict import HDF5Dict

    _measurements.HDF5Dict = HDF5Dict
    stock = Measurements()
    _measurements.HDF5Dict = ours.store
    held = Measurements()
    rng, problems, count = np.random.default_rng(seed), [], 0
    for step in range(60):
        objects, feature, number = rng.choice(OBJECTS), rng.choice(FEATURES), int(rng.choice(NUMBERS))
        operations = kind(rng, str(objects), str(feature), number)
        questions = common(rng, str(objects), str(feature), number)
        chosen = operations if rng.uniform() < 0.6 else questions
        which = int(rng.integers(len(chosen)))
        one, other = outcome(chosen[which], stock), outcome(chosen[which], held)
        count += 1
        if not is_same(one, other):
            problems.append(f"step {step}, operation {which} of {len(chosen)}: {one!r} is not {other!r}")
    is_held = isinstance(held.hdf5_dict, ours.MeasurementsInMemory)
    if not is_same(everything(stock, folder), everything(held, folder)):
        problems.append("what is stored at the end is not the same")
    return {"compared": count, "problems": problems, "held": is_held}


def main() -> None:
    """Compare all."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    ours.install()
    with tempfile.TemporaryDirectory() as folder:
        both = {
            f"{kind.__name__} {seed}": compare(kind, seed, Path(folder))
            for kind in (ordinary, odd)
            for seed in range(20)
        }
        ours.HELD_MIB = 0
        for kind in (ordinary, odd):
            both[f"{kind.__name__}, more than is held"] = compare(kind, 0, Path(folder))
    json.dump(both, sys.stdout)


if __name__ == "__main__":
    main()
