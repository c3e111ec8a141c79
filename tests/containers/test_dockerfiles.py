"""What the Dockerfiles are built on: bases pinned by digest, the same for all, and named in the docs."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.containers.conftest import RUNTIMES

FROM = re.compile(r"^FROM (\S+)(?: AS (\S+))?$", re.MULTILINE)
BASE = re.compile(r"^ARG (\w+)=(\S+)$", re.MULTILINE)
PINNED = re.compile(r"docker\.io/library/[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}")


def dockerfile(runtime: str) -> str:
    return (REPOSITORY / "containers" / runtime / "Dockerfile").read_text()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_stage_is_built_on_a_base_that_is_pinned_by_digest_or_on_a_stage_before_it(runtime: str) -> None:
    text = dockerfile(runtime)
    bases = {f"${{{name}}}": base for name, base in BASE.findall(text)}
    stages = FROM.findall(text)
    assert stages
    names: set[str] = set()
    for base, name in stages:
        assert base in names or PINNED.fullmatch(bases[base]), base
        names.add(name)
    assert set(re.findall(r"--from=(\S+)", text)) <= names


def test_all_images_have_the_same_debian_and_the_docs_name_every_base() -> None:
    bases = {base for runtime in RUNTIMES for base in BASE.findall(dockerfile(runtime))}
    assert sorted(name for name, _ in bases) == ["DEBIAN", "PYTHON39"]
    text = (REPOSITORY / "docs" / "images.md").read_text()
    for _, base in bases:
        assert base.removeprefix("docker.io/library/") in text
