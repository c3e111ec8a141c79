"""Where the JUMP data set is in the Cell Painting Gallery, which anybody may read.

Source: github.com/broadinstitute/cellpainting-gallery, `documentation/data_structure.md`.
"""

from cellpainting.storage import S3Storage

BUCKET = "cellpainting-gallery"
REGION = "us-east-1"
PROJECT = "cpg0016-jump"


def open_gallery(endpoint_url: str | None, connections: int) -> S3Storage:
    """The Gallery's bucket, read without credentials; at another endpoint than AWS's, if one is given."""
    return S3Storage.public(BUCKET, endpoint_url=endpoint_url, region=REGION, connections=connections)


def load_data_folder(source: str, batch: str, plate: str) -> str:
    """The key of the folder of a plate's load data."""
    return f"{PROJECT}/{source}/workspace/load_data_csv/{batch}/{plate}"
