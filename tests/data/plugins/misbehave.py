"""A module for tests: it raises, hangs, crashes or takes memory at the wells that its setting names."""

import ctypes
import os
import signal
import time
from typing import Any, ClassVar

from cellprofiler_core.module import Module
from cellprofiler_core.setting.text import Text

MIB = 1024 * 1024


class Misbehave(Module):  # type: ignore[misc]
    """What happens at which well: `A02=raise A03=hang`; else, nothing."""

    module_name = "Misbehave"
    category = "Other"
    variable_revision_number = 1
    held: ClassVar[bytes] = b""

    def create_settings(self) -> None:
        self.what = Text("What happens at which well", "")

    def settings(self) -> list[Text]:
        return [self.what]

    def volumetric(self) -> bool:
        return False

    def run(self, workspace: Any) -> None:
        well = str(workspace.measurements.get_current_image_measurement("Metadata_Well"))
        happenings = dict(word.split("=") for word in self.what.value.split())
        getattr(self, happenings.get(well, "behave"))()

    def behave(self) -> None:
        pass

    def fail(self) -> None:
        raise ValueError("no such luck")

    def hang(self) -> None:
        time.sleep(600)

    def crash(self) -> None:
        ctypes.string_at(0)

    def be_killed(self) -> None:  # as the kernel does when memory is out
        os.kill(os.getpid(), signal.SIGKILL)

    def keep_memory(self) -> None:
        Misbehave.held = os.urandom(MIB) * 400
