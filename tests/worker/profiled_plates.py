"""Small plates that profiles can be made of: backends of wells that differ, platemaps, and a configuration."""

import gzip
import random
from collections.abc import Sequence
from pathlib import Path

from cellpainting.storage import FolderStorage, Storage
from tests.worker.backend.plates import COMPARTMENTS, build, write

BATCH = "B1"
WELLS = tuple(f"{row}{column:02}" for row in "AB" for column in range(1, 7))
NEGATIVE = ("A01", "A02", "B01", "B02")
FEATURES = ("AreaShape_Area", "AreaShape_Eccentricity", "Intensity_MeanIntensity_DNA", "Texture_Contrast_DNA_3_00_256")
CONFIG = """\
pipeline: small
output_dir: profiles
aggregate: {{perform: {aggregates}, method: mean}}
annotate: {{}}
normalize: {{}}
normalize_negcon: {{}}
feature_select: {{level: batch}}
---
batch: B1
plates: [{plates}]
"""
USUAL = ("", "_augmented", "_normalized", "_normalized_negcon", "_normalized_feature_select_batch")


def config_text(*plates: str, aggregates: str = "true") -> bytes:
    """A configuration of these plates, all of one batch."""
    named = ", ".join(f"{{name: {plate}}}" for plate in plates)
    return CONFIG.format(plates=named, aggregates=aggregates).encode()


def platemap_text(wells: Sequence[str] = WELLS, negative: Sequence[str] = NEGATIVE) -> bytes:
    """Two wells of each treatment, beside the negative controls."""
    lines = ["well_position\tbroad_sample\tcontrol_type"]
    for number, well in enumerate(wells):
        is_control = well in negative
        lines.append(f"{well}\t{'DMSO' if is_control else f'T{number // 2}'}\t{'negcon' if is_control else 'trt'}")
    return "\n".join(lines).encode()


def external_text() -> bytes:
    """What is known of each treatment."""
    treatments = ["DMSO", *(f"T{number}" for number in range(len(WELLS) // 2))]
    return "\n".join(["broad_sample\tmoa", *(f"{name}\tmoa of {name}" for name in treatments)]).encode()


def barcodes_text(*plates: str, platemap: str = "map") -> bytes:
    """Plates that all have one platemap."""
    return "\n".join(["Assay_Plate_Barcode,Plate_Map_Name", *(f"{plate},{platemap}" for plate in plates)]).encode()


def put_metadata(bucket: Storage, root: str, *plates: str) -> None:
    """Platemap and barcode_platemap.csv, where a configuration looks for them."""
    folder = f"{root}/metadata/platemaps/{BATCH}" if root else f"metadata/platemaps/{BATCH}"
    bucket.write(f"{folder}/barcode_platemap.csv", barcodes_text(*plates))
    bucket.write(f"{folder}/platemap/map.txt", platemap_text())


def put_profile(bucket: Storage, root: str, plate: str) -> None:
    """A well profile that is there already, for `aggregate: {perform: false}`."""
    numbers = random.Random(plate)  # noqa: S311 (no secret)
    names = [f"{compartment}_{feature}" for compartment in COMPARTMENTS for feature in FEATURES]
    lines = [",".join(["Metadata_Plate", "Metadata_Well", *names])]
    lines += [",".join([plate, well, *(f"{numbers.gauss(10, 1)}" for _ in names)]) for well in WELLS]
    path = f"profiles/{BATCH}/{plate}/{plate}.csv.gz"
    bucket.write(f"{root}/{path}" if root else path, gzip.compress("\n".join(lines).encode()))


def write_backend(output: Path, plate: str, batch: str = BATCH) -> Path:
    """Make a plate's backend at `<output>/<batch>/<plate>`; two cells in each well. Returns its folder."""
    numbers = random.Random(plate)  # noqa: S311 (no secret)
    analysis = output.parent / f"analysis_of_{plate}"
    for number, well in enumerate(WELLS, start=1):
        columns = ("ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Site")
        write(analysis / well / "Image.csv", columns, (number, plate, well, 1))
        for table in COMPARTMENTS:
            rows = [(number, cell, *(numbers.gauss(10, 1) for _ in FEATURES)) for cell in (1, 2)]
            write(analysis / well / f"{table}.csv", ("ImageNumber", "ObjectNumber", *FEATURES), *rows)
    build(analysis, FolderStorage(output), plate, batch=batch, sqlite=False)
    return output / batch / plate
