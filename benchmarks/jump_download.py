"""Images from a server to files: fetched from nginx on this machine, made, written; beside boto3, Pillow and a pool.

    .venv/bin/python benchmarks/jump_download.py [--images DIR] [--image-sets N] [--workers 1 2 4] [--rounds N]

The server has the real images of `--images` under many names, and shares the processors with both. Each way runs as a
process of its own, in turn. Memory is that of all of its processes together, shared pages counted once.
Needs nginx (Debian, Ubuntu: apt-get install nginx-light).
"""

import argparse
import contextlib
import csv
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY.parent / "shared" / "data" / "images"
PEER = REPOSITORY / "benchmarks" / "peers" / "jump_download.py"
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
PREFIX = "cpg0016-jump/source_4/images/batch1/images/P1__2021-05-02T16_02_51-Measurement 1/Images"
SAMPLE_S = 0.1
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; keepalive_requests 100000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}/root; }} }}
"""


@dataclass(frozen=True)
class Cost:
    """What a way took for all images: seconds on the clock and of processors, peak memory in MiB."""

    wall: float
    processor: float
    memory_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both ways in turn for each number of workers, and print a table."""
    parser = argparse.ArgumentParser(description="Time images from a server to files.")
    parser.add_argument("--images", type=Path, default=IMAGES, help="a folder of 16-bit TIFF files")
    parser.add_argument("--image-sets", type=int, default=80, help="of five channels  [default: 80]")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="[default: 1 2 4]")
    parser.add_argument("--rounds", type=int, default=3, help="of both ways, to take the median of  [default: 3]")
    options = parser.parse_args(arguments)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not nginx:
        parser.error("nginx is not installed (Debian, Ubuntu: apt-get install nginx-light)")
    with tempfile.TemporaryDirectory(prefix="cpb-benchmark-") as name, serving(Path(name), nginx) as url:
        folder = Path(name)
        keys, size = fill(folder, options.images, options.image_sets)
        print(f"{len(keys)} images, {size / 1e6:.0f} MB; medians of {options.rounds} rounds")
        print("workers  way                    images/s  per core  ms of processor  MB/s fetched  peak MiB")
        for workers in options.workers:
            theirs, ours = [], []
            for _ in range(options.rounds):
                theirs.append(run_peer(url, keys, workers, folder))
                ours.append(run_ours(url, workers, folder))
            print_rows(workers, len(keys), size, theirs, ours)
    return 0


@contextlib.contextmanager
def serving(folder: Path, nginx: str) -> Iterator[str]:
    """nginx on a free port, with a root below the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "root").mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    server = subprocess.Popen([nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def fill(folder: Path, images: Path, image_sets: int) -> tuple[list[str], int]:
    """Show the images under many names, and write load data for them; all keys, and their bytes together."""
    files = sorted(images.rglob("*.tiff"))
    if not files:
        raise SystemExit(f"{images} has no .tiff files; name a folder with --images")
    place = folder / "root" / "cellpainting-gallery" / PREFIX
    place.mkdir(parents=True)
    (folder / "root").chmod(0o755)
    folder.chmod(0o755)
    keys, size = [], 0
    with (folder / "load_data.csv").open("w", newline="") as file:
        table = csv.writer(file)
        names = [f"Metadata_{name}" for name in ("Source", "Batch", "Plate", "Well", "Site")]
        table.writerow([*names, *(f"URL_Orig{channel}" for channel in CHANNELS)])
        for number in range(image_sets):
            row = ["source_4", "batch1", "P1", f"A{number // 9 + 1:02}", str(number % 9 + 1)]
            for at, channel in enumerate(CHANNELS):
                image = files[(number * len(CHANNELS) + at) % len(files)]
                name = f"{number:04}-{channel}.tiff"
                shutil.copyfile(image, place / name)
                keys.append(f"{PREFIX}/{name}")
                size += image.stat().st_size
                row.append(f"s3://cellpainting-gallery/{PREFIX}/{name}")
            table.writerow(row)
    return keys, size


def run_peer(url: str, keys: Sequence[str], workers: int, folder: Path) -> Cost:
    """The published way."""
    output = folder / "peer"
    cost = measured([sys.executable, str(PEER), url, str(workers), str(output)], "\n".join(keys))
    require_files(output, len(keys))
    return cost


def run_ours(url: str, workers: int, folder: Path) -> Cost:
    """The command, as users type it."""
    output = folder / "ours"
    cpb = str(Path(sys.executable).with_name("cpb"))
    options = ["--load-data", str(folder / "load_data.csv"), "--output", str(output)]
    cost = measured([cpb, "jump", "download", *options, "--endpoint-url", url, "--workers", str(workers)], "")
    require_files(output / "images" / "source_4", sum(1 for _ in (folder / "load_data.csv").open()) * 5 - 5)
    return cost


def measured(command: Sequence[str], text: str) -> Cost:
    """Run a command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    peak = [0.0]
    watch = threading.Thread(target=watch_memory, args=(process, peak))
    watch.start()
    process.communicate(text)
    watch.join()
    wall = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"{command} ended with status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, processor, peak[0])


def watch_memory(process: "subprocess.Popen[str]", peak: list[float]) -> None:
    """Keep the largest sum of a process and its children, in MiB."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(memory_kib(pid) for pid in family(process.pid)) / 1024)
        time.sleep(SAMPLE_S)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(member for child in children for member in family(int(child)))]
    return []


def memory_kib(pid: int) -> int:
    """The proportional set size."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def require_files(folder: Path, count: int) -> None:
    """Both ways have to do the same work; what they made is removed."""
    there = sum(1 for _ in folder.rglob("*.png"))
    if there != count:
        raise SystemExit(f"{folder} has {there} images, expected {count}")
    shutil.rmtree(folder if folder.name == "peer" else folder.parents[1])


def print_rows(workers: int, images: int, size: int, theirs: Sequence[Cost], ours: Sequence[Cost]) -> None:
    """A row for each way, and the ratio of processor times."""
    for name, costs in (("boto3, Pillow, pool", theirs), ("cpb jump download", ours)):
        wall = statistics.median(cost.wall for cost in costs)
        processor = statistics.median(cost.processor for cost in costs)
        memory = max(cost.memory_mib for cost in costs)
        print(
            f"{workers:7}  {name:20} {images / wall:10.0f} {images / processor:9.0f} {processor / images * 1000:16.1f} "
            f"{size / wall / 1e6:13.0f} {memory:9.0f}"
        )
    ratio = statistics.median(one.processor / other.processor for one, other in zip(theirs, ours, strict=True))
    print(f"{'':9}ratio of processor time {ratio:.1f}")


if __name__ == "__main__":
    sys.exit(main())
