"""Put a merged table beside the truth: every spot decoded to its gene at its place, and nothing more.

    python examples/starfish/check_truth.py FOLDER/truth.csv merged_decoded_fovs.parquet|.csv

Exit status: 0 all is as drawn, 1 it is not, and each difference has a line.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TOLERANCE_PX = 2.0


@dataclass(frozen=True)
class Placed:
    """A spot with its gene, in pixels of its field of view."""

    fov: str
    target: str
    x: float
    y: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Placed":
        """A row of either table."""
        return cls(row["fov"], row["target"], float(row["x"]), float(row["y"]))

    def distance(self, other: "Placed") -> float:
        """Pixels from here to there."""
        return float(((self.x - other.x) ** 2 + (self.y - other.y) ** 2) ** 0.5)

    def __str__(self) -> str:
        return f"{self.target} in {self.fov} at x={self.x:g}, y={self.y:g}"


def read_spots(path: Path) -> list[Placed]:
    """The spots of a CSV or Parquet table."""
    if path.suffix == ".parquet":
        return [Placed.of(row) for row in pq.read_table(path).to_pylist()]
    with path.open(newline="") as file:
        return [Placed.of(row) for row in csv.DictReader(file)]


def differences(truth: list[Placed], decoded: list[Placed]) -> Iterator[str]:
    """A line for each spot that was missed, has another gene, or was never drawn."""
    left: dict[str, list[Placed]] = defaultdict(list)
    for spot in decoded:
        left[spot.fov].append(spot)
    for spot in truth:
        nearest = min(left[spot.fov], key=spot.distance, default=None)
        if nearest is None or spot.distance(nearest) > TOLERANCE_PX:
            yield f"missed: {spot}"
            continue
        left[spot.fov].remove(nearest)
        if nearest.target != spot.target:
            yield f"another gene: {spot} was decoded as {nearest.target}"
    yield from (f"never drawn: {spot}" for spots in left.values() for spot in spots)


def main() -> int:
    """Compare the two tables that the command line names."""
    parser = argparse.ArgumentParser(description="compare decoded spots with those that were drawn")
    parser.add_argument("truth", type=Path)
    parser.add_argument("merged", type=Path)
    arguments = parser.parse_args()
    truth, decoded = read_spots(arguments.truth), read_spots(arguments.merged)
    found = list(differences(truth, decoded))
    print(f"{len(truth)} spots drawn, {len(decoded)} decoded, {len(found)} differences", *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
