"""`cpb jump`: the JUMP Cell Painting data set, from its tables to images to train on."""

import click

from cellpainting.cli.jump_download import download
from cellpainting.cli.jump_load_data import load_data
from cellpainting.cli.jump_metadata import metadata
from cellpainting.cli.jump_select import select


@click.group()
def jump() -> None:
    """The JUMP data set: tables, image lists, choice of sites, images."""


jump.add_command(metadata)
jump.add_command(load_data)
jump.add_command(select)
jump.add_command(download)
