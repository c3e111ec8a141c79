"""Writes bills of materials in CycloneDX's JSON into a folder (`make sbom`): one per image, with its Debian and Python
packages, and one of all that uv.lock holds. Needs the images: `make images`.

    python scripts/sbom.py FOLDER
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cellpainting.local.image_host import find_engine

REPOSITORY = Path(__file__).resolve().parents[1]
UV = os.environ.get("UV", str(REPOSITORY / ".tools" / "bin" / "uv"))
CONTAINERS = REPOSITORY / "containers"
SPEC_VERSION = "1.5"  # what uv writes
NOT_IN_THE_IMAGE = ("build-requirements.lock",)  # what only the build needs
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
DEBIAN_FORMAT = "${Package}\t${Version}\t${Architecture}\n"


def main(folder: Path) -> None:
    """Write all bills of materials; a command that fails ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = find_engine()
    for dockerfile in sorted(CONTAINERS.glob("*/Dockerfile")):
        runtime = dockerfile.parent.name
        components = [*debian_components(engine, runtime), *python_components(dockerfile.parent)]
        path = folder / f"cpb-{runtime}.cdx.json"
        path.write_text(json.dumps(bill(f"cpb-{runtime}", components), indent=2) + "\n")
        print(f"{path}: {len(components)} packages")
    path = folder / "uv.cdx.json"
    everything = ("--all-packages", "--all-groups", "--all-extras")
    uv = (UV, "export", "--frozen", "--quiet", "--format", f"cyclonedx{SPEC_VERSION}")
    path.write_text(output(*uv, *everything))
    print(path)


def bill(image: str, components: list[dict[str, str]]) -> Mapping[str, Any]:
    """The bill of materials of an image."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image, "bom-ref": image}},
        "components": components,
    }


def debian_components(engine: tuple[str, ...], runtime: str) -> Iterator[dict[str, str]]:
    """What dpkg knows in an image."""
    image = f"cpb-{runtime}:latest"
    listed = output(
        *engine, "run", "--rm", "--entrypoint", "dpkg-query", image, "--show", "--showformat", DEBIAN_FORMAT
    )
    for line in listed.splitlines():
        name, version, architecture = line.split("\t")
        yield component(name, version, f"pkg:deb/debian/{name}@{quote(version)}?arch={architecture}")


def python_components(folder: Path) -> Iterator[dict[str, str]]:
    """What the locks of an image hold, each package and version once."""
    texts = [path.read_text() for path in sorted(folder.glob("*.lock")) if path.name not in NOT_IN_THE_IMAGE]
    for name, version in sorted({pinned for text in texts for pinned in PINNED.findall(text)}):
        yield component(name, version, f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(version)}")


def component(name: str, version: str, purl: str) -> dict[str, str]:
    """A package, known by its package URL."""
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def output(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
