"""The `DIR=PREFIX` and `PREFIX=DIR` options: a local folder and a place in the bucket."""

from pathlib import Path
from typing import Any

import click

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields


class DirectoryAtPrefix(click.ParamType[tuple[Path, str]]):
    """`DIR=PREFIX` to an existing folder and a checked prefix; the last `=` divides them."""

    name = "DIR=PREFIX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Path, str]:
        """Parse one option."""
        directory, separator, prefix = str(value).rpartition("=")
        if not separator:
            self.fail(f"{value!r} has no '='; write {self.name}", param, ctx)
        path = Path(directory).expanduser().resolve()  # jobs have a working folder of their own
        if not path.is_dir():
            self.fail(f"{directory!r} is not a folder", param, ctx)
        return path, _checked(self, prefix, param, ctx)


class PrefixToDirectory(click.ParamType[tuple[str, Path]]):
    """`PREFIX=DIR` to a checked prefix and a folder, which is made if need be; the first `=` divides them."""

    name = "PREFIX=DIR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """Parse one option."""
        prefix, separator, directory = str(value).partition("=")
        if not separator or not directory:
            self.fail(f"{value!r} has no '=' or no folder; write {self.name}", param, ctx)
        return _checked(self, prefix, param, ctx), Path(directory).expanduser()


DIRECTORY_AT_PREFIX = DirectoryAtPrefix()
PREFIX_TO_DIRECTORY = PrefixToDirectory()


def _checked(kind: click.ParamType[Any], prefix: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Hold a prefix to the rules of a request's keys; `runs/` may be copied out, so it is let through."""
    if prefix.split("/")[0] == "runs" and ".." not in prefix.split("/"):
        return prefix.strip("/")
    try:
        return Fields({"prefix": prefix}).key("prefix")
    except InvalidField as error:
        kind.fail(str(error), param, ctx)
