"""One plate, from CSVs to a published backend and the report on it."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cellpainting.backend.analysis import Analysis
from cellpainting.backend.batch import BatchReader
from cellpainting.backend.build import Builder, Built
from cellpainting.backend.csv_sets import find_csv_sets, table_name
from cellpainting.backend.csv_table import long_fields
from cellpainting.backend.image_index import ImageIndex, of_plate, read_image_index
from cellpainting.backend.ingest_config import FileNames
from cellpainting.backend.names import PLATE
from cellpainting.backend.pieces import Pieces
from cellpainting.backend.report import REPORT, IngestReport, Published
from cellpainting.backend.report_page import report_page
from cellpainting.backend.summary import summarise
from cellpainting.backend.workplace import Workplace, open_workplace
from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs.build_backend import BackendSettings
from cellpainting.jobs.fields import Fields
from cellpainting.scratch import scratch_folder
from cellpainting.storage import Storage, StoredObject

FORMAT = 1  # raised when the same CSVs would give another backend


@dataclass(frozen=True)
class Tell:
    """Who hears how far an ingest is: `index` of image sets read and in all; `read` of bytes read, bytes in all and
    rows; `say` takes a line for people.
    """

    say: Callable[[str], None] = lambda line: None
    index: Callable[[int, int], None] = lambda done, total: None
    read: Callable[[int, int, int], None] = lambda done, total, rows: None


@dataclass(frozen=True)
class Target:
    """Where a backend goes: `<output>/<batch>/<plate>/` in a storage; empty parts are left out. Without `plate`, it is
    the only one that the CSVs name.
    """

    storage: Storage
    output: str
    batch: str
    plate: str | None


@dataclass(frozen=True)
class Manner:
    """How a backend is made: what of, from files of which names, by how many processors, and even if it is there."""

    settings: BackendSettings = field(default_factory=BackendSettings)
    names: FileNames = field(default_factory=FileNames)
    processors: int = 1
    force: bool = False


def ingest(analysis: Analysis, target: Target, manner: Manner, tell: Tell) -> IngestReport:
    """Build the backend of a plate, and publish it in place of the one that is there.

    If that was made of the same files, in the same manner, and is as it was published, it stays, unless `force` says
    otherwise. An ingest that was interrupted goes on after the last batch of sets that it had read.

    Raises
    ------
    InvalidRequest
        If there is no image set of the plate, or it is not known which plate is meant. Nothing was written.
    StorageUnavailable, StorageFull
        If a storage fails. What was read is kept for the next time.
    """
    sets = find_csv_sets(analysis.files, manner.names, manner.settings.compartments)
    with scratch_folder() as scratch, long_fields():
        every = read_image_index(sets, analysis.storage, scratch, tell.index)
    plate = target.plate or _only_plate(every, analysis)
    index = of_plate(every, plate)
    if not index.sets and not any(one.image_set.plate == plate for one in analysis.planned):
        named = ", ".join(every.plates) or "no plate at all"
        raise InvalidRequest(
            f"{analysis.name} has no image set of plate {plate!r}, it names {named}; correct the plate"
        )
    folder = "/".join(filter(None, (target.output, target.batch, plate)))
    work = _Work(analysis, target, manner, tell, plate, folder, index, _digest(analysis, manner, plate))
    with open_workplace(target.storage, folder, tell.say) as workplace, long_fields():
        report = work.earlier() or work.do(workplace)
        workplace.clear()
        return report


def _only_plate(index: ImageIndex, analysis: Analysis) -> str:
    if len(index.plates) != 1:
        named = f"the plates {', '.join(index.plates)}" if index.plates else f"no plate: no Image.csv has {PLATE}"
        raise InvalidRequest(f"{analysis.name} names {named}; say which one is meant with --plate")
    return Fields({PLATE: index.plates[0]}).folder_name(PLATE)  # it will be one


def _digest(analysis: Analysis, manner: Manner, plate: str) -> str:
    """What a backend is made from: files as they are now, the manner, and this program."""
    files = sorted((file.key, file.size, file.etag) for file in analysis.files)
    planned = [(one.image_set.label, one.state) for one in analysis.planned]
    told = [FORMAT, plate, files, planned, vars(manner.settings), vars(manner.names)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True)
class _Work:
    """An ingest of which is known what it is about."""

    analysis: Analysis
    target: Target
    manner: Manner
    tell: Tell
    plate: str
    folder: str
    index: ImageIndex
    made_from: str
    started: float = field(default_factory=time.monotonic)

    def earlier(self) -> IngestReport | None:
        """The report on the backend that is there, if it is just what would be made."""
        report = self._published()
        if self.manner.force or report is None or report.made_from != self.made_from:
            return None
        if not all(self._is_there(file) for file in report.files):
            return None
        self.tell.say(f"the backend of {self.plate} was made from just these files; 'force' makes it again")
        return report

    def do(self, workplace: Workplace) -> IngestReport:
        """Read, build, publish."""
        pieces = Pieces(workplace, self.rows_made_from)
        text = pieces.read(self.index.sets, self.index.text, lambda text: self._reader(text, workplace), self.tell.read)
        self.tell.say("writing the tables")
        builder = Builder(pieces, self.index, text, self.plate, self.manner.settings, workplace.local)
        built = builder.build(self._parquet_metadata)
        reader = self._reader(text, workplace)
        report = summarise(self.index, self.analysis, pieces.records, builder, built, reader)
        reader.close()
        report = replace(
            report,
            batch=self.target.batch,
            made_from=self.made_from,
            seconds=round(time.monotonic() - self.started, 3),
        )
        self._publish(report, built, workplace)
        published = self._published()
        return published or report

    @property
    def rows_made_from(self) -> str:
        """What rows are read by, beside their files: pieces of other manners are not mixed with them."""
        return json.dumps([FORMAT, self.plate, self.manner.settings.compartments, vars(self.manner.names)])

    @property
    def _parquet_metadata(self) -> Mapping[str, str]:
        return {"plate": self.plate, "batch": self.target.batch, "analysis": self.analysis.name}

    @property
    def _report_key(self) -> str:
        return f"{self.folder}/{self.plate}{REPORT}"

    def _reader(self, text: frozenset[str], workplace: Workplace) -> BatchReader:
        wanted = frozenset(map(table_name, self.manner.settings.compartments))
        return BatchReader(
            self.analysis.storage,
            text=text,
            wanted=wanted,
            scratch=workplace.local,
            processors=self.manner.processors,
        )

    def _publish(self, report: IngestReport, built: Built, workplace: Workplace) -> None:
        page = workplace.local / "page.html"
        page.write_text(report_page(report), encoding="utf-8")
        files = {f"{self.folder}/{name}": path for name, path in built.files.items()}
        files[f"{self.folder}/{self.plate}_ingest.html"] = page
        earlier = self._published()

        def last(stored: Mapping[str, StoredObject]) -> bytes:
            listed = tuple(Published(item.key, item.size, item.etag) for item in stored.values())
            return replace(report, files=listed).to_json()

        workplace.publish(files, last, self._report_key)
        for file in earlier.files if earlier else ():
            if file.key not in files:
                self.target.storage.delete(file.key)

    def _published(self) -> IngestReport | None:
        with suppress(MissingInput, ValueError, TypeError, KeyError):  # one of another version is none
            return IngestReport.from_json(self.target.storage.read(self._report_key))
        return None

    def _is_there(self, file: Published) -> bool:
        with suppress(MissingInput):
            stored = self.target.storage.stat(file.key)
            return (stored.size, stored.etag) == (file.size, file.etag)
        return False
