"""Recipes that fail in every way that code can, and recipes that look for what is not theirs."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cellpainting.ledger import Cause, GroupResult, State
from cellpainting.starfish.environment import Starfish
from tests.worker.starfish.conftest import Fields, cpb

pytestmark = pytest.mark.starfish

PROCESS = "def process_fov(fov, codebook):\n"
# A table without a spot, in no time.
EMPTY_TABLE = """
    import numpy as np
    import pandas as pd
    from starfish import DecodedIntensityTable, IntensityTable
    from starfish.core.types import SpotAttributes
    spots = SpotAttributes(pd.DataFrame({name: np.empty(0) for name in ("x", "y", "z", "radius")}))
    table = IntensityTable.zeros(spots, [0], [0])
    empty = ("features", np.empty(0, dtype=str))
    return DecodedIntensityTable.from_intensity_table(table, targets=empty)
"""


def failure(result: GroupResult) -> tuple[Cause | None, str]:
    """Cause and reason of a field that failed, of which nothing was published."""
    (outcome,) = result.outcomes
    assert outcome.state == State.FAILED
    assert result.outputs == ()
    assert result.rows == {}
    return outcome.cause, outcome.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    return 1 / 0\n", "the recipe failed: line 2 of the recipe: ZeroDivisionError: division by zero"),
        ("    raise SystemExit(0)\n", "SystemExit: 0"),
        ("    import nowhere\n", "No module named 'nowhere'"),
        ("    pass\n", "process_fov returned NoneType; return the DecodedIntensityTable"),
        ("    return {'spots': 3}\n", "process_fov returned dict"),
    ],
)
def test_recipe_that_raises_or_returns_no_table_fails_with_its_last_line(
    fields: Fields, starfish: Starfish, body: str, reason: str
) -> None:
    cause, told = failure(fields.with_recipe(PROCESS + body).decode(0, starfish))
    assert cause == Cause.PIPELINE_ERROR
    assert reason in told
    assert reason.rpartition(": ")[2] in fields.log(0)


def test_decoded_spots_of_the_older_form_are_refused_with_the_remedy(fields: Fields, starfish: Starfish) -> None:
    table = EMPTY_TABLE.replace("targets=empty)", "targets=empty).to_decoded_dataframe()")
    text = table.replace('"radius")', '"radius", "xc", "yc", "zc")')
    cause, told = failure(fields.with_recipe(PROCESS + text).decode(0, starfish))
    assert cause == Cause.PIPELINE_ERROR
    assert "returned DecodedSpots" in told
    assert "without .to_decoded_dataframe()" in told


@pytest.mark.parametrize("text", ["def process_fov(fov, codebook:\n", "def process(fov, codebook): pass\n"])
def test_recipe_without_the_function_fails_the_shard_before_anything_is_run(
    fields: Fields, starfish: Starfish, text: str
) -> None:
    manifest = fields.with_recipe(text).run(0, starfish)
    assert manifest.groups == ()
    assert "recipe 'recipe.py'" in manifest.reason
    (first, _) = fields.ledger().outcomes
    assert (first.state, first.cause) == (State.FAILED, Cause.PIPELINE_ERROR)


def test_a_failed_field_has_exit_status_1(fields: Fields, starfish: Starfish) -> None:
    fields.with_recipe("raise RuntimeError('no good')\n" + PROCESS + "    pass\n").plan()
    uri = fields.bucket.uri(fields.record.keys.request)
    ended = cpb("run", "--request", uri, STARFISH=str(starfish.python))
    assert ended.returncode == 1
    reason = "the recipe failed: line 1 of the recipe: RuntimeError: no good"
    assert f"cpb: not done: fov_000: failed: {reason}" in ended.stdout


@pytest.mark.parametrize(
    "body",
    [
        "    import numpy as np\n    return np.ones((1024, 1024, 1024))\n",
        # What Python says when there is no memory for a stack; whether it does, or waits for ever, is up to chance.
        '    raise RuntimeError("can\'t start new thread")\n',
    ],
)
def test_recipe_that_asks_for_too_much_memory_is_told_apart(fields: Fields, starfish: Starfish, body: str) -> None:
    text = PROCESS + body
    cause, told = failure(fields.with_recipe(text).decode(0, starfish, memory_mib=1024))
    assert cause == Cause.OUT_OF_MEMORY
    assert "raise job_memory" in told
    assert "832 MiB" in told


def test_recipe_that_is_killed_is_taken_for_one_without_memory(fields: Fields, starfish: Starfish) -> None:
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n" + PROCESS + "    pass\n"
    cause, told = failure(fields.with_recipe(text).decode(0, starfish))
    assert cause == Cause.OUT_OF_MEMORY
    assert "killed from outside" in told


@pytest.mark.parametrize(("end", "how"), [("os._exit(0)", "status 0"), ("os.abort()", "SIGABRT")])
def test_recipe_that_ends_its_process_has_failed(fields: Fields, starfish: Starfish, end: str, how: str) -> None:
    cause, told = failure(fields.with_recipe(f"import os\n{end}\n{PROCESS}    pass\n").decode(0, starfish))
    assert cause == Cause.PIPELINE_ERROR
    assert how in told


def test_recipe_that_hangs_is_stopped_with_all_that_it_started(fields: Fields, starfish: Starfish) -> None:
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('child', child.pid)\n"
        f"time.sleep(60)\n{PROCESS}    pass\n"
    )
    begun = time.monotonic()
    cause, told = failure(fields.asking(timeout_s=2).with_recipe(text).decode(0, starfish))
    assert cause == Cause.TIMEOUT
    assert "timeout_s=2" in told
    assert time.monotonic() - begun < 30
    child = int(fields.log(0).split("child ")[1].split()[0])
    status = Path(f"/proc/{child}/stat")  # it stays until the machine's first process has seen to it
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_result_that_is_a_link_is_not_followed(fields: Fields, starfish: Starfish, tmp_path: Path) -> None:
    """The worker would read it with its own permissions, and publish what the recipe cannot see."""
    secret = tmp_path / "secret"
    secret.write_text("of the worker")
    forged = json.dumps({"spots": 1})
    text = (
        f"import os\nos.symlink({str(secret)!r}, 'decoded.nc')\n"
        f"open('report.json', 'w').write({forged!r})\nos._exit(0)\n{PROCESS}    pass\n"
    )
    cause, told = failure(fields.with_recipe(text).decode(0, starfish))
    assert cause == Cause.PIPELINE_ERROR
    assert "cannot be taken" in told
    assert not (fields.root / "results").exists()


@pytest.mark.parametrize(
    ("parameters", "check"),
    [
        ("fov, codebook", "fov.name == 'fov_001' and set(codebook.target.values) == {'ACTB', 'GAPDH', 'HER2'}"),
        ("field_num, experiment_str", "field_num == 1 and __import__('starfish').Experiment.from_json(experiment_str)"),
        ("fov_num: int, experiment_str: str", "fov_num == 1 and experiment_str.endswith('/experiment.json')"),
    ],
)
def test_both_forms_are_given_what_they_were_published_with(
    fields: Fields, starfish: Starfish, parameters: str, check: str
) -> None:
    text = f"def process_fov({parameters}):\n    assert {check}\n{EMPTY_TABLE}"
    result = fields.with_recipe(text).decode(1, starfish)
    (outcome,) = result.outcomes
    assert (outcome.state, outcome.reason) == (State.NO_CELLS, "")
    assert (fields.root / "results" / "fov_001_decoded.nc").exists()


LOOK = """
import glob, json, os, socket, sys
def reads(path):
    try:
        return open(path, 'rb').read(100).decode(errors='replace')
    except OSError as error:
        return None
seen = {}
seen['variables'] = [name for name in os.environ if name.startswith(('AWS', 'ECS', 'CPB'))]
for process in ('1', str(os.getppid())):
    seen['environment of ' + process] = reads(f'/proc/{process}/environ')
seen['bucket'] = reads(BUCKET)
seen['credentials'] = reads(SECRET)
for what, address in (('server', ADDRESS),):
    try:
        socket.create_connection(address, timeout=2).close()
        seen[what] = 'connected'
    except OSError:
        seen[what] = None
try:
    os.kill(os.getppid(), 0)
    seen['signal'] = 'sent'
except OSError:
    seen['signal'] = None
try:
    open(SECRET, 'w')
    seen['writing'] = 'done'
except OSError:
    seen['writing'] = None
raise SystemExit('saw ' + json.dumps({what: found for what, found in seen.items() if found}))
"""


def test_recipe_sees_neither_credentials_nor_environment_nor_files_nor_network_of_the_worker(
    fields: Fields, starfish: Starfish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root here, where only Landlock stands in the way; Debian 12's kernel and newer ones have it."""
    secret = tmp_path / "credentials"
    secret.write_text("aws_secret_access_key = worker's")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "worker's")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials")
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = {
            "BUCKET": str(fields.root / "recipe.py"),
            "SECRET": str(secret),
            "ADDRESS": server.getsockname(),
        }
        named = "".join(f"{name} = {value!r}\n" for name, value in places.items())
        _, told = failure(fields.with_recipe(f"{named}{LOOK}\n{PROCESS}    pass\n").decode(0, starfish))
    assert told.endswith("SystemExit: saw {}"), told
    assert secret.read_text() == "aws_secret_access_key = worker's"


def test_another_process_of_the_same_user_cannot_read_the_environment_of_the_worker() -> None:
    """Where the kernel has no Landlock. Root may read all, so both are another user here."""
    script = (
        "import ctypes, os, subprocess, sys\n"
        "from cellpainting.starfish.confined import SET_DUMPABLE, hide_environment\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]), os.setgid(65534), os.setuid(65534)\n"
        "    ctypes.CDLL(None).prctl(SET_DUMPABLE, 1, 0, 0, 0)\n"  # as a program that is started by that user
        "if 'hidden' in sys.argv:\n"
        "    hide_environment()\n"
        "asked = subprocess.run(['cat', f'/proc/{os.getpid()}/environ'], capture_output=True)\n"
        "print(b'SECRET=1' in asked.stdout)\n"
    )
    environment = {**os.environ, "SECRET": "1"}
    told = [
        subprocess.run(
            [sys.executable, "-c", script, argument], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for argument in ("as it is", "hidden")
    ]
    assert told == ["True", "False"]
