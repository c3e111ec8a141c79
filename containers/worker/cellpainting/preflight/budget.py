"""A budget, looked at before anything is spent: whether it suffices for one shard."""

from collections.abc import Iterator

from cellpainting.cost.job_size import JobSize
from cellpainting.cost.planned_work import planned_works
from cellpainting.dispatch.budget import ShardLoad, open_budget
from cellpainting.errors import InvalidField, InvalidRequest, MissingInput
from cellpainting.jobs import RunRecord
from cellpainting.preflight.finding import Finding
from cellpainting.storage.base import Storage


def check_budget(run: RunRecord, storage: Storage) -> Iterator[Finding]:
    """Whether the dispatcher would submit anything of a request, by the same estimate."""
    budget = open_budget(run, storage, JobSize.of)
    if budget is None:
        return
    try:
        first = planned_works(run, storage, None)[0]
    except (InvalidRequest, MissingInput):
        return  # what is wrong with the request was told; or only a worker can tell its image sets
    try:
        budget.require_room(first.job, ShardLoad(first.image_sets / first.shards, first.lanes))
    except InvalidField as error:
        yield Finding.of_error("budget_usd", error)
