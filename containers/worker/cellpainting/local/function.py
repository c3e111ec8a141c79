"""A Lambda function of the deployment, run in a process with the function's own environment and nothing else."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellpainting.errors import LocalCloudError

HOST = Path(__file__).with_name("function_host.py")


@dataclass(frozen=True)
class FunctionConfiguration:
    """What the template says of a function. `timeout_s` in seconds; `asset` is its unpacked code; `event_retries` is
    how often it is told again of an event that it failed at, `role` the ARN of the role that it acts by.
    """

    name: str
    asset: Path
    handler: str
    variables: Mapping[str, str]
    timeout_s: float
    log_group: str
    event_retries: int = 0
    role: str = ""


class Function:
    """Starts the function's process when it is first invoked, and again after it was lost."""

    def __init__(self, configuration: FunctionConfiguration, log: Callable[[str], None]) -> None:
        self.configuration = configuration
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._answers: int = -1

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the handler's answer to one event.

        Raises
        ------
        LocalCloudError
            If the function raised, ended, or exceeded its timeout.
        """
        process = self._started()
        try:
            print(json.dumps(event), file=process.stdin, flush=True)
        except BrokenPipeError as error:
            self.stop()
            raise LocalCloudError(f"function {self.configuration.name} ended at its start; see its log") from error
        answer = json.loads(self._answer())
        if "error" in answer:
            raise LocalCloudError(f"function {self.configuration.name} raised: {answer['error'].splitlines()[-1]}")
        return answer["response"]

    def stop(self) -> None:
        """End the process; the next event starts another."""
        if self._process:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream:
                    stream.close()
            os.close(self._answers)
            self._process = None

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._answers, write_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, str(HOST), str(self.configuration.asset), self.configuration.handler, str(write_end)],
            env=dict(self.configuration.variables),
            cwd=self.configuration.asset,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=(write_end,),
        )
        os.close(write_end)
        threading.Thread(target=self._pass_on_log, args=(self._process,), daemon=True).start()
        return self._process

    def _answer(self) -> str:
        received = b""
        while not received.endswith(b"\n"):
            ready, _, _ = select.select([self._answers], [], [], self.configuration.timeout_s)
            chunk = os.read(self._answers, 65536) if ready else b""
            if not chunk:
                self.stop()
                what = "ended" if ready else f"exceeded its timeout of {self.configuration.timeout_s:g} s"
                raise LocalCloudError(f"function {self.configuration.name} {what}; see its log")
            received += chunk
        return received.decode()

    def _pass_on_log(self, process: "subprocess.Popen[str]") -> None:
        try:
            for line in process.stdout or ():
                self._log(line.rstrip("\n"))
        except ValueError:
            return  # the stream was closed by stop()
