"""`cpb report`: one page that shows at a glance whether a plate is good."""

from pathlib import Path

import click

from cellpainting.cli.bucket import BUCKET_NAME, open_bucket
from cellpainting.cli.place import is_s3, open_anywhere


@click.command()
@click.argument("targets", metavar="RUN-or-PLATE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE.html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="the page; of several plates, their own pages go into a folder beside",
)
@click.option(
    "--bucket",
    metavar="URI",
    help=f"where runs are: s3://bucket, or a folder that stands for one  [default: the bucket in {BUCKET_NAME}]",
)
@click.option("--features", metavar="A,B,...", help="features to draw plates of, beside those that are chosen")
def report(targets: tuple[str, ...], output: Path, bucket: str | None, features: str | None) -> int:
    """Make one self-contained HTML page of a plate, a batch or a run.

    A target is the id of a run, or a folder: a plate's backend or profiles, or one above several. What belongs together
    is found by itself where it lies as the Cell Painting Gallery has it; several targets are put together by plate. The
    exit status is 0 whatever the plate is like, and 1 if results cannot be read.

    Example: cpb report workspace/backend/batch1/BR00117035 -o BR00117035.html
    """
    from cellpainting.profiles.place import Place
    from cellpainting.report.targets import Targets
    from cellpainting.report.write_report import write_report

    found = Targets(open_bucket(bucket))
    for target in targets:
        if is_s3(target) or Path(target).expanduser().is_dir():
            found.add_folder(Place(*open_anywhere(target)))
        else:
            found.add_run(target)
    plates = found.plates()
    written = write_report(plates, output, tuple(filter(None, (features or "").split(","))), click.echo)
    for problem in written.problems:
        click.echo(f"not shown: {problem}")
    name = plates[0].plate if len(plates) == 1 else f"{len(plates)} plates"
    click.echo(f"{name}: {written.verdict}")
    click.echo(f"look at it: {output}")
    return 1 if written.problems else 0
