"""What was done to a profile, beside it as `<profile>.json`; and what became of all that a configuration asks for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REPORT = ".json"  # what the name of a report ends in, after the profile's
EXPLODED = 500.0  # beyond this many deviations a value is no biology: the cutoff of pycytominer's drop_outliers
INFINITE = "infinite"  # among the removed, before the first operation: what pycytominer's cannot compute with


@dataclass(frozen=True)
class Exploded:
    """A feature with values beyond all measure: in how many wells, the largest (None if it is infinite), and where."""

    feature: str
    wells: int
    largest: float | None
    well: str


@dataclass(frozen=True)
class Remark:
    """Something to know about a profile. `items` are the wells, treatments or features that it is about."""

    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputFile:
    """A file that went in: its address, size in bytes and SHA-256."""

    uri: str
    size: int
    sha256: str


@dataclass(frozen=True)
class OutputFile:
    """A file of a profile: its name, below the same folder as the profile's, and what the storage has of it."""

    name: str
    size: int
    etag: str


@dataclass(frozen=True)
class Findings:
    """What a step has to say of its profile.

    `settings` are those that it was made with. `reference` counts, by plate, the wells that say what is normal, or that
    features were chosen by; `controls` the negative controls. `dropped` are wells that are not in the profile, with the
    reason as the remark's text; `removed` the features that each operation took away.
    """

    settings: Mapping[str, Any]
    reference: Mapping[str, int] | None = None
    controls: Mapping[str, int] | None = None
    dropped: tuple[Remark, ...] = ()
    removed: Mapping[str, tuple[str, ...]] | None = None
    exploded: tuple[Exploded, ...] = ()
    without_values: tuple[str, ...] = ()
    without_spread: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class ProfileReport:
    """All that is to say of one profile, whose files are named `profile`.

    `made_from` is a digest of its inputs, settings and programs. `wells` and `features` count what is in it.
    """

    profile: str
    step: str
    batch: str
    plates: tuple[str, ...]
    made_from: str
    wells: int
    features: int
    findings: Findings
    inputs: tuple[InputFile, ...]
    outputs: tuple[OutputFile, ...]
    versions: Mapping[str, str]
    seconds: float
    peak_memory_mib: float

    def to_json(self) -> bytes:
        """The report as a JSON object."""
        return json.dumps(self, default=vars, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "ProfileReport":
        """Read what `to_json` made."""
        document: dict[str, Any] = json.loads(content)
        return cls(
            **{
                **document,
                "plates": tuple(document["plates"]),
                "findings": _findings(document["findings"]),
                "inputs": tuple(InputFile(**one) for one in document["inputs"]),
                "outputs": tuple(OutputFile(**one) for one in document["outputs"]),
            }
        )


def _findings(document: Mapping[str, Any]) -> Findings:
    removed = document["removed"]
    return Findings(
        **{
            **document,
            "dropped": _remarks(document["dropped"]),
            "removed": None if removed is None else {name: tuple(names) for name, names in removed.items()},
            "exploded": tuple(Exploded(**one) for one in document["exploded"]),
            "without_values": tuple(document["without_values"]),
            "without_spread": tuple(document["without_spread"]),
            "remarks": _remarks(document["remarks"]),
        }
    )


def _remarks(documents: list[Mapping[str, Any]]) -> tuple[Remark, ...]:
    return tuple(Remark(one["text"], tuple(one["items"])) for one in documents)


@dataclass(frozen=True)
class Problem:
    """Something that was asked for and is not there. `plate` is empty where it is about several."""

    batch: str
    plate: str
    step: str
    reason: str
    is_missing_input: bool = False

    @property
    def told(self) -> str:
        """A line for people."""
        place = " ".join(filter(None, (self.batch, self.plate)))
        return f"{place}: {self.step}: {self.reason}" if place else f"{self.step}: {self.reason}"


@dataclass(frozen=True)
class MakingReport:
    """What became of a configuration: profiles that are there (those that were there already, too), by name, and the
    problems. `plates` are all that were asked for, as batch and plate.
    """

    config: str
    plates: tuple[tuple[str, str], ...]
    profiles: tuple[str, ...]
    problems: tuple[Problem, ...]
    seconds: float
    peak_memory_mib: float

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for is there."""
        return not self.problems

    def to_json(self) -> bytes:
        """The report as a JSON object."""
        return json.dumps(self, default=vars, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "MakingReport":
        """Read what `to_json` made."""
        document: dict[str, Any] = json.loads(content)
        return cls(
            **{
                **document,
                "plates": tuple((batch, plate) for batch, plate in document["plates"]),
                "profiles": tuple(document["profiles"]),
                "problems": tuple(Problem(**one) for one in document["problems"]),
            }
        )
