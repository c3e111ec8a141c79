"""Where this machine's starfish is: a Python of its own, and which version that has."""

import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cellpainting.errors import StarfishNotFound

VARIABLE = "STARFISH"
REMEDY = f"run 'make setup', or set {VARIABLE}=/path/to/the/python/that/has/starfish"
ASKED = """
import importlib.metadata, json, sys
print(json.dumps([importlib.metadata.version('starfish'), sys.prefix, sys.base_prefix]))
"""


@dataclass(frozen=True)
class Starfish:
    """A Python that has starfish."""

    python: Path

    @property
    def version(self) -> str:
        """The installed version, from the metadata of its package.

        Raises
        ------
        StarfishNotFound
            If that Python has no starfish.
        """
        return self._told[0]

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its own files are.

        Raises
        ------
        StarfishNotFound
            If that Python has no starfish.
        """
        return tuple(dict.fromkeys(Path(folder).resolve() for folder in self._told[1:]))

    @cached_property
    def _told(self) -> tuple[str, ...]:
        asked = subprocess.run([str(self.python), "-I", "-c", ASKED], capture_output=True, text=True, check=False)
        if asked.returncode:
            said = (asked.stderr.strip().splitlines() or ["nothing"])[-1]
            raise StarfishNotFound(
                f"{self.python} has no starfish (status {asked.returncode}, it said {said!r}); {REMEDY}"
            )
        return tuple(json.loads(asked.stdout))


def find_starfish(named: str) -> Starfish:
    """Check the path of a Python, as the environment variable STARFISH gives it.

    Raises
    ------
    StarfishNotFound
        If the path is empty or names no file.
    """
    if not named:
        raise StarfishNotFound(f"the environment variable {VARIABLE} is not set; {REMEDY}")
    if not Path(named).is_file():
        raise StarfishNotFound(f"{VARIABLE}={named} is no file; {REMEDY}")
    return Starfish(Path(named))
