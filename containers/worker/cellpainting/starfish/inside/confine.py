"""Keeps this process, and all that it starts, from what is not its own. Standard library of starfish's Python only.

Landlock is the kernel's: https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import resource
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

STACK_BYTES = 2**20  # of a thread. All of it counts, usually 8 MiB, and starfish starts one per processor of the host
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # numbers of the system calls, the same on all processors
ASK_VERSION = 1
PATH_BENEATH = 1
SET_NO_NEW_PRIVILEGES = 38
EXECUTE, WRITE_FILE, READ_FILE, READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, DEVICE_CONTROL = 1 << 14, 1 << 15
# Accesses to files that a version of Landlock can restrict: 2 added renaming, 3 truncating, 5 control of devices.
ACCESSES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
TCP = 0b11  # bind and connect
SCOPES = 0b11  # abstract sockets of others, and signals to them
READ = EXECUTE | READ_FILE | READ_FOLDER
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_CONTROL
# What Python, NumPy and multiprocessing look at, on any Linux. In /proc/self is this process itself.
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/sys/devices/system/cpu", "/proc/self")
SYSTEM_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/dev/urandom", "/dev/random", "/dev/zero")
DEVICES = ("/dev/null", "/dev/shm")  # noqa: S108 (shared memory is where multiprocessing keeps its locks)


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class PathRule(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def confine(*, readable: Iterable[str], writable: Iterable[str], data_mib: int) -> None:
    """Limit the memory of this process, leave no core file, and let it see only these folders and files.

    RLIMIT_DATA, not RLIMIT_AS: it counts what is private and can be written to, so NumPy's arrays, and not libraries
    that are mapped nor address space that is only set aside, which are gigabytes.
    """
    threading.stack_size(STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (data_mib * 2**20, data_mib * 2**20))
    _be_killed_first()
    version = _landlock_version()
    if version < 1:
        print("cpb: the kernel has no Landlock: the recipe can read what other processes of this user leave readable")
        return
    _restrict(version, [*SYSTEM, *SYSTEM_FILES, *readable], [*DEVICES, *writable])


def _be_killed_first() -> None:
    """If the container runs out of memory, it is this process that ends, and not the worker that tells of it."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def _landlock_version() -> int:
    if sys.platform != "linux":
        return 0
    return int(ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION))


def _restrict(version: int, readable: Iterable[str], writable: Iterable[str]) -> None:
    accesses = ACCESSES[min(version, max(ACCESSES))]
    ruleset = Ruleset(accesses, TCP if version >= 4 else 0, SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = _call(CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0)
    for path in readable:
        _allow(descriptor, path, READ & accesses)
    for path in writable:
        _allow(descriptor, path, accesses)
    if ctypes.CDLL(None, use_errno=True).prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs could not be set")
    _call(RESTRICT_SELF, descriptor, 0)
    os.close(descriptor)


def _allow(ruleset: int, path: str, accesses: int) -> None:
    """What is not there needs no rule."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    rule = PathRule(accesses if Path(path).is_dir() else accesses & OF_FILES, descriptor)
    _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock's system call {number} failed")
    return result
