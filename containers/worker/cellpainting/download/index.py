"""The index of what was published: a Parquet table with a row per image set that is whole, for whoever reads images.

Columns: all `Metadata_` of the load data, as text; `FileName_Orig<channel>`, the path below the request's output, or
the name within the tar file that `TarFile` names; and for each channel the SHA-256 of the file, the source with its
ETag, where the crop begins, and the limits of the scaling (null where all bits were kept).
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from cellpainting.download.provenance import Provenance


@dataclass(frozen=True)
class PublishedImage:
    """One file: its path, the tar file that it is in if any, its SHA-256 and where it comes from."""

    path: str
    sha256: str
    provenance: Provenance
    tar_file: str = ""


@dataclass(frozen=True)
class IndexRow:
    """An image set by its name, with its images by channel."""

    name: str
    metadata: Mapping[str, str]
    images: Mapping[str, PublishedImage]

    @property
    def cells(self) -> dict[str, object]:
        """The row of the table."""
        cells: dict[str, object] = dict(self.metadata)
        for channel, image in self.images.items():
            cells[f"FileName_Orig{channel}"] = image.path
            if image.tar_file:
                cells["TarFile"] = image.tar_file
        for channel, image in self.images.items():
            source = image.provenance
            cells[f"SHA256_{channel}"] = image.sha256
            cells[f"Source_{channel}"], cells[f"SourceETag_{channel}"] = source.source, source.source_etag
            cells[f"CropTop_{channel}"], cells[f"CropLeft_{channel}"] = source.top, source.left
            cells[f"ScalingLow_{channel}"], cells[f"ScalingHigh_{channel}"] = source.low, source.high
        return cells


def write_index(rows: Sequence[IndexRow]) -> bytes:
    """The Parquet file of some rows, which all have the same channels."""
    cells = [row.cells for row in rows]
    columns = {name: [row.get(name) for row in cells] for name in dict.fromkeys(name for row in cells for name in row)}
    arrays = {name: pa.array(values, _type_of(name)) for name, values in columns.items()}
    file = io.BytesIO()
    pq.write_table(pa.table(arrays), file, compression="zstd")
    return file.getvalue()


def _type_of(column: str) -> pa.DataType:
    if column.startswith(("ScalingLow_", "ScalingHigh_")):
        return pa.float64()
    return pa.int32() if column.startswith(("CropTop_", "CropLeft_")) else pa.string()
