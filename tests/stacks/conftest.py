"""The assemblies of both storage modes, each written once per session by `python app.py` itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODES = ("s3", "fsx")


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Storage mode to folder. The environment holds CDK's own variables alone: no PATH, no HOME, no AWS."""
    return {mode: synthesize(tmp_path_factory.mktemp("assembly") / mode, {"storage": mode}) for mode in MODES}


@pytest.fixture(scope="session")
def asleep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of a deployment that waits for the next screen."""
    return synthesize(tmp_path_factory.mktemp("assembly") / "asleep", {"storage": "fsx", "asleep": "true"})


def synthesize(folder: Path, context: dict[str, str]) -> Path:
    """Run the app with some context; returns the folder."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "app.py")],
        env={"CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context)},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="session", params=MODES)
def assembly(request: pytest.FixtureRequest, assemblies: dict[str, Path]) -> Path:
    """The assembly of each storage mode in turn."""
    return assemblies[request.param]


@pytest.fixture(scope="session")
def cli_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the CDK command line needs, on a machine without an AWS account: it must not look for one."""
    return {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }
