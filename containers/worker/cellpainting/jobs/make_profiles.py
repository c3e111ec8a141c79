"""job_type `make_profiles`: from backends and platemaps to annotated, normalized and feature-selected profiles."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

from cellpainting.errors import InvalidField
from cellpainting.jobs.fields import Fields
from cellpainting.jobs.resources import Resources
from cellpainting.jobs.run_record import run_title
from cellpainting.jobs.stage import Stage
from cellpainting.ledger.image_set import Cause

TIMEOUT_S = 8 * 3600  # fifty plates take a quarter of an hour; this is for one that hangs
CONFIG_FILES = "config_files"  # the folder in which profiling-recipe's users keep configurations


@dataclass(frozen=True)
class ConfiguredProfiles:
    """What a configuration asks for, a key. What it names is below `root`; backends are below `backend`."""

    config: str
    root: str
    backend: str | None

    @property
    def name(self) -> str:
        """What people call it."""
        return PurePosixPath(self.config).stem

    @property
    def named_files(self) -> tuple[str, ...]:
        """The configuration alone."""
        return (self.config,)

    @property
    def results(self) -> str:
        """What tells its files from those of others: what it names, and where that is."""
        return f"{self.config} below {self.root}" if self.root else self.config


@dataclass(frozen=True)
class PlateProfiles:
    """The usual profiles of one plate, whose backend is at `<...>/<batch>/<plate>`; they go to
    `<output>/<batch>/<plate>`. `external_metadata` has a row per treatment, found by `merge_column`.
    """

    backend: str
    platemap: str
    output: str
    external_metadata: str | None = None
    merge_column: str | None = None

    @property
    def plate(self) -> str:
        """The last part of the backend's address."""
        return PurePosixPath(self.backend).name

    @property
    def batch(self) -> str:
        """The part before it."""
        return PurePosixPath(self.backend).parent.name

    @property
    def name(self) -> str:
        """What people call it."""
        return self.plate

    @property
    def named_files(self) -> tuple[str, ...]:
        """The platemap, and the table of treatments if there is one."""
        return (self.platemap, self.external_metadata) if self.external_metadata else (self.platemap,)

    @property
    def results(self) -> str:
        """The prefix of all profiles."""
        return f"{self.output}/{self.batch}/{self.plate}"


@dataclass(frozen=True)
class MakeProfiles:
    """Profiles of the plates of a configuration, or the usual ones of a plate."""

    job_type: ClassVar[str] = "make_profiles"
    runtime: ClassVar[str] = "profiling"
    load_data: ClassVar[None] = None

    wanted: ConfiguredProfiles | PlateProfiles
    run: str | None
    force: bool
    resources: Resources
    redrive: tuple[str, ...] = ()
    stage: Stage | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "MakeProfiles":
        """Read the fields of one request.

        Raises
        ------
        InvalidField
            Naming the field, the value got and what to write instead.
        """
        config = fields.optional_key("config")
        return cls(
            wanted=_configured(config, fields) if config else _of_plate(fields),
            run=fields.run_name("run"),
            force=fields.flag("force"),
            resources=Resources.parse(fields),
            redrive=fields.words("redrive", [cause.value for cause in Cause]),
            stage=Stage.parse(fields),
        )

    @property
    def output(self) -> str:
        """The prefix below which profiles are written; of a configuration, it says more."""
        return self.wanted.root if isinstance(self.wanted, ConfiguredProfiles) else self.wanted.output

    @property
    def named_files(self) -> tuple[str, ...]:
        """The keys of single files that the request names."""
        return self.wanted.named_files

    @property
    def read_prefixes(self) -> tuple[str, ...]:
        """Where all that it reads lies, beside the named files; what a configuration reads is told by no prefix."""
        return () if isinstance(self.wanted, ConfiguredProfiles) else (self.wanted.backend,)

    @property
    def results(self) -> str:
        """What no other request may have: two that do would overwrite each other's profiles."""
        return self.wanted.results

    @property
    def timeout_s(self) -> int:
        """How long it may take, in seconds."""
        return TIMEOUT_S

    @property
    def work(self) -> dict[str, Any]:
        """What is to be done, and not how: requests with equal work are the same run, whatever memory they ask for."""
        return {"job_type": self.job_type, **vars(self.wanted)}

    @property
    def title(self) -> str:
        """A short name for the run: the configuration's or the plate's, in the characters that run names may have."""
        return run_title(f"profiles-{self.wanted.name}", otherwise="profiles")


def _configured(config: str, fields: Fields) -> ConfiguredProfiles:
    folder = PurePosixPath(config).parent
    usual = folder.parent if folder.name == CONFIG_FILES else folder
    root = fields.optional_key("root")
    if root is None:
        root = "" if str(usual) == "." else str(usual)
    return ConfiguredProfiles(config, root, fields.optional_key("backend"))


def _of_plate(fields: Fields) -> PlateProfiles:
    external, column = fields.optional_key("external_metadata"), fields.metadata_names("merge_column")
    if bool(external) != bool(column):
        raise InvalidField(
            "merge_column",
            list(column),
            "write it and 'external_metadata' together: it is the column that platemap and table share",
        )
    if len(column) > 1:
        raise InvalidField("merge_column", list(column), "write one column")
    wanted = PlateProfiles(
        backend=fields.key("backend"),
        platemap=fields.key("platemap"),
        output=fields.key("output"),
        external_metadata=external,
        merge_column=column[0] if column else None,
    )
    if not wanted.batch:
        raise InvalidField("backend", wanted.backend, "write the folder of a plate, '<...>/<batch>/<plate>'")
    if wanted.results == wanted.backend:
        raise InvalidField(
            "output", wanted.output, "profiles would replace files of the backend of the same names; choose another"
        )
    return wanted
