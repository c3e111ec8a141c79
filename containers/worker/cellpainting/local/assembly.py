"""The cloud assembly that `python app.py` writes: templates and assets, read as CloudFormation would."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellpainting.errors import LocalCloudError

REPOSITORY = Path(__file__).resolve().parents[4]  # this file is containers/worker/cellpainting/local/assembly.py
STACK = "aws:cloudformation:stack"


@dataclass(frozen=True)
class FileAsset:
    """A file asset: a folder or file of the assembly, and the bucket and key that a deployment puts it at."""

    path: Path
    is_zip: bool
    bucket: str
    key: str


@dataclass(frozen=True)
class ImageAsset:
    """An image asset: its tag (the asset's hash) and the Dockerfile it is built from."""

    tag: str
    dockerfile: Path


@dataclass(frozen=True)
class StackArtifact:
    """One stack of the assembly."""

    name: str
    template: dict[str, Any]
    files: tuple[FileAsset, ...]
    images: tuple[ImageAsset, ...]


def synthesize(output: Path, storage_mode: str) -> tuple[StackArtifact, ...]:
    """Run the app, with no credentials, and read its stacks in the order in which they can be deployed.

    Raises
    ------
    LocalCloudError
        If there is no app beside this package, or it fails; with the end of what it printed.
    """
    app = REPOSITORY / "app.py"
    if not app.is_file():
        raise LocalCloudError(
            f"{app} is not there: 'cpb local' needs a checkout of the repository, not only the package"
        )
    variables = {
        "HOME": str(Path.home()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps({"storage": storage_mode}),
    }
    ended = subprocess.run([sys.executable, str(app)], env=variables, capture_output=True, text=True, cwd=REPOSITORY)
    if ended.returncode != 0:
        raise LocalCloudError(f"python app.py failed:\n{(ended.stdout + ended.stderr)[-3000:]}")
    return read_assembly(output)


def read_assembly(output: Path) -> tuple[StackArtifact, ...]:
    """Read the stacks of an assembly, each after those it depends on."""
    artifacts = json.loads((output / "manifest.json").read_text())["artifacts"]
    stacks = {name: artifact for name, artifact in artifacts.items() if artifact["type"] == STACK}
    return tuple(_read_stack(output, stacks[name]) for name in _in_order(stacks))


def _in_order(stacks: dict[str, Any]) -> Iterator[str]:
    done: set[str] = set()
    while len(done) < len(stacks):
        ready = [
            name
            for name, stack in stacks.items()
            if name not in done and not (set(stack.get("dependencies", [])) & set(stacks)) - done
        ]
        if not ready:
            raise LocalCloudError(f"the stacks {sorted(set(stacks) - done)} depend on each other in a circle")
        done.update(ready)
        yield from ready


def _read_stack(output: Path, artifact: dict[str, Any]) -> StackArtifact:
    template = output / artifact["properties"]["templateFile"]
    name = template.name.removesuffix(".template.json")
    assets = json.loads((output / f"{name}.assets.json").read_text())
    return StackArtifact(
        name=artifact["properties"].get("stackName", name),
        template=json.loads(template.read_text()),
        files=tuple(_file_asset(output, asset) for asset in assets["files"].values()),
        images=tuple(
            ImageAsset(tag, output / image["source"]["directory"] / image["source"].get("dockerFile", "Dockerfile"))
            for tag, image in assets["dockerImages"].items()
        ),
    )


def _file_asset(output: Path, asset: dict[str, Any]) -> FileAsset:
    destination = next(iter(asset["destinations"].values()))
    return FileAsset(
        path=output / asset["source"]["path"],
        is_zip=asset["source"]["packaging"] == "zip",
        bucket=destination["bucketName"],
        key=destination["objectKey"],
    )
