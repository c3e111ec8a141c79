"""Java, started by the first who calls it: where all images are read without, it never is.

A start takes half a second of processor time and 60 MiB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import javabridge
from javabridge import jutil


def start_when_needed(start: Callable[[], None]) -> None:
    """Call `start`, which is to start Java, when somebody first asks for the environment that all calls go through."""
    get_env = jutil.get_env

    def start_and_get_env() -> Any:
        jutil.get_env = javabridge.get_env = get_env
        start()
        return get_env()

    jutil.get_env = javabridge.get_env = start_and_get_env
