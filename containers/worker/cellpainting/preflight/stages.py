"""Plates that go through several stages, looked at before any has begun: each stage as if those before it were done."""

from dataclasses import dataclass, replace

from cellpainting.errors import CellPaintingError, InvalidRequest, MissingInput
from cellpainting.jobs import MakeProfiles, ProcessPlate, RunCellProfiler, RunRecord, parse_job
from cellpainting.load_data.places import Places
from cellpainting.load_data.read_csv import read_csv
from cellpainting.planning.plate_stages import StageRequest
from cellpainting.planning.prepared import Prepared
from cellpainting.planning.stage_requests import stage_requests
from cellpainting.preflight.files import Tell
from cellpainting.preflight.finding import Finding
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.measuring import MeasuringInspection
from cellpainting.preflight.outlook import Outlook
from cellpainting.storage.base import Storage

PROMISED = b"?"  # the content of a file that an earlier stage is to make


@dataclass(frozen=True)
class StageLook:
    """What a look at one stage brought. `image_sets` are those of its plate, where it is about them."""

    outlook: Outlook
    findings: tuple[Finding, ...] = ()
    image_sets: int = 0
    is_hopeless: bool = False


class StagesInspection:
    """The steps of the preflight of a `process_plate` request."""

    def __init__(self, run: RunRecord, job: ProcessPlate, storage: Storage, tell: Tell) -> None:
        self._run = run
        self._job = job
        self._storage = storage
        self._tell = tell
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()
        self.is_hopeless = False

    def at_everything(self) -> Outlook:
        """Do all steps, plate after plate."""
        try:
            requests = list(stage_requests(self._run, self._job, self._storage))
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error("request", error))
            self.is_hopeless = True
            return Outlook()
        plates: dict[str, list[StageRequest]] = {}
        for request in requests:
            plates.setdefault(request.document["stage"]["plate"], []).append(request)
        looks = [self._at_plate(stages) for stages in plates.values()]
        self.is_hopeless = all(any(look.is_hopeless for look in plate) for plate in looks)
        self._take_findings(looks)
        return _sum([[look.outlook for look in plate] for plate in looks])

    def _at_plate(self, stages: list[StageRequest]) -> list[StageLook]:
        made = ""  # where illumination functions will be
        looks = []
        for stage in stages:
            job = parse_job(stage.document)
            if isinstance(job, RunCellProfiler):
                looks.append(self._at_measuring(job, stage.load_data or b"", made))
                made = f"{job.output}/" if stage.document["stage"]["name"] == "illumination" else made
            else:
                findings = tuple(_at_platemap(job, self._storage)) if isinstance(job, MakeProfiles) else ()
                is_hopeless = any(finding.stops_all for finding in findings)
                looks.append(StageLook(Outlook(groups=1, shards=1, vcpus=1), findings, is_hopeless=is_hopeless))
        return looks

    def _at_measuring(self, job: RunCellProfiler, load_data: bytes, made: str) -> StageLook:
        table = read_csv(load_data, job.load_data or "", Places.of(self._storage.uri("")))
        places = {place for row in table.rows for place in table.images(row)}
        promised = {place: PROMISED for place in places if made and place.startswith(made)}
        prepared = Prepared(self._storage, {**promised, job.load_data or "": load_data})
        look = MeasuringInspection(job, prepared, self._tell)
        outlook = look.at_everything()
        return StageLook(outlook, tuple(look.findings), len(table.rows), look.is_hopeless)

    def _take_findings(self, looks: list[list[StageLook]]) -> None:
        """Number the image sets through all plates; what several stages of one have in common is told once."""
        before = 0
        for plate in looks:
            found = dict.fromkeys(finding for look in plate for finding in look.findings)
            self.findings += (_moved(finding, before) for finding in found)
            before += max(look.image_sets for look in plate)


def _at_platemap(job: MakeProfiles, storage: Storage) -> list[Finding]:
    try:
        from cellpainting.preflight.profiles import look_at_platemap  # which needs what a worker has
    except ImportError as error:
        raise CellPaintingError(
            f"{error.name} is not installed, which platemaps are read with; pip install 'cellpainting[profiling]'"
        ) from error
    return look_at_platemap(job, storage)


def _moved(finding: Finding, before: int) -> Finding:
    if finding.image_sets is None:
        return finding
    return replace(finding, image_sets=tuple(before + number for number in finding.image_sets))


def _sum(plates: list[list[Outlook]]) -> Outlook:
    """All stages of all plates; the image sets and files of a plate are those of its largest stage."""
    stages = [outlook for plate in plates for outlook in plate]
    return Outlook(
        image_sets=sum(max(outlook.image_sets or 0 for outlook in plate) for plate in plates) or None,
        groups=sum(outlook.groups or 0 for outlook in stages),
        shards=sum(outlook.shards or 0 for outlook in stages),
        vcpus=sum(max(outlook.vcpus or 0 for outlook in plate) for plate in plates),
        files=sum(max(outlook.files or 0 for outlook in plate) for plate in plates),
        size_bytes=sum(max(outlook.size_bytes or 0 for outlook in plate) for plate in plates),
    )
