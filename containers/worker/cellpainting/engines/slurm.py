"""SLURM: array jobs, an element per shard, with the environment of whoever submits them."""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from cellpainting.engines.work import EngineWork, StageFiles

LARGEST_ARRAY = 1000  # elements; SLURM's MaxArraySize is 1001 unless a cluster allows more
SCRIPTS = "run*.sbatch"
# Submits the arrays of the stage in the folder $1 to begin when the jobs $2 have ended, however that was: the worker
# itself refuses what cannot be built on them. Prints the ids of its jobs, with colons between them.
SUBMIT = f"""submit() {{
    cd "$1"
    for script in {SCRIPTS}; do
        sbatch --parsable ${{2:+--dependency=afterany:$2}} "$script"
    done | cut --delimiter=';' --fields=1 | paste --serial --delimiters=:
}}"""


def write(work: EngineWork, folder: Path) -> str:
    """Write `run.sbatch`, or `run-1.sbatch`, `run-2.sbatch`, ... where one array cannot have all shards."""
    for earlier in folder.glob(SCRIPTS):
        earlier.unlink()  # submitted once more, it would do again what is done
    arrays = [work.shards[start : start + LARGEST_ARRAY] for start in range(0, len(work.shards), LARGEST_ARRAY)]
    for number, shards in enumerate(arrays, start=1):
        name = f"run-{number}.sbatch" if len(arrays) > 1 else "run.sbatch"
        (folder / name).write_text(_script(work, shards), encoding="utf-8")
    return f'for script in {SCRIPTS}; do sbatch "$script"; done' if len(arrays) > 1 else "sbatch run.sbatch"


def write_stages(stages: Sequence[StageFiles], folder: Path) -> str:
    """Write `run.sh`, which submits all stages at once, each to begin when those that it waits for have ended."""
    lines = ["#!/bin/bash", "set -euo pipefail", 'cd "$(dirname "$0")"', SUBMIT]
    jobs: dict[str, str] = {}
    for number, one in enumerate(stages, start=1):
        before = ":".join(jobs[run_id] for run_id in (*one.stage.needs, *one.stage.after) if run_id in jobs)
        jobs[one.stage.run_id] = f"$jobs_{number}"
        lines.append(f'jobs_{number}=$(submit {shlex.quote(one.folder)} "{before}")')
    (folder / "run.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "bash run.sh"


def _script(work: EngineWork, shards: Sequence[int]) -> str:
    options = [
        f"--job-name={work.run_id}",
        f"--array=0-{len(shards) - 1}",
        f"--cpus-per-task={work.vcpus}",
        f"--time={math.ceil(work.timeout_s / 60)}",
        f"--mem={work.memory_mib}M",
        "--export=ALL",
        "--output=slurm-%A_%a.out",
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options),
        "set -euo pipefail",
        f"shards=({' '.join(map(str, shards))})",
        f'exec {shlex.join(work.command)} "${{shards[$SLURM_ARRAY_TASK_ID]}}"',
    ]
    return "\n".join(lines) + "\n"
