"""The code of Lambda functions, put together by copying: neither Docker nor pip is asked."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "containers" / "worker" / "cellpainting"


@jsii.implements(cdk.ILocalBundling)
class FunctionBundle:
    """The modules of a handler's folder, and parts of the worker's package."""

    def __init__(self, handler: Path, parts: Sequence[str]) -> None:
        self._handler, self._parts = handler, parts

    def try_bundle(self, output_dir: str, *_options: Any, **_more: Any) -> bool:
        """Copy the handler and the shared parts. FileNotFoundError when one of them is missing."""
        copy_modules(self._handler, Path(output_dir))
        for part in self._parts:
            copy_modules(PACKAGE / part, Path(output_dir) / PACKAGE.name / part)
        return True


def copy_modules(source: Path, target: Path) -> None:
    """Copy one module, or all modules below a folder with their tables; FileNotFoundError if there are none."""
    modules = [source] if source.is_file() else sorted(source.rglob("*.py"))
    if not modules:
        raise FileNotFoundError(f"{source} holds no Python module, and a function needs it")
    for module in (*modules, *sorted(source.rglob("*.csv"))):
        copy = target / module.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, copy)


def function_code(handler: Path, parts: Sequence[str]) -> lambda_.AssetCode:
    """The code of the function whose folder is `handler`, with these parts of the worker's package."""
    return lambda_.Code.from_asset(
        str(handler),
        # Of what is in the bundle, so that the same modules are the same asset on every machine.
        asset_hash_type=cdk.AssetHashType.OUTPUT,
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("never-used"), local=FunctionBundle(handler, parts)
        ),
    )
