"""What is in the images, and what is not: no compiler, no installer, no way to another user's rights, nothing to write
to but /tmp.
"""

from dataclasses import replace

import pytest

from cellpainting.local.attempt import Attempt
from cellpainting.local.image_host import ImageHost
from tests.containers.conftest import RUNTIMES, shell_job

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200), pytest.mark.parametrize("runtime", RUNTIMES)]

COMPILERS = ("as", "c++", "c89", "c99", "cc", "clang", "cpp", "g++", "gcc", "javac", "ld", "make", "rustc", "tcc")
INSTALLERS = ("conda", "easy_install", "git", "npm", "pip", "pip3", "pipx", "uv", "uvx")
PLACES = "$PATH:/opt/cellprofiler/bin:/opt/starfish/bin:/opt/installer/bin:/usr/local/bin:/usr/sbin"
MODULES = ("pip", "ensurepip", "uv")
# But for what is the kernel's: a process' own entries, null and the like.
EVERYWHERE = r"find / \( -path /proc -o -path /dev -o -path /sys \) -prune -o"


def printed(host: ImageHost, runtime: str, script: str, user: str = "1000:1000") -> list[str]:
    lines: list[str] = []
    outcome = Attempt(host.run(replace(shell_job(runtime, script), user=user))).wait(600, lines.append)
    assert outcome.exit_code == 0, lines
    return lines


def test_no_compiler_and_no_installer_is_on_any_path(host: ImageHost, runtime: str) -> None:
    tools = " ".join(("cpb", *COMPILERS, *INSTALLERS))
    script = f"PATH={PLACES}; for tool in {tools}; do command -v $tool; done; true"
    assert printed(host, runtime, script) == ["/opt/worker/bin/cpb"]


def test_no_python_can_install_anything(host: ImageHost, runtime: str) -> None:
    find = f"import importlib.util; print(*(name for name in {MODULES} if importlib.util.find_spec(name)))"
    script = f'for python in /opt/*/bin/python; do echo $python; $python -c "{find}"; done'
    lines = printed(host, runtime, script)
    assert "/opt/worker/bin/python" in lines[::2]
    assert set(lines[1::2]) == {""}


def test_the_user_is_1000_and_owns_nothing_outside_of_tmp(host: ImageHost, runtime: str) -> None:
    assert printed(host, runtime, "id -u; id -g", user="") == ["1000", "1000"]
    assert printed(host, runtime, f"{EVERYWHERE} -path /tmp -prune -o -user 1000 -print", user="0:0") == []


def test_no_program_has_the_rights_of_another_user(host: ImageHost, runtime: str) -> None:
    assert printed(host, runtime, "find / -xdev -perm /6000 -type f", user="0:0") == []


def test_nothing_but_tmp_can_be_written(host: ImageHost, runtime: str) -> None:
    find = f"{EVERYWHERE} -writable ! -type l -print 2>/dev/null"
    script = f"! touch /new 2>/dev/null || exit 1; touch /tmp/new; {find}; true"
    writable = printed(host, runtime, script)
    assert "/tmp/new" in writable  # noqa: S108 - inside
    assert [path for path in writable if path != "/tmp" and not path.startswith("/tmp/")] == []  # noqa: S108 - inside
