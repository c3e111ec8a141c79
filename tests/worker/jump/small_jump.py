"""A small JUMP: its tables, and a Gallery on a server of its own that holds the load data of its plates."""

import csv
import gzip
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

import boto3
import numpy as np
import polars as pl
import tifffile

CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
BUCKET = "cellpainting-gallery"
DMSO, QUINIDINE, TREATED = "JCP2022_033924", "JCP2022_050797", "JCP2022_000001"
NAT1, A2M, NO_GUIDE, LACZ = "JCP2022_900002", "JCP2022_800003", "JCP2022_800001", "JCP2022_915131"
EMPTY, UNKNOWN = "JCP2022_999999", "JCP2022_UNKNOWN"
SITES = tuple("123456789")
# By plate: source, batch, plate type, and the perturbation of each well.
PLATES: Mapping[str, tuple[str, str, str, Mapping[str, str]]] = {
    "P1": ("source_4", "2021_04_26_Batch1", "ORF", {"A01": LACZ, "A02": NAT1, "A03": DMSO, "A04": EMPTY}),
    "P2": ("source_4", "2021_04_26_Batch1", "TARGET2", {"A01": DMSO, "A02": TREATED, "A03": QUINIDINE, "A04": UNKNOWN}),
    "0042": ("source_1", "Batch1_20221004", "COMPOUND", {"AA01": DMSO, "AA02": TREATED, "AA03": QUINIDINE}),
    "CP1": ("source_13", "20220914_Run1", "CRISPR", {"A01": NO_GUIDE, "A02": A2M, "A03": DMSO}),
}
TABLES: Mapping[str, Sequence[Sequence[str]]] = {
    "plate": [
        ("Metadata_Source", "Metadata_Batch", "Metadata_Plate", "Metadata_PlateType"),
        *((source, batch, plate, kind) for plate, (source, batch, kind, _) in PLATES.items()),
    ],
    "well": [
        ("Metadata_Source", "Metadata_Plate", "Metadata_Well", "Metadata_JCP2022"),
        *((source, plate, well, jcp) for plate, (source, _, _, wells) in PLATES.items() for well, jcp in wells.items()),
    ],
    "compound": [
        ("Metadata_JCP2022", "Metadata_InChIKey", "Metadata_InChI", "Metadata_SMILES"),
        (DMSO, "IAZDPXIOMUYVGZ-UHFFFAOYSA-N", "InChI=1S/C2H6OS/c1-4(2)3/h1-2H3", "CS(C)=O"),
        (QUINIDINE, "LOUPRKONTZGTKE-LHHVKLHASA-N", "InChI=1S/quinidine", "COc1ccc2nccc(c2c1)"),
        (TREATED, "AAAAAAAAAAAAAA-UHFFFAOYSA-N", "InChI=1S/CH4/h1H4", "C"),
        ("JCP2022_000002", "BBBBBBBBBBBBBB-UHFFFAOYSA-N", "InChI=1S/C2H6/c1-2/h1-2H3", "CC"),
    ],
    "orf": [
        ("Metadata_JCP2022", "Metadata_Name", "Metadata_Vector", "Metadata_Symbol", "Metadata_NCBI_Gene_ID",
         "Metadata_pert_type"),
        (NAT1, "ORF008415.1_TRC304.1", "pLX_304", "NAT1", "9", "trt"),
        (LACZ, "BRDN0000464762", "pLX_304", "LacZ", "", "negcon"),
    ],
    "crispr": [
        ("Metadata_JCP2022", "Metadata_NCBI_Gene_ID", "Metadata_Symbol"),
        (NO_GUIDE, "", "no-guide"),
        (A2M, "2", "A2M"),
    ],
    "perturbation_control": [
        ("Metadata_JCP2022", "Metadata_pert_type", "Metadata_Name", "Metadata_modality"),
        (EMPTY, "empty", "Empty", "any"),
        (DMSO, "negcon", "DMSO", "compound"),
        (QUINIDINE, "poscon", "quinidine", "compound"),
        (NO_GUIDE, "negcon", "no-guide", "crispr"),
        (LACZ, "negcon", "LacZ", "orf"),
    ],
    "compound_source": [
        ("Metadata_Compound_Source", "Metadata_JCP2022"),
        ("source_7", TREATED),
        ("source_3", TREATED),
    ],
    "microscope_config": [
        ("Metadata_Source", "Metadata_Microscope_Name", "Metadata_Sites_Per_Well"),
        ("source_1", "Opera Phenix", "4"),
        ("source_4", "Opera Phenix", "9"),
        ("source_13", "CV7000", "9"),
    ],
}  # fmt: skip
ZIPPED = ("plate", "well", "compound", "orf", "crispr", "compound_source")


def csv_of(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_tables(folder: Path, changes: Mapping[str, Sequence[Sequence[str]]] | None = None) -> Path:
    """Write the published tables, some of them with further rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in TABLES.items():
        content = csv_of([*rows, *(changes or {}).get(name, ())])
        if name in ZIPPED:
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{name}.csv").write_bytes(content)
    return folder


def image_folder(plate: str) -> str:
    """Where a plate's images are, a space in the folder's name."""
    source, batch, _, _ = PLATES[plate]
    return (
        f"s3://{BUCKET}/cpg0016-jump/{source}/images/{batch}/images/{plate}__2021-05-02T16_02_51-Measurement 1/Images/"
    )


def load_data_of(plate: str, wells: Sequence[str] | None = None) -> pl.DataFrame:
    """A plate's load data, as the Gallery has it."""
    source, batch, _, known = PLATES[plate]
    rows = []
    for well, site in product(wells or known, SITES):
        row = dict(zip(("Source", "Batch", "Plate", "Well", "Site"), (source, batch, plate, well, site), strict=True))
        row = {f"Metadata_{name}": value for name, value in row.items()}
        for number, channel in enumerate(CHANNELS, start=1):
            row[f"FileName_Orig{channel}"] = f"{well}f0{site}-ch{number}.tiff"
            row[f"PathName_Orig{channel}"] = image_folder(plate)
            row[f"FileName_Illum{channel}"] = f"{plate}_Illum{channel}.npy"
            row[f"PathName_Illum{channel}"] = f"s3://{BUCKET}/illum/"
        rows.append(row)
    return pl.DataFrame(rows)


def load_data_key(plate: str, name: str) -> str:
    source, batch, _, _ = PLATES[plate]
    return f"cpg0016-jump/{source}/workspace/load_data_csv/{batch}/{plate}/{name}"


@dataclass(frozen=True)
class Gallery:
    """The Gallery's bucket on a server of its own."""

    url: str
    session: boto3.Session

    def put(self, key: str, content: bytes) -> None:
        client = self.session.client("s3", endpoint_url=self.url)
        client.put_object(Bucket=BUCKET, Key=key, Body=content, ACL="public-read")

    def put_images(self, plate: str, well: str) -> None:
        """All images of one well: 16-bit noise, no two alike."""
        random = np.random.default_rng(2026)
        for site, channel in product(SITES, range(1, len(CHANNELS) + 1)):
            file = io.BytesIO()
            tifffile.imwrite(file, random.integers(200, 4000, (64, 64), np.uint16))
            folder = image_folder(plate).removeprefix(f"s3://{BUCKET}/")
            self.put(f"{folder}{well}f0{site}-ch{channel}.tiff", file.getvalue())

    def delete(self, key: str) -> None:
        self.session.client("s3", endpoint_url=self.url).delete_object(Bucket=BUCKET, Key=key)

    def put_plates(self) -> None:
        """Load data in the forms that there are: Parquet, CSV, gzipped CSV made on another machine."""
        parquet = io.BytesIO()
        load_data_of("P1").write_parquet(parquet)
        self.put(load_data_key("P1", "load_data_with_illum.parquet"), parquet.getvalue())
        self.put(load_data_key("P2", "load_data.csv"), load_data_of("P2").write_csv().encode())
        mounted = load_data_of("0042").with_columns(
            pl.col("^PathName_.*$").str.replace(f"s3://{BUCKET}/", "/home/ubuntu/bucket/", literal=True)
        )
        self.put(load_data_key("0042", "load_data.csv.gz"), gzip.compress(mounted.write_csv().encode()))
        self.put(load_data_key("CP1", "load_data.csv"), load_data_of("CP1").write_csv().encode())


@contextmanager
def serving_gallery(url: str) -> Iterator[Gallery]:
    """The Gallery with the load data of all plates, at a server that speaks S3; its bucket goes at the end."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    client = session.client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)
    gallery = Gallery(url, session)
    gallery.put_plates()
    yield gallery
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving_release(folder: Path) -> Iterator[str]:
    """A server that has the tables where GitHub has those of a release."""
    write_tables(folder / "v0.13" / "metadata")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
