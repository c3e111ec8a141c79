"""Each engine's files name just the shards that are to be done, and survive quotes, spaces and dollars."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import htcondor2
import pytest

from cellpainting.engines import ENGINES, EngineWork
from cellpainting.jobs import parse_message


def start(command: str, folder: Path, **environment: str) -> None:
    """Type the command that an engine gave, in its folder."""
    subprocess.run(["bash", "-ec", command], cwd=folder, check=True, timeout=60, env=environment or None)


def test_commands_do_the_shards_in_any_shell(work: EngineWork, tmp_path: Path, done: Path) -> None:
    start(ENGINES["commands"](work, tmp_path), tmp_path)
    assert {path.name: path.read_text() for path in done.iterdir()} == dict.fromkeys("015", work.request_uri)


def test_the_message_for_aws_batch_is_the_request(work: EngineWork, tmp_path: Path) -> None:
    assert "file://request.json" in ENGINES["aws-batch"](work, tmp_path)
    (record,) = parse_message((tmp_path / "request.json").read_text())
    assert record.run_id == work.run_id
    assert json.loads((tmp_path / "request.json").read_text()) == work.document


def test_a_slurm_array_has_an_element_per_shard(work: EngineWork, tmp_path: Path, done: Path) -> None:
    assert ENGINES["slurm"](work, tmp_path) == "sbatch run.sbatch"
    for element in range(3):
        start("bash run.sbatch", tmp_path, SLURM_ARRAY_TASK_ID=str(element))
    assert {path.name: path.read_text() for path in done.iterdir()} == dict.fromkeys("015", work.request_uri)


def test_a_slurm_array_asks_for_what_the_request_asks_for(work: EngineWork, tmp_path: Path) -> None:
    ENGINES["slurm"](work, tmp_path)
    options = re.findall(r"^#SBATCH --([\w-]+)=(.*)$", (tmp_path / "run.sbatch").read_text(), re.MULTILINE)
    assert dict(options) == {
        "job-name": "plate-1",
        "array": "0-2",
        "cpus-per-task": "2",
        "mem": "6000M",
        "time": "91",  # minutes
        "export": "ALL",
        "output": "slurm-%A_%a.out",
    }


def test_a_large_run_becomes_several_slurm_arrays(large_work: EngineWork, tmp_path: Path) -> None:
    ENGINES["slurm"](large_work, tmp_path)
    scripts = [(tmp_path / f"run-{number}.sbatch").read_text() for number in (1, 2, 3)]
    assert re.findall(r"--array=\S+", "".join(scripts)) == ["--array=0-999", "--array=0-999", "--array=0-499"]
    shards = " ".join(re.findall(r"shards=\((.*)\)", "".join(scripts)))
    assert tuple(map(int, shards.split())) == large_work.shards


def test_scripts_of_an_earlier_plan_are_replaced(large_work: EngineWork, work: EngineWork, tmp_path: Path) -> None:
    ENGINES["slurm"](large_work, tmp_path)
    ENGINES["slurm"](work, tmp_path)
    assert [path.name for path in tmp_path.glob("*.sbatch")] == ["run.sbatch"]


@pytest.fixture
def description(work: EngineWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> htcondor2.Submit:
    """The description as HTCondor's own parser reads it, in the folder where it lies."""
    assert ENGINES["htcondor"](work, tmp_path) == "condor_submit run.sub"
    monkeypatch.chdir(tmp_path)
    return htcondor2.Submit((tmp_path / "run.sub").read_text())


def test_htcondor_queues_a_job_per_shard(description: htcondor2.Submit) -> None:
    assert description.getQArgs() == "shard from shards.txt"
    assert [item["shard"] for item in description.itemdata()] == ["0", "1", "5"]


def test_htcondor_runs_the_command_with_each_shard(
    description: htcondor2.Submit, work: EngineWork, tmp_path: Path, done: Path
) -> None:
    for item in description.itemdata():
        description["shard"] = item["shard"]
        arguments = condor_arguments(description.expand("arguments"))
        subprocess.run([description.expand("executable"), *arguments], check=True, timeout=60)
    assert {path.name: path.read_text() for path in done.iterdir()} == dict.fromkeys("015", work.request_uri)


def test_htcondor_is_asked_for_what_the_request_asks_for(description: htcondor2.Submit) -> None:
    asked = {name: description[name] for name in ("request_cpus", "request_memory", "allowed_job_duration")}
    assert asked == {"request_cpus": "2", "request_memory": "6000", "allowed_job_duration": "5401"}


def test_htcondor_is_given_no_keys(description: htcondor2.Submit) -> None:
    assert "CELLPROFILER" in description["getenv"]
    assert "SECRET" not in description["getenv"]
    assert "*" not in description["getenv"]


def condor_arguments(text: str) -> list[str]:
    """Divide HTCondor's quoted arguments, of which a shell's rules differ in doubled quotes only."""
    assert text.startswith('"')
    assert text.endswith('"')
    return shlex.split(text[1:-1].replace('""', '"').replace("''", "'\"'\"'"))
