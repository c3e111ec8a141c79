"""The bills of materials: valid CycloneDX, with what the images hold."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.conftest import REPOSITORY
from tests.containers.conftest import RUNTIMES, Engine

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]

HELD = {"cellprofiler": "cellprofiler", "profiling": "pycytominer", "starfish": "starfish"}


@pytest.fixture(scope="module")
def folder(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([sys.executable, REPOSITORY / "scripts" / "sbom.py", folder], check=True)
    return folder


def test_there_is_a_valid_bill_for_each_image_and_for_uv_lock(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"uv.cdx.json", *(f"cpb-{runtime}.cdx.json" for runtime in RUNTIMES)}
    validator = JsonStrictValidator(SchemaVersion.V1_5)
    for path in folder.iterdir():
        assert validator.validate_str(path.read_text()) is None, path.name


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bill_lists_debian_and_python_packages_of_the_image_once(folder: Path, runtime: str) -> None:
    components = json.loads((folder / f"cpb-{runtime}.cdx.json").read_text())["components"]
    purls = [component["purl"] for component in components]
    assert len(set(purls)) == len(purls)
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)
    assert any(purl.startswith("pkg:pypi/boto3@") for purl in purls)
    assert any(purl.startswith(f"pkg:pypi/{HELD[runtime]}@") for purl in purls)
    assert not any(purl.startswith("pkg:deb/debian/gcc@") for purl in purls)
