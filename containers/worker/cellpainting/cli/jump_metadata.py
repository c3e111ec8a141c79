"""`cpb jump metadata`: the published tables as one, with an account of every row."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellpainting.cli.jump_options import output_option

if TYPE_CHECKING:
    from cellpainting.jump.metadata import Account

NAMED = 5  # examples of what does not join


@click.command()
@output_option("the tables")
@click.option(
    "--from",
    "tables",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="a folder that has the published tables already; nothing is fetched",
)
@click.option("--release", metavar="TAG", help="a release of the public datasets repository  [default: v0.13]")
@click.option("--url", metavar="U", help="where the releases are  [default: GitHub]")
@click.option("--json", "as_json", is_flag=True, help="print the account as JSON")
def metadata(folder: Path, tables: Path | None, release: str | None, url: str | None, as_json: bool) -> int:
    """Merge plates, wells, compounds, ORFs, CRISPR guides and controls into complete_metadata (CSV and Parquet).

    Every well stays. Wells whose plate or perturbation is in no table are listed, and make the exit status 1.

    Example: cpb jump metadata --output jump/metadata
    """
    from cellpainting.jump.metadata import merge, read_tables, write_metadata
    from cellpainting.jump.tables import RELEASE, RELEASES_URL, fetch_tables

    if tables is None:
        tables = folder / "tables"
        for path in fetch_tables(tables, release or RELEASE, url or RELEASES_URL):
            click.echo(f"fetched {path}", err=True)
    merged, account = merge(*read_tables(tables))
    for path in write_metadata(folder, merged, account):
        click.echo(f"wrote {path}", err=True)
    click.echo(account.to_json() if as_json else "\n".join(_lines(account)))
    return 0 if account.is_complete else 1


def _lines(account: "Account") -> Iterator[str]:
    yield "read: " + ", ".join(f"{rows:,} of {name}" for name, rows in account.rows_read.items())
    yield f"{account.rows_read['well']:,} wells in, {account.wells:,} out"
    yield "by modality: " + ", ".join(f"{count:,} {name}" for name, count in account.wells_by_modality.items())
    yield "by control type: " + ", ".join(f"{count:,} {name}" for name, count in account.wells_by_pert_type.items())
    yield f"wells whose perturbation nobody knows: {account.wells_not_identified:,}"
    yield _listed("wells of a plate that is in no table", account.wells_of_unknown_plates)
    yield _listed("wells of a perturbation that is in no table", account.wells_of_unknown_perturbations)
    yield _listed("plates without wells", account.plates_without_wells)
    unused = ", ".join(f"{count:,} of {name}" for name, count in account.perturbations_in_no_well.items())
    yield f"perturbations that no well has: {unused}"


def _listed(what: str, names: list[str]) -> str:
    more = f", and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{what}: {len(names):,}" + (f" ({'; '.join(names[:NAMED])}{more})" if names else "")
