"""From an experiment to the shards that decode it, a shard for each field of view; and the one shard that merges."""

import re

from cellpainting.errors import InvalidField
from cellpainting.jobs.decode_fovs import DecodeFovs
from cellpainting.ledger.manifest import StoredFile
from cellpainting.load_data.places import Places, locate
from cellpainting.load_data.table import Column, ValueType
from cellpainting.planning.run_plan import RunPlan
from cellpainting.planning.shard_plan import Group, ShardPlan
from cellpainting.planning.spacetx import Experiment
from cellpainting.storage.base import Storage
from cellpainting.storage.sources import Sources

SITE = "Metadata_Site"
IMAGES = "URL_"
PUBLISHED_NAME = re.compile(r"fov_(\d+)")
MERGED = "merged_decoded_fovs"


def plan_decoding(job: DecodeFovs, storage: Storage) -> RunPlan:
    """Plan a shard for each field of view, in the order of their numbers: array child n does field n.

    Raises
    ------
    InvalidRequest
        If the experiment cannot be read, or has not as many fields as the request says.
    MissingInput
        If experiment, recipe or a list of fields is not there.
    """
    recipe = StoredFile.of(storage.stat(job.recipe))
    experiment = open_experiment(job, storage)
    if job.num_fovs not in (None, len(experiment.fields)):
        raise InvalidField(
            "num_fovs",
            job.num_fovs,
            f"the experiment has {len(experiment.fields)} fields of view: write that number, or leave it out",
        )
    kinds = tuple(experiment.manifests)
    columns = tuple(Column(name, ValueType.TEXT) for name in (SITE, *(IMAGES + kind for kind in kinds)))
    shards = []
    for number, (field, files) in enumerate(experiment.fields.items()):
        places = (experiment.place(files[kind]) if kind in files else "" for kind in kinds)
        shards.append(ShardPlan(number, (Group(field, ((field, *places),)),), columns))
    read = (experiment.document, *experiment.manifests.values())
    return RunPlan(tuple(shards), (recipe, *(document.stored for document in read)))


def plan_merging() -> RunPlan:
    """One shard; what it counts is the merged table."""
    columns = (Column(f"{IMAGES}{MERGED}", ValueType.TEXT),)
    return RunPlan((ShardPlan(0, (Group("", ((MERGED,),)),), columns),), ())


def open_experiment(job: DecodeFovs, storage: Storage) -> Experiment:
    """The experiment of a request. An address of the own bucket is read as its key, with the own permissions.

    Raises
    ------
    InvalidRequest, MissingInput
        If it cannot be read.
    """
    return Experiment(Sources(storage), locate(job.experiment, Places.of(storage.uri(""))))


def field_number(field: str, otherwise: int) -> int:
    """The number in a published name, `fov_007`."""
    matched = PUBLISHED_NAME.fullmatch(field)
    return int(matched[1]) if matched else otherwise
