"""The way from a 16-bit TIFF to an 8-bit PNG in jump_download's document: Pillow, and percentiles of floats.

Run as a program it downloads images as that project does, with boto3 and a pool of processes:

    python benchmarks/peers/jump_download.py ENDPOINT_URL WORKERS FOLDER < keys.txt
"""

import io
import sys
from functools import cache
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore import UNSIGNED
from botocore.config import Config
from PIL import Image

BUCKET = "cellpainting-gallery"
SIDE_PX, PERCENTILE = 768, 1.0


def crop(image: np.ndarray) -> np.ndarray:
    """The middle of an image."""
    top, left = image.shape[0] // 2 - SIDE_PX // 2, image.shape[1] // 2 - SIDE_PX // 2
    return image[top : top + SIDE_PX, left : left + SIDE_PX]


def to_8bit(image: np.ndarray) -> np.ndarray:
    """The published formula."""
    pixels: np.ndarray = image.astype(np.float32)
    pixels = (pixels - np.percentile(pixels, PERCENTILE)) / (
        np.percentile(pixels, 100 - PERCENTILE) - np.percentile(pixels, PERCENTILE) + np.finfo(float).eps
    )
    scaled: np.ndarray = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return scaled


def make(content: bytes) -> tuple[np.ndarray, bytes]:
    """The pixels and the PNG file of one image."""
    pixels = to_8bit(crop(np.array(Image.open(io.BytesIO(content)))))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return pixels, file.getvalue()


@cache
def client(endpoint_url: str) -> Any:
    """One client for each process."""
    return boto3.client("s3", endpoint_url=endpoint_url, config=Config(signature_version=UNSIGNED))


def download(job: tuple[str, str, str]) -> None:
    """Fetch, make and write one image."""
    endpoint_url, key, folder = job
    content = io.BytesIO()
    client(endpoint_url).download_fileobj(Bucket=BUCKET, Key=key, Fileobj=content)
    path = Path(folder) / f"{Path(key).parent.name}__{Path(key).stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make(content.getvalue())[1])


if __name__ == "__main__":
    jobs = [(sys.argv[1], line.strip(), sys.argv[3]) for line in sys.stdin]
    with Pool(int(sys.argv[2])) as pool:
        for _ in pool.imap_unordered(download, jobs, chunksize=4):
            pass
