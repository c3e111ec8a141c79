"""`cpb jump load-data`: the image lists of all plates as one data set."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import track

from cellpainting.cli.jump_options import ENDPOINT_URL, output_option
from cellpainting.cli.signals import stop
from cellpainting.errors import InvalidRequest

if TYPE_CHECKING:
    from cellpainting.jump.load_data import PlateReport

NAMED = 20  # plates that are not done


@click.command("load-data")
@click.option(
    "--metadata",
    "metadata_file",
    metavar="FILE",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="complete_metadata.parquet, as 'cpb jump metadata' writes it",
)
@output_option("the data set")
@click.option("--source", "sources", metavar="S", multiple=True, help="only this source; may be given several times")
@ENDPOINT_URL
@click.option("--workers", type=click.IntRange(min=1), default=16, show_default=True, help="plates at a time")
@click.option("--json", "as_json", is_flag=True, help="print each plate's report as JSON")
def load_data(
    metadata_file: Path, folder: Path, sources: tuple[str, ...], endpoint_url: str | None, workers: int, as_json: bool
) -> int:
    """Fetch the load data of all plates from the Gallery, without credentials, into one Parquet data set.

    Typed again, it fetches only what is not there or has changed. Plates whose load data is missing, empty or damaged
    are listed, and make the exit status 1.

    Example: cpb jump load-data --metadata jump/metadata/complete_metadata.parquet --output jump/load_data
    """
    from cellpainting.jump.gallery import open_gallery
    from cellpainting.jump.load_data import PlateState, collect, plates_of, read_metadata, write_report

    signal.signal(signal.SIGTERM, stop)
    metadata = read_metadata(metadata_file)
    plates = [plate for plate in plates_of(metadata) if not sources or plate.source in sources]
    if not plates:
        raise InvalidRequest(f"{metadata_file} has no plate of {', '.join(sources) or 'any source'}; correct --source")
    console = Console(stderr=True)
    gallery = open_gallery(endpoint_url, 2 * workers)
    done = collect(plates, metadata, folder, gallery, workers)
    reports = list(
        track(done, "plates", total=len(plates), console=console, transient=True, disable=not console.is_terminal)
    )
    path = write_report(folder, reports)
    if as_json:
        click.echo(path.read_text(encoding="utf-8"))
    else:
        _tell(reports, path)
    return 0 if all(report.state is PlateState.DONE for report in reports) else 1


def _tell(reports: "Sequence[PlateReport]", path: Path) -> None:
    left = [report for report in reports if report.reason]
    for report in left[:NAMED]:
        click.echo(f"{report.state.value}: {report.source} {report.batch} {report.plate}: {report.reason}")
    without_images = sum(len(report.wells_without_images) for report in reports)
    without_metadata = sum(len(report.wells_without_metadata) for report in reports)
    image_sets = sum(report.image_sets for report in reports)
    click.echo(
        f"{len(reports) - len(left):,} of {len(reports):,} plates, {image_sets:,} image sets; "
        f"{len(left):,} plates are not done; wells of the metadata without images: {without_images:,}, "
        f"wells with images that the metadata has not: {without_metadata:,}; all are named in {path}"
    )
