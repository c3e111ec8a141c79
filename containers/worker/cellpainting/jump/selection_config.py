"""The YAML file that says which sites are wanted: text becomes frozen dataclasses here and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cellpainting.errors import InvalidField, InvalidRequest
from cellpainting.jobs import DownloadImages, parse_job
from cellpainting.jump.metadata import GENE_ID, INCHIKEY, NAME, PERT_TYPE, SYMBOL
from cellpainting.jump.tables import BATCH, JCP2022, PLATE, PLATE_TYPE, SOURCE, WELL

ALL = "all"
OTHER_PLATE_TYPES = "default"
CONTROL_TYPES = ("negcon", "poscon", "trt", "empty")
# What a well's control type counts as where it is not told: a well that is empty on purpose has nothing to learn from.
SITES_PER_WELL: Mapping[str, int | None] = {"negcon": None, "poscon": None, "trt": None, "empty": 0}
# Each filter with the columns of which one has to have one of its values.
FILTERS: Mapping[str, tuple[str, ...]] = {
    "sources": (SOURCE,),
    "batches": (BATCH,),
    "plates": (PLATE,),
    "plate_types": (PLATE_TYPE,),
    "wells": (WELL,),
    "pert_types": (PERT_TYPE,),
    "genes": (SYMBOL, GENE_ID),
    "compounds": (NAME, INCHIKEY, JCP2022),
}
SECTIONS = ("seed", "keep", "leave_out", "sites_per_well", "known_bad", "jobs", "request")


@dataclass(frozen=True)
class Selection:
    """What is wanted.

    `keep` and `leave_out` have values by filter; all filters of `keep` have to hold, none of `leave_out`.
    `sites_per_well` has, by plate type and control type, how many sites to take of each well, None for all.
    `known_bad` are files of sites to leave out. `jobs` is the prefix that the job files will have in the bucket, and
    `request` has the fields of each plate's request beside.
    """

    seed: int = 0
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leave_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sites_per_well: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    known_bad: tuple[Path, ...] = ()
    jobs: str = "jump/jobs"
    request: Mapping[str, Any] = field(default_factory=lambda: {"output": "jump/images"})

    def sites(self, plate_type: str, control_type: str) -> int | None:
        """How many sites of a well are wanted at most; None for all of them."""
        named = self.sites_per_well.get(plate_type, self.sites_per_well.get(OTHER_PLATE_TYPES, {}))
        return named.get(control_type, SITES_PER_WELL.get(control_type, 0))

    def job(self, name: str) -> DownloadImages:
        """The request for the job file of this name, as it will be read.

        Raises
        ------
        InvalidRequest
            If `request` has a field that cannot be used.
        """
        job = parse_job(self.document(name))
        if not isinstance(job, DownloadImages):
            raise InvalidField("request.job_type", job.job_type, "leave it out: images are downloaded")
        return job

    def document(self, name: str) -> dict[str, Any]:
        """The request for the job file of this name."""
        return {"job_type": DownloadImages.job_type, "load_data": f"{self.jobs}/{name}.parquet", **self.request}


def read_selection(path: Path) -> Selection:
    """Read a configuration.

    Raises
    ------
    InvalidRequest
        If it is not YAML, or a field is unknown or has a value that cannot be used; the message names it.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} is not YAML ({error}); correct it") from error
    document = _mapping(str(path), {} if document is None else document)
    _refuse_unknown("", document, SECTIONS)
    selection = Selection(
        seed=_whole_number("seed", document.get("seed", 0)),
        keep=_filters("keep", document.get("keep", {})),
        leave_out=_filters("leave_out", document.get("leave_out", {})),
        sites_per_well=_sites_per_well(document.get("sites_per_well", {})),
        known_bad=tuple(path.parent / name for name in _texts("known_bad", document.get("known_bad", []))),
        jobs=_prefix("jobs", document.get("jobs", Selection.jobs)),
        request={"output": "jump/images", **_mapping("request", document.get("request", {}))},
    )
    selection.job("plate")  # a bad field of the requests is told now, not when all is chosen
    return selection


def _filters(section: str, value: Any) -> dict[str, tuple[str, ...]]:
    filters = _mapping(section, value)
    _refuse_unknown(f"{section}.", filters, tuple(FILTERS))
    return {name: _texts(f"{section}.{name}", values) for name, values in filters.items()}


def _sites_per_well(value: Any) -> dict[str, dict[str, int | None]]:
    counts: dict[str, dict[str, int | None]] = {}
    for plate_type, by_control in _mapping("sites_per_well", value).items():
        where = f"sites_per_well.{plate_type}"
        _refuse_unknown(f"{where}.", _mapping(where, by_control), CONTROL_TYPES)
        counts[plate_type] = {
            control: None if count == ALL else _whole_number(f"{where}.{control}", count, f" or {ALL!r}")
            for control, count in by_control.items()
        }
    return counts


def _mapping(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidField(field, value, "write names with values below it")
    return dict(value)


def _texts(field: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise InvalidField(field, value, "write a list of texts; put quotes around what looks like a number")
    return tuple(value)


def _whole_number(field: str, value: Any, more: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidField(field, value, f"write a whole number from 0 on{more}")
    return value


def _prefix(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip("/"):
        raise InvalidField(field, value, "write a prefix of the bucket, such as 'jump/jobs'")
    return value.strip("/")


def _refuse_unknown(where: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for name, value in given.items():
        if name not in known:
            raise InvalidField(f"{where}{name}", value, f"unknown; known are {', '.join(known)}")
