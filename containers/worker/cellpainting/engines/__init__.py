"""The shards of a run as work for other engines than AWS Batch: the same plan, the same worker, the same manifests."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cellpainting.engines import aws_batch, commands, htcondor, slurm
from cellpainting.engines.work import Engine, EngineWork, StageFiles

ENGINES: Mapping[str, Engine] = {
    "aws-batch": aws_batch.write,
    "slurm": slurm.write,
    "htcondor": htcondor.write,
    "commands": commands.write,
}
# Those that can do the stages of a run in their order: each writes into a folder what starts them all.
IN_ORDER: Mapping[str, Callable[[Sequence[StageFiles], Path], str]] = {
    "slurm": slurm.write_stages,
    "commands": commands.write_stages,
}

__all__ = ["ENGINES", "IN_ORDER", "Engine", "EngineWork", "StageFiles"]
