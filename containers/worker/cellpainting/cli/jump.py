"""`cpb jump`: the JUMP Cell Painting data set, from its tables to images to train on."""

import click

from cellpainting.cli.jump_download import download


@click.group()
def jump() -> None:
    """The JUMP data set: tables, image lists, choice of sites, images."""


jump.add_command(download)
