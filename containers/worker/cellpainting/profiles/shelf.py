"""Where profiles are put, and found again: a step whose inputs and settings are what they were is not done again."""

import hashlib
import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cellpainting.errors import MissingInput
from cellpainting.profiles.config import Format
from cellpainting.profiles.place import Place
from cellpainting.profiles.profile_report import REPORT, Findings, InputFile, OutputFile, ProfileReport
from cellpainting.profiles.profiles import Profiles
from cellpainting.profiles.write_profiles import PARQUET, read_features, read_parquet, write_profiles

FORMAT = 1  # raised when the same inputs would give another profile
PROGRAMS = ("cellpainting", "pycytominer", "scikit-learn", "numpy", "pandas", "scipy")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """Which profile: the step that makes it, of which plates, and its name below the shelf's place."""

    step: str
    batch: str
    plates: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Source:
    """What a profile is made from: `identity` changes when it does; `describe`, None for what is itself a profile, may
    have to read all of it.
    """

    identity: str
    describe: Callable[[], InputFile] | None = None


@dataclass
class Made:
    """A profile on the shelf, `is_new` if it was made just now. Its numbers are read when they are asked for, and
    `forget` lets them go.
    """

    shelf: "Shelf"
    report: ProfileReport
    is_new: bool
    _profiles: Profiles | None = None

    @property
    def profiles(self) -> Profiles:
        """The profile itself."""
        if self._profiles is None:
            self._profiles = read_parquet(self._path)
        return self._profiles

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its features, without its numbers."""
        if self._profiles is not None:
            return self._profiles.features
        return read_features(self._path)

    @property
    def source(self) -> Source:
        """The profile as what another is made from."""
        return Source(self.report.made_from)

    def forget(self) -> None:
        """Free the memory of the numbers."""
        self._profiles = None

    @property
    def _path(self) -> Path:
        return self.shelf.place.local(f"{self.report.profile}.{PARQUET}", self.shelf.scratch)


@dataclass(frozen=True)
class Shelf:
    """Profiles below `place`, in `formats`; with `force`, all are made again. `scratch` is for files on their way."""

    place: Place
    scratch: Path
    formats: tuple[Format, ...]
    float_format: str | None
    force: bool
    say: Say
    reports: list[ProfileReport] = field(default_factory=list)

    def put(
        self,
        subject: Subject,
        settings: Mapping[str, Any],
        sources: Sequence[Source],
        make: Callable[[], tuple[Profiles, Findings]],
        formats: Sequence[Format] | None = None,
    ) -> Made:
        """A profile: the one that is there, if it is just what would be made, else what `make` makes."""
        formats = self.formats if formats is None else tuple(formats)
        made_from = _digest(subject, settings, sources, formats, self.float_format)
        earlier = None if self.force else self._find(subject.name, made_from)
        if earlier:
            self.reports.append(earlier)
            return Made(self, earlier, is_new=False)
        started = time.monotonic()
        profiles, findings = make()
        outputs = self._publish(profiles, subject.name, formats)
        report = ProfileReport(
            profile=subject.name,
            step=subject.step,
            batch=subject.batch,
            plates=subject.plates,
            made_from=made_from,
            wells=len(profiles.values),
            features=len(profiles.features),
            findings=findings,
            inputs=tuple(source.describe() for source in sources if source.describe),
            outputs=outputs,
            versions=versions(),
            seconds=round(time.monotonic() - started, 3),
            peak_memory_mib=peak_memory_mib(),
        )
        self.place.storage.write(self.place.key(subject.name + REPORT), report.to_json())  # last: it says all is there
        self.say(f"{subject.name}: {report.wells} wells x {report.features} features, {report.seconds:.1f} s")
        self.reports.append(report)
        return Made(self, report, True, profiles)

    def _publish(self, profiles: Profiles, name: str, formats: Sequence[Format]) -> tuple[OutputFile, ...]:
        stored = []
        for path in write_profiles(profiles, self.scratch, Path(name).name, formats, self.float_format):
            file = f"{Path(name).parent}/{path.name}"
            self.place.storage.upload(path, self.place.key(file))
            path.unlink()
            item = self.place.storage.stat(self.place.key(file))
            stored.append(OutputFile(file, item.size, item.etag))
        return tuple(stored)

    def _find(self, name: str, made_from: str) -> ProfileReport | None:
        with suppress(MissingInput, ValueError, TypeError, KeyError):  # one of another version is none
            report = ProfileReport.from_json(self.place.read(name + REPORT))
            stored = [self.place.storage.stat(self.place.key(file.name)) for file in report.outputs]
            is_same = all(
                (item.size, item.etag) == (file.size, file.etag)
                for item, file in zip(stored, report.outputs, strict=True)
            )
            return report if report.made_from == made_from and is_same else None
        return None


def input_file(place: Place, name: str, content: bytes) -> Source:
    """A file that was read as something a profile is made from."""
    digest = hashlib.sha256(content).hexdigest()
    return Source(digest, lambda: InputFile(place.uri(name), len(content), digest))


@cache
def versions() -> Mapping[str, str]:
    """The programs whose numbers these are."""
    return {name: version(name) for name in PROGRAMS}


def peak_memory_mib() -> float:
    """The most memory that this process has had, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _digest(
    subject: Subject,
    settings: Mapping[str, Any],
    sources: Sequence[Source],
    formats: Sequence[Format],
    float_format: str | None,
) -> str:
    told = [FORMAT, subject.step, subject.plates, settings, [source.identity for source in sources]]
    told += [list(formats), float_format, versions()]
    return hashlib.sha256(json.dumps(told, default=vars, sort_keys=True).encode()).hexdigest()
