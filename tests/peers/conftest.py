"""What the public programs and `cpb ingest` make of each analysis, once for all tests."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.peers.environments import CYTOMINER_DATABASE, PYCYTOMINER, PeerNotInstalled
from tests.peers.plates import ANALYSES, SMALL, Analysis, Made, Ours, Theirs, make_ours, make_theirs


@pytest.fixture(scope="session")
def peers() -> None:
    """The environments of the public programs."""
    try:
        for peer in (CYTOMINER_DATABASE, PYCYTOMINER):
            peer.python()
    except PeerNotInstalled as error:
        pytest.fail(f"the public programs could not be installed: {error}")


@pytest.fixture(scope="session")
def theirs_of(peers: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Analysis], Theirs]:
    """The public programs' backend and profiles of an analysis, made at most once."""
    return cache(lambda analysis: make_theirs(analysis, tmp_path_factory.mktemp(f"theirs-{analysis.name}")))


@pytest.fixture(scope="session")
def ours_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ours]:
    """What `cpb ingest` makes of an analysis with some options, at most once."""
    return cache(
        lambda analysis, *options: make_ours(analysis, tmp_path_factory.mktemp(f"ours-{analysis.name}"), *options)
    )


@pytest.fixture(scope="session", params=ANALYSES, ids=lambda analysis: analysis.name)
def analysis(request: pytest.FixtureRequest) -> Analysis:
    """Each analysis that is there."""
    found: Analysis = request.param
    if not found.folder.is_dir():
        pytest.skip(f"{found.folder} is not here: real CSVs that others published")
    return found


@pytest.fixture(scope="session")
def made(analysis: Analysis, theirs_of: Callable[[Analysis], Theirs], ours_of: Callable[..., Ours]) -> Made:
    """Both backends of it."""
    medians = ours_of(analysis, "--aggregate", "median", "--no-sqlite")
    return Made(analysis, theirs_of(analysis), ours_of(analysis), medians)


@pytest.fixture
def small(theirs_of: Callable[[Analysis], Theirs], ours_of: Callable[..., Ours]) -> tuple[Path, Path]:
    """The SQLite files of the small analysis that is part of the repository: ours, and theirs."""
    return ours_of(SMALL).database, theirs_of(SMALL).database
