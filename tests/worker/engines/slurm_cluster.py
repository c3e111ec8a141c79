"""A SLURM of one node in a folder of its own: munged, slurmctld and slurmd of this machine's packages, as root."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 60
CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mib} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class SlurmCluster:
    """The commands of a running cluster."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def shell(self, command: str, folder: Path) -> str:
        """Type a command as a user of the cluster would; returns what it prints."""
        done = subprocess.run(
            ["bash", "-ec", command], cwd=folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def states(self) -> dict[str, str]:
        """The state of each array element that has not ended, by its id, such as `7_0`."""
        lines = self.shell("squeue --array --noheader --format='%i %T'", self.folder).splitlines()
        return dict(line.split(maxsplit=1) for line in lines)


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """Start a cluster, wait for its node, and end it with all its jobs."""
    cluster = SlurmCluster(folder)
    _configure(folder)
    with ExitStack() as daemons:
        daemons.enter_context(_daemon(_munged(folder), cluster))
        _wait((folder / "munge.sock").exists, "munged")
        daemons.enter_context(_daemon(["slurmctld", "-D"], cluster))
        daemons.enter_context(_daemon(["slurmd", "-D"], cluster))
        _wait(lambda: _is_up(cluster), "slurmctld and slurmd")
        yield cluster
        cluster.shell("scancel --user=root", folder)
        _wait(lambda: not cluster.states(), "scancel")


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    text = CONFIGURATION.format(
        folder=folder,
        host=socket.gethostname().partition(".")[0],
        ctld_port=_free_port(),
        d_port=_free_port(),
        cpus=os.cpu_count(),
        memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    )
    (folder / "slurm.conf").write_text(text)


def _munged(folder: Path) -> list[str]:
    files = {"socket": "munge.sock", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    return ["munged", "--foreground", "--force", *options]  # the folder may be read by others: this is a test


@contextmanager
def _daemon(command: list[str], cluster: SlurmCluster) -> Iterator[None]:
    with (
        (cluster.folder / f"{command[0]}.log").open("wb") as log,
        subprocess.Popen(command, env=cluster.environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def _is_up(cluster: SlurmCluster) -> bool:
    asked = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], env=cluster.environment, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() == "idle"


def _wait(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while not is_so():
        assert time.monotonic() < end, f"{what}: not within {START_TIMEOUT_S} s"
        time.sleep(0.2)


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
