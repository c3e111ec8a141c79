"""A module for tests, which does nothing: once imported, it prints whose process that is, and where it can write."""

import os
import tempfile

from cellprofiler_core.module import Module

PLACES = ("/", "/dev/shm", "/home", "/opt", "/run", "/srv", "/tmp", "/usr", "/usr/local", "/var", "/var/tmp")  # noqa: S108


class LookAround(Module):  # type: ignore[misc]
    """What CellProfiler looks for in a plugin."""

    module_name = "LookAround"
    category = "Other"
    variable_revision_number = 1


def can_write(folder: str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


print(f"seen: user {os.getuid()}:{os.getgid()} can write to {' '.join(filter(can_write, PLACES))}", flush=True)
