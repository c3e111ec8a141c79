"""HTCondor: a submit description with its item list, a job per shard."""

from pathlib import Path

from cellpainting.engines.work import EngineWork

# Of the environment of whoever submits. No keys: others of the pool can read the description of a job.
KEPT = (
    "HOME",
    "JAVA_HOME",
    "CELLPROFILER",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)
STORAGE_UNAVAILABLE = 75  # the worker's exit status when the same shard may well succeed later


def write(work: EngineWork, folder: Path) -> str:
    """Write `run.sub` and `shards.txt`."""
    (folder / "shards.txt").write_text("".join(f"{shard}\n" for shard in work.shards), encoding="utf-8")
    (folder / "run.sub").write_text("".join(f"{line}\n" for line in _description(work)), encoding="utf-8")
    return "condor_submit run.sub"


def _description(work: EngineWork) -> list[str]:
    arguments = " ".join(map(_quoted, work.command[1:]))
    return [
        "universe = vanilla",
        f"batch_name = {work.run_id}",
        f"executable = {_plain(work.command[0])}",
        "transfer_executable = false",
        f'arguments = "{arguments} $(shard)"',
        f"getenv = {', '.join(KEPT)}",
        f"request_cpus = {work.vcpus}",
        f"request_memory = {work.memory_mib}",
        f"allowed_job_duration = {work.timeout_s}",
        "max_retries = 2",
        f"retry_until = ExitBySignal =!= true && ExitCode =!= {STORAGE_UNAVAILABLE}",
        "should_transfer_files = yes",
        'transfer_output_files = ""',
        "log = condor.log",
        "output = shard-$(shard).out",
        "error = shard-$(shard).err",
        "queue shard from shards.txt",
    ]


def _plain(text: str) -> str:
    """Text in which HTCondor finds no macro."""
    return text.replace("$", "$(DOLLAR)")


def _quoted(argument: str) -> str:
    """One argument within the double quotes of `arguments`: quotes are doubled, single ones enclose it."""
    return "'" + _plain(argument).replace("'", "''").replace('"', '""') + "'"
