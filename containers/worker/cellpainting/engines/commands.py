"""Any cluster, or none: a command per shard, each in a line of its own, for a shell, GNU parallel or xargs."""

import shlex
from pathlib import Path

from cellpainting.engines.work import EngineWork


def write(work: EngineWork, folder: Path) -> str:
    """Write `commands.txt`."""
    lines = [shlex.join([*work.command, str(shard)]) for shard in work.shards]
    (folder / "commands.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "xargs --delimiter='\\n' --max-args=1 --max-procs=4 sh -c < commands.txt"
