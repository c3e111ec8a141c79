"""The shards of a run as work for other engines than AWS Batch: the same plan, the same worker, the same manifests."""

from collections.abc import Mapping

from cellpainting.engines import aws_batch, commands, htcondor, slurm
from cellpainting.engines.work import Engine, EngineWork

ENGINES: Mapping[str, Engine] = {
    "aws-batch": aws_batch.write,
    "slurm": slurm.write,
    "htcondor": htcondor.write,
    "commands": commands.write,
}

__all__ = ["ENGINES", "Engine", "EngineWork"]
