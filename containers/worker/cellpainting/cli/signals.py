"""How commands that work for long end when they are told to."""

import sys
from types import FrameType


def stop(number: int, frame: FrameType | None) -> None:
    """Spot reclaims and `terminate-job` send SIGTERM: leave through the clean-up, with the status a shell gives."""
    sys.exit(128 + number)
