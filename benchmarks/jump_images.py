"""One image from 16-bit TIFF to 8-bit PNG: processor time beside the published way, pixels and sizes compared.

The images are sites of two JUMP plates (`--images`), which are not part of the repository. Both ways do all images in
turn, again and again, in one process and thread.

    .venv/bin/python benchmarks/jump_images.py [--images DIR] [--rounds N]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # run as a script, Python knows this file's own folder only

from benchmarks.peers import jump_download as peer  # noqa: E402
from cellpainting.download.recipe import Recipe  # noqa: E402
from cellpainting.images.decode import decode  # noqa: E402
from cellpainting.jobs import DownloadImages, parse_job  # noqa: E402
from cellpainting.ledger import StoredFile  # noqa: E402

IMAGES = REPOSITORY.parent / "shared" / "data" / "images"
REQUEST = {"job_type": "download_images", "load_data": "load_data.csv", "output": "images"}
TARGET_RATIO, TARGET_SIZE = 6, 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Time both ways, print a table and the ratio; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="Time one image, from TIFF to PNG.")
    parser.add_argument("--images", type=Path, default=IMAGES, help="a folder of 16-bit TIFF files")
    parser.add_argument("--rounds", type=int, default=9, help="of all images  [default: 9]")
    options = parser.parse_args(arguments)
    contents = [path.read_bytes() for path in sorted(options.images.rglob("*.tiff"))]
    if not contents:
        parser.error(f"{options.images} has no .tiff files; name a folder with --images")
    recipe = recipe_of(REQUEST)
    sizes = [compare(content, recipe) for content in contents]
    peer_ms, our_ms, decode_ms = [], [], []
    for _ in range(options.rounds):
        peer_ms.append(milliseconds(peer.make, contents))
        our_ms.append(milliseconds(lambda content: make(content, recipe), contents))
        decode_ms.append(milliseconds(decode, contents))
    ratio = statistics.median(one / other for one, other in zip(peer_ms, our_ms, strict=True))
    size = sum(ours for _, ours in sizes) / sum(theirs for theirs, _ in sizes)
    print(f"{len(contents)} images, median of {options.rounds} rounds, milliseconds of processor an image:")
    for name, values in (("the published way", peer_ms), ("this project", our_ms), ("decoding alone", decode_ms)):
        print(f"{name:20} {statistics.median(values):6.1f}   ({min(values):.1f} to {max(values):.1f})")
    print(f"ratio {ratio:.1f} (target {TARGET_RATIO}); pixels identical; files {size:.3f} of the size")
    return 0 if ratio >= TARGET_RATIO and size <= TARGET_SIZE else 1


def recipe_of(request: dict[str, str]) -> Recipe:
    """What is done to each image by default."""
    job = parse_job(request)
    if not isinstance(job, DownloadImages):
        raise TypeError(f"got a request of type {job.job_type}")
    return Recipe(job)


def make(content: bytes, recipe: Recipe) -> bytes:
    """The PNG file of one image, its note included."""
    return recipe.make(content, StoredFile("images/one.tiff", len(content), "0" * 32), "DNA")[0]


def compare(content: bytes, recipe: Recipe) -> tuple[int, int]:
    """The sizes of both files, if their pixels are the same."""
    pixels, file = peer.make(content)
    ours = make(content, recipe)
    if not np.array_equal(decode(ours), pixels):
        raise SystemExit("the pixels differ from those of the published formula")
    return len(file), len(ours)


def milliseconds(do: Callable[[bytes], object], contents: Sequence[bytes]) -> float:
    """Processor time of one image."""
    started = time.process_time()
    for content in contents:
        do(content)
    return (time.process_time() - started) / len(contents) * 1000


if __name__ == "__main__":
    sys.exit(main())
