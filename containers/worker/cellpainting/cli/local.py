"""`cpb local`: the whole cloud on this machine, to try, to test, and to run a plate on a workstation."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console

from cellpainting.cellprofiler.environment import find_cellprofiler
from cellpainting.cli.folder_pairs import DIRECTORY_AT_PREFIX, PREFIX_TO_DIRECTORY
from cellpainting.cli.progress import Progress

if TYPE_CHECKING:
    from cellpainting.local.cloud import LocalCloud

DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cpb-data"),
    show_default=True,
    help="folder that keeps the bucket between runs",
)
STORAGE = click.option(
    "--storage",
    type=click.Choice(["s3", "fsx"]),
    help="how jobs read images: copied from the bucket (s3) or in place (fsx)  [default: s3, or fsx with --mount]",
)
MOUNT = click.option(
    "--mount",
    "mounts",
    metavar="DIR=PREFIX",
    type=DIRECTORY_AT_PREFIX,
    multiple=True,
    help="show a folder of yours in the bucket, read only, without copying it",
)
SEND = "aws --endpoint-url $AWS_ENDPOINT_URL sqs send-message --queue-url $SQS_URL --message-body file://REQUEST.json"
DEPLOY = ("cdk bootstrap", "cdk deploy batch-cpb")
CONTAINERS = click.option(
    "--containers", "in_containers", is_flag=True, help="run each job inside its image, with Docker or Podman"
)


@click.group()
def local() -> None:
    """The whole cloud on this machine: no AWS account, no Docker."""


@local.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4577, show_default=True, help="0 takes any free port")
@click.option("--empty", "is_empty", is_flag=True, help="deploy nothing: `cdk deploy` does, in another terminal")
@DATA
@STORAGE
@MOUNT
@CONTAINERS
def up(
    port: int,
    is_empty: bool,
    data: Path,
    storage: str | None,
    mounts: tuple[tuple[Path, str], ...],
    in_containers: bool,
) -> int:
    """Keep the local cloud up until Ctrl-C, for `aws`, `cdk` and other programs in another terminal.

    Example: cpb local up --port 4577
    """
    if is_empty and storage:
        raise click.UsageError(
            "--storage is for what is deployed here; with --empty, `cdk deploy -c storage=...` chooses"
        )
    progress = Progress(Console())
    mode = None if is_empty else _mode(storage, mounts)
    with _cloud(data, mode, mounts, port, progress, in_containers=in_containers) as cloud:
        if is_empty:
            lines = ["The account is empty. In another terminal:", *_exports(_for_cdk(cloud)), *DEPLOY]
        else:
            variables = {"SQS_URL": cloud.outputs["SQSQueueURL"], "AWS_BUCKET": cloud.outputs["BucketName"]}
            exports = _exports({**cloud.account.variables, **variables})
            lines = ["The local cloud is up. In another terminal:", *exports, SEND]
        for line in [*lines, "Ctrl-C stops it; what lies in the bucket stays."]:
            progress.print(line)
        _until_interrupted()
    return 0


@local.command()
@click.argument("requests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--upload",
    "uploads",
    metavar="DIR=PREFIX",
    type=DIRECTORY_AT_PREFIX,
    multiple=True,
    help="copy a folder into the bucket",
)
@click.option(
    "--download",
    "downloads",
    metavar="PREFIX=DIR",
    type=PREFIX_TO_DIRECTORY,
    multiple=True,
    help="copy results out of the bucket",
)
@DATA
@STORAGE
@MOUNT
@CONTAINERS
def run(
    requests: tuple[Path, ...],
    uploads: tuple[tuple[Path, str], ...],
    downloads: tuple[tuple[str, Path], ...],
    data: Path,
    storage: str | None,
    mounts: tuple[tuple[Path, str], ...],
    in_containers: bool,
) -> int:
    """Send requests to a local cloud, wait for them, and report every image set.

    Run again after an interruption or a correction: what is done already is not done again.

    Example: cpb local run request.json --upload my_plate=plates/my_plate --download plates/my_plate/results=results
    """
    from cellpainting.local.session import account_for, download, send, upload, wait

    console = Console()
    progress = Progress(console)
    with _cloud(data, _mode(storage, mounts), mounts, 0, progress, in_containers=in_containers) as cloud:
        for directory, prefix in uploads:
            count = progress.count(f"upload {directory}", upload(cloud, directory, prefix))
            progress.print(f"upload: {count} files of {directory} are new or changed in {prefix}/")
        sent = [send(cloud, path.read_text()) for path in requests]
        with progress:
            wait(cloud)
        report = account_for(cloud, sent)
        for prefix, directory in downloads:
            count = progress.count(f"download {prefix}/", download(cloud, prefix, directory))
            progress.print(f"download: {count} files of {prefix}/ are in {directory}")
    report.print(console)
    return report.exit_status


@contextmanager
def _cloud(
    data: Path,
    storage: str | None,
    mounts: tuple[tuple[Path, str], ...],
    port: int,
    progress: Progress,
    *,
    in_containers: bool,
) -> Iterator["LocalCloud"]:
    try:
        from cellpainting.local.cloud import LocalCloud, LocalSettings
        from cellpainting.local.image_host import find_engine
    except ImportError as error:
        raise click.ClickException(f"{error.name} is not installed; pip install 'cellpainting[local]'") from error
    shown: Mapping[str, Path] = {prefix: directory for directory, prefix in mounts}
    # Nothing is sent before it is known that the jobs could run.
    engine = find_engine() if in_containers else ()
    cloud = LocalCloud(LocalSettings(data.resolve(), storage, shown, engine=engine, port=port), progress.tell)
    if not in_containers:
        find_cellprofiler(cloud.cellprofiler)
    signal.signal(signal.SIGTERM, _interrupt)
    if storage is not None:
        progress.print("local cloud: synthesizing and deploying the stacks")
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.stop()


def _mode(storage: str | None, mounts: tuple[tuple[Path, str], ...]) -> str:
    return storage or ("fsx" if mounts else "s3")


def _for_cdk(cloud: "LocalCloud") -> dict[str, str]:
    """The variables that make the CDK command line deploy here, without Docker."""
    # It looks for buckets at names below an address that is a number.
    endpoint_url = cloud.account.endpoint_url.replace("127.0.0.1", "localhost")
    return {**cloud.account.variables, "AWS_ENDPOINT_URL": endpoint_url, "CDK_DOCKER": str(cloud.docker)}


def _exports(variables: Mapping[str, str]) -> list[str]:
    return [f"export {name}={value}" for name, value in variables.items()]


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
