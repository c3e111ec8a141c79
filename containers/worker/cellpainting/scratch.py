"""A shard's temporary files, in a folder that goes when the shard ends."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRATCH = "CPB_SCRATCH"  # the folder for temporary files, where it is not the system's own


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, by its resolved path: CellProfiler names files so."""
    with tempfile.TemporaryDirectory(prefix="cpb-", dir=os.environ.get(SCRATCH)) as folder:
        yield Path(folder).resolve()
