"""A download, looked at before it costs anything: what it would fetch, and what of that is not there."""

from cellpainting.errors import InvalidRequest, MissingInput
from cellpainting.jobs.download_images import DownloadImages
from cellpainting.load_data import LoadData
from cellpainting.planning.plan_job import plan_job
from cellpainting.planning.run_plan import RunPlan
from cellpainting.preflight.files import Tell, check_contents, check_files, stat_files, users_of_files
from cellpainting.preflight.finding import Finding
from cellpainting.preflight.groups import NearMiss
from cellpainting.preflight.image_sets import check_image_sets
from cellpainting.preflight.outlook import Outlook
from cellpainting.storage.base import Storage


class DownloadInspection:
    """The steps of the preflight of a `download_images` request."""

    def __init__(self, job: DownloadImages, storage: Storage, tell: Tell) -> None:
        self._job = job
        self._storage = storage
        self._tell = tell
        self._planned = 0
        self.findings: list[Finding] = []
        self.near_misses: tuple[NearMiss, ...] = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether an error stops the whole run, or every image set has one."""
        lost = {number for finding in self.findings for number in finding.image_sets or ()}
        return any(finding.stops_all for finding in self.findings) or len(lost) == self._planned

    def at_everything(self) -> Outlook:
        """Do all steps."""
        try:
            plan = plan_job(self._job, self._storage)
        except (InvalidRequest, MissingInput) as error:
            self.findings.append(Finding.of_error(self._job.load_data, error))
            return Outlook()
        table = _planned_table(plan)
        self._planned = len(table.rows)
        image_sets = [one for shard in plan.shards for group in shard.groups for one in shard.image_sets(group)]
        numbers = range(len(table.rows))
        users = users_of_files(table, numbers)
        stored = stat_files(list(users), self._storage, self._tell)
        self.findings += check_image_sets(table, image_sets)
        self.findings += check_files(users, stored)
        self.findings += check_contents(table, numbers, stored)
        return Outlook.of(self._job, plan, stored)


def _planned_table(plan: RunPlan) -> LoadData:
    rows = tuple(row for shard in plan.shards for group in shard.groups for row in group.rows)
    return LoadData(plan.shards[0].columns, rows)
