"""The script that a host runs at its first boot, on disks that only claim to be some: it writes down what it does."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "stacks" / "instance_storage.sh"
PREFIX = "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS"
# Stand-ins for what needs hardware: the size of a disk is that of its file.
STAND_INS = {
    "blockdev": 'stat -c %s "$2"',
    "mkfs.xfs": 'echo "mkfs.xfs $*" >>"$DONE"',
    "mount": 'echo "mount $*" >>"$DONE"',
    "mountpoint": 'test -e "$MOUNTED"',
}


class Host:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "disks", "devices"):
            (folder / name).mkdir()
        for name, line in STAND_INS.items():
            program = folder / "bin" / name
            program.write_text(f"#!/bin/sh\n{line}\n")
            program.chmod(0o755)

    def add_disk(self, device: str, size: int, *names: str) -> None:
        (self.folder / "devices" / device).write_bytes(bytes(size))
        for name in names:
            (self.folder / "disks" / name).symlink_to(self.folder / "devices" / device)

    def boot(self) -> list[str]:
        """Run the script; returns what was formatted and mounted."""
        done = self.folder / "done"
        variables = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "INSTANCE_DISKS": str(self.folder / "disks"),
            "DOCKER_FOLDER": str(self.folder / "docker"),
            "DONE": str(done),
            "MOUNTED": str(self.folder / "mounted"),
        }
        subprocess.run(["bash", str(SCRIPT)], env=variables, check=True)
        text = done.read_text() if done.exists() else ""
        return text.replace(f"{self.folder}/", "").splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_largest_disk_of_the_instance_becomes_docker_s(host: Host) -> None:
    host.add_disk("nvme1n1", 1000, f"{PREFIX}1", f"{PREFIX}1_1")
    host.add_disk("nvme2n1", 3000, f"{PREFIX}2")
    host.add_disk("nvme0n1", 9000, "nvme-Amazon_Elastic_Block_Store_vol1")
    assert host.boot() == ["mkfs.xfs -f -q devices/nvme2n1", "mount -o noatime devices/nvme2n1 docker"]


def test_without_such_a_disk_nothing_is_done(host: Host) -> None:
    host.add_disk("nvme0n1", 9000, "nvme-Amazon_Elastic_Block_Store_vol1", "nvme-Amazon_Elastic_Block_Store_vol1-part1")
    assert host.boot() == []


def test_a_disk_that_is_in_use_already_is_left_alone(host: Host) -> None:
    host.add_disk("nvme1n1", 1000, f"{PREFIX}1")
    (host.folder / "mounted").touch()
    assert host.boot() == []
