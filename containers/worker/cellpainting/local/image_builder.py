"""Stands in for Docker while `cdk deploy` builds and pushes images: keeps each one's Dockerfile, and builds nothing.

The CDK command line calls what CDK_DOCKER names. Usage: `python -m cellpainting.local.image_builder STORE COMMAND...`.
"""

import argparse
import sys
from pathlib import Path

from cellpainting.local.image_store import ImageStore

PREFIX = "cdkasset-"  # of the names that the command line gives images on this machine
NOTHING_TO_DO = ("login", "tag", "push")


def write_program(path: Path, store: ImageStore) -> None:
    """Write the program for CDK_DOCKER, which takes a path and no arguments."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {__spec__.name} "{store.folder}" "$@"\n')
    path.chmod(0o755)


def main(arguments: list[str]) -> int:
    """Do one of Docker's commands; the exit status is what Docker's would be."""
    folder, command, *options = arguments
    store = ImageStore(Path(folder))
    if command == "inspect":
        return 0 if store.has(options[0].removeprefix(PREFIX)) else 1
    if command == "build":
        build = argparse.ArgumentParser()
        build.add_argument("--tag", required=True)
        build.add_argument("--file", default="Dockerfile")
        known, (*_, directory) = build.parse_known_args(options)
        store.add(known.tag.removeprefix(PREFIX), Path(directory).resolve() / known.file)
        return 0
    if command in NOTHING_TO_DO:
        return 0
    print(f"docker {command}: the local cloud builds no images and knows no such command", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
