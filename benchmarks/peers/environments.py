"""Environments for peers, each with the Python and the packages that it can run with. uv makes them, once."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
UV = os.environ.get("UV", str(REPOSITORY / ".tools" / "bin" / "uv"))
CACHE = REPOSITORY / ".cache" / "peers"
FIND_PYTHON39 = REPOSITORY / "containers" / "cellprofiler" / "install.sh"  # the one that CellProfiler is installed with


@dataclass(frozen=True)
class Peer:
    """A program to compare with, and what it needs. Without `python39` it runs with this Python's version."""

    name: str
    packages: tuple[str, ...]
    python39: bool = False

    def python(self) -> Path:
        """The Python of its environment, which is made if it is not there.

        Raises
        ------
        PeerNotInstalled
            With what uv says.
        """
        digest = hashlib.sha256("\n".join(self.packages).encode()).hexdigest()[:8]
        folder = CACHE / f"{self.name}-{digest}"
        python, is_ready = folder / "bin" / "python", folder / ".ready"
        if not is_ready.exists():
            base = _output([str(FIND_PYTHON39), "--find-python"]) if self.python39 else sys.executable
            _output([UV, "venv", "--quiet", "--clear", "--no-project", "--python", base, str(folder)])
            _output([UV, "pip", "install", "--quiet", "--python", str(python), *self.packages])
            is_ready.touch()
        return python


class PeerNotInstalled(Exception):
    """An environment could not be made: no network, or no such package for this machine."""


# Not maintained any more: it needs versions of 2023 and earlier.
CYTOMINER_DATABASE = Peer(
    "cytominer-database",
    ("cytominer-database==0.3.5", "pandas<2", "SQLAlchemy<2", "numpy<1.24", "setuptools<70"),
    python39=True,
)
PYCYTOMINER = Peer("pycytominer", ("pycytominer==1.6.1",))
CMAPPY = Peer("cmappy", ("cmappy==4.0.1", "pandas==2.3.3", "numpy<2"))  # its parser is of the time before pandas 3
# At its first use CytoTable lets DuckDB fetch two extensions; here they come from the package index as well, and so
# does the one version of DuckDB that they fit.
CYTOTABLE = Peer(
    "cytotable",
    ("cytotable==1.2.6", "duckdb==1.4.4", "duckdb-ext-sqlite==1.4.4.20260205", "duckdb-ext-httpfs==1.4.4.20260205"),
)


def _output(command: list[str]) -> str:
    """What a command prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "UV": UV})
    except FileNotFoundError as error:
        raise PeerNotInstalled(f"{error}; make setup installs uv") from error
    if done.returncode:
        raise PeerNotInstalled(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()
