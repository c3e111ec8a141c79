"""Any cluster, or none: a command per shard, each in a line of its own, for a shell, GNU parallel or xargs."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from cellpainting.engines.work import EngineWork, StageFiles


def write(work: EngineWork, folder: Path) -> str:
    """Write `commands.txt`."""
    lines = [shlex.join([*work.command, str(shard)]) for shard in work.shards]
    (folder / "commands.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "xargs --delimiter='\\n' --max-args=1 --max-procs=4 sh -c < commands.txt"


def write_stages(stages: Sequence[StageFiles], folder: Path) -> str:
    """Write `run.sh`, which does stage after stage. It goes on when one failed: the worker itself refuses what cannot
    be built on that, and the page tells of it.
    """
    lines = ["#!/bin/bash", 'cd "$(dirname "$0")" || exit', "status=0"]
    lines += [f"(cd {shlex.quote(one.folder)} && {one.start}) || status=1" for one in stages]
    (folder / "run.sh").write_text("\n".join([*lines, "exit $status"]) + "\n", encoding="utf-8")
    return "bash run.sh"
