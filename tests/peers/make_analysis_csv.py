"""Write tests/data/analysis_csv: the CSVs of six small sites, as CellProfiler's ExportToSpreadsheet writes them.

    python tests/peers/make_analysis_csv.py [FOLDER]

Names are those of real pipelines and values look like theirs, but nothing was measured. Two sites are what a plate has
now and then: one without cells, and one whose Cells.csv ends in the middle of a row.
"""

import hashlib
import random
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "analysis_csv"
PLATE = "BR00099001"
# Well, site, nuclei, and which of them have a cell.
SITES = (
    ("A01", 1, 5, (1, 2, 3, 4, 5)),
    ("A01", 2, 4, (1, 2, 3, 4)),
    ("A02", 1, 6, (1, 3, 4, 6)),  # as if cells at the edge were left out
    ("A02", 2, 4, (1, 2, 3, 4)),
    ("B01", 1, 0, ()),
    ("B02", 1, 4, (1, 2, 3, 4)),
)
WHOLE_NUMBERS = ("A01", 2)  # written without a point where other sites have one, as by CellProfiler for what it counts
NOTHING_MEASURED = ("A02", 2)  # a column of nothing but nan
BROKEN = ("B02", 1)
SHAPE = ("AreaShape_Area", "AreaShape_BoundingBoxMinimum_X", "AreaShape_Center_X", "AreaShape_Center_Y")
MORE_SHAPE = ("AreaShape_Eccentricity", "AreaShape_EulerNumber", "AreaShape_FormFactor", "AreaShape_Orientation")
MEASURED = (
    *(*SHAPE, *MORE_SHAPE, "AreaShape_Zernike_9_9", "Correlation_Correlation_DNA_ER", "Granularity_1_RNA"),
    *("Intensity_IntegratedIntensity_DNA", "Intensity_MADIntensity_Mito", "Location_Center_X", "Number_Object_Number"),
    *("RadialDistribution_FracAtD_AGP_1of4", "Texture_Entropy_ER_3_00_256", "Texture_InfoMeas1_DNA_10_03_256"),
)
NEIGHBORS = ("Neighbors_FirstClosestObjectNumber_5", "Neighbors_PercentTouching_5")
COLUMNS = {
    "Cells": (*MEASURED, *NEIGHBORS, "Children_Cytoplasm_Count", "Parent_Nuclei"),
    "Cytoplasm": (*MEASURED, "Parent_Cells", "Parent_Nuclei"),
    "Nuclei": (*MEASURED, *NEIGHBORS, "Children_Cells_Count", "Children_Cytoplasm_Count"),
}
COUNTED = {  # whole numbers, from and to
    "AreaShape_Area": (400, 9999),
    "AreaShape_BoundingBoxMinimum_X": (0, 1079),
    "AreaShape_EulerNumber": (-3, 1),
    "Neighbors_FirstClosestObjectNumber_5": (1, 9),
}
RANGES = {  # of the other columns
    "AreaShape_Eccentricity": (0, 1),
    "AreaShape_FormFactor": (0, 1),
    "AreaShape_Orientation": (-90, 90),
    "AreaShape_Zernike_9_9": (1e-7, 1e-5),
    "Correlation_Correlation_DNA_ER": (-1, 1),
    "Granularity_1_RNA": (0, 50),
    "Intensity_MADIntensity_Mito": (0, 0.01),
    "RadialDistribution_FracAtD_AGP_1of4": (0, 1),
    "Texture_Entropy_ER_3_00_256": (2, 9),
    "Texture_InfoMeas1_DNA_10_03_256": (-1, 0),
}
ANYWHERE = (0, 1079)  # pixels of an image


def main(arguments: Sequence[str]) -> None:
    """Write all sites."""
    write_sites(Path(arguments[0]) if arguments else FOLDER)


def write_sites(folder: Path) -> None:
    """A folder for each site, named as a published pipeline does."""
    for number, (well, site, nuclei, cells) in enumerate(SITES, start=1):
        place = folder / f"{PLATE}-{well}-{site}"
        place.mkdir(parents=True, exist_ok=True)
        values = random.Random(f"{well}-{site}")  # noqa: S311 (the same values in each run are what is wanted)
        write_csv(place / "Image.csv", [image_row(values, number, well, site, nuclei, len(cells))])
        for table, columns in COLUMNS.items():
            parents = range(1, nuclei + 1) if table == "Nuclei" else cells
            rows = [
                object_row(values, table, number, ordinal, nucleus, (well, site))
                for ordinal, nucleus in enumerate(parents, start=1)
            ]
            write_csv(place / f"{table}.csv", rows, ["ImageNumber", "ObjectNumber", *sorted(columns)])
    cells_csv = folder / f"{PLATE}-{BROKEN[0]}-{BROKEN[1]}" / "Cells.csv"
    cells_csv.write_bytes(cells_csv.read_bytes()[:-150])


def image_row(values: random.Random, number: int, well: str, site: int, nuclei: int, cells: int) -> dict[str, str]:
    """The row of one image set."""
    digest = hashlib.md5(f"{well}-{site}".encode(), usedforsecurity=False).hexdigest()
    row = {"ImageNumber": str(number), "Count_Cells": f"{cells}.0", "Count_Cytoplasm": f"{cells}.0"}
    row |= {"Count_Nuclei": f"{nuclei}.0", "ExecutionTime_03IdentifyPrimaryObjects": f"{values.uniform(1, 9):.2f}"}
    row |= {"FileName_OrigDNA": f"r01c0{number}f01p01-ch5sk1fk1fl1.tiff"}
    row |= {"Granularity_1_DNA": repr(values.uniform(1, 40))}
    row |= {"Group_Index": "1", "Group_Number": str(number), "Height_OrigDNA": "1080", "Width_OrigDNA": "1080"}
    row |= {"ImageQuality_MaxIntensity_DNA": "1.0" if site == 1 else repr(values.random())}
    row |= {"ImageQuality_PowerLogLogSlope_DNA": "nan" if not cells else repr(values.uniform(-3, -1))}
    row |= {"ImageQuality_Scaling_DNA": "1" if (well, site) == WHOLE_NUMBERS else repr(values.random())}
    row |= {"Intensity_MeanIntensity_DNA": repr(values.random()), "MD5Digest_OrigDNA": digest}
    row |= {"Metadata_Col": well[1:].lstrip("0"), "Metadata_Plate": PLATE, "Metadata_Row": str("AB".index(well[0]) + 1)}
    row |= {"Metadata_Site": str(site), "Metadata_Well": well, "ModuleError_03IdentifyPrimaryObjects": "0"}
    row |= {"PathName_OrigDNA": "/home/ubuntu/bucket/images/one, and two", "ProcessingStatus": "Done"}
    row |= {"Texture_Variance_DNA_3_00_256": repr(values.uniform(1, 400))}
    row |= {"Threshold_SumOfEntropies_Nuclei": repr(values.uniform(-15, 0))}
    return dict(sorted(row.items()))


def object_row(
    values: random.Random, table: str, image_number: int, ordinal: int, nucleus: int, site: tuple[str, int]
) -> dict[str, str]:
    """The row of one object. `nucleus` is the number of the nucleus that it belongs to."""
    row = {"ImageNumber": str(image_number), "ObjectNumber": str(ordinal)}
    for name in sorted(COLUMNS[table]):
        row[name] = value_of(values, name, site)
    row["Number_Object_Number"] = str(ordinal)
    row |= {"Parent_Nuclei": str(nucleus), "Parent_Cells": str(ordinal)}
    return {name: row[name] for name in ("ImageNumber", "ObjectNumber", *sorted(COLUMNS[table]))}


def value_of(values: random.Random, name: str, site: tuple[str, int]) -> str:
    """One measurement, as CellProfiler would write it."""
    if name == "Texture_InfoMeas1_DNA_10_03_256" and site == NOTHING_MEASURED:
        return "nan"
    if name == "Correlation_Correlation_DNA_ER" and values.random() < 0.2:
        return "nan"
    if name.startswith("Children_"):
        return "1"
    if name in COUNTED:
        return str(values.randint(*COUNTED[name]))
    if name == "AreaShape_Orientation" and site == WHOLE_NUMBERS:
        return str(values.randint(-90, 90))
    return repr(values.uniform(*RANGES.get(name, ANYWHERE)))


def write_csv(path: Path, rows: Sequence[dict[str, str]], header: Sequence[str] = ()) -> None:
    """A table; only text that needs quotes has them, and lines end with CRLF."""
    lines = [",".join(header or rows[0])]
    lines += [",".join(f'"{value}"' if "," in value else value for value in row.values()) for row in rows]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
