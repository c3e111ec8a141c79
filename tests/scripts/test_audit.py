"""The audit of what is locked: what it passes over has a reason and is still there, and no answer is no pass."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.audit import ACCEPTED, Accepted, Finding, complaints, locks, read_accepted, read_findings
from tests.conftest import REPOSITORY

LEAK = Finding("scipy", "1.9.0", ("PYSEC-2023-102", "CVE-2023-25399"), ("1.10.0",))
LEAK_ACCEPTED = Accepted("CVE-2023-25399", "scipy", "1.9.0", "a.lock", "a leak")


def test_every_accepted_vulnerability_has_a_reason_and_its_package_is_locked() -> None:
    accepted = read_accepted(ACCEPTED)
    assert accepted
    for one in accepted:
        assert re.fullmatch(r"(CVE|PYSEC|GHSA)-[\w-]+", one.id)
        assert len(one.reason.split()) >= 3, f"{one.id} has no reason"
        assert one.lock in locks()
        pinned = (REPOSITORY / one.lock).read_text()
        assert f"\n{one.package}=={one.version} " in pinned, f"{one.lock} has another {one.package}: remove {one.id}"


def test_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    fields = '[[accepted]]\nid = "CVE-1"\npackage = "six"\nversion = "1"\nlock = "uv.lock"\n'
    (tmp_path / "audit.toml").write_text(fields)
    with pytest.raises(TypeError, match="reason"):
        read_accepted(tmp_path / "audit.toml")


def test_every_lock_of_the_images_and_of_this_environment_is_audited() -> None:
    of_cellprofiler = {f"cellprofiler/{name}.lock" for name in ("build-requirements", "requirements", "worker")}
    of_others = {"installer.lock", "profiling/worker.lock", "starfish/requirements.lock", "starfish/worker.lock"}
    assert set(locks()) == {"uv.lock", *(f"containers/{name}" for name in of_cellprofiler | of_others)}


def test_vulnerability_is_told_unless_it_is_accepted_under_one_of_its_names() -> None:
    assert list(complaints([LEAK], [LEAK_ACCEPTED])) == []
    assert list(complaints([LEAK], [])) == ["scipy 1.9.0: PYSEC-2023-102, CVE-2023-25399, fixed in 1.10.0"]
    of_another = Accepted("CVE-2023-25399", "numpy", "1.9.0", "a.lock", "a leak")
    assert len(list(complaints([LEAK], [of_another]))) == 2


def test_accepted_vulnerability_that_is_gone_is_told() -> None:
    (told,) = complaints([], [LEAK_ACCEPTED])
    assert told == "scipy 1.9.0: CVE-2023-25399 is not found any more; remove it from audit.toml"


def test_report_of_pip_audit_is_read() -> None:
    vulnerability = {
        "id": "PYSEC-2023-102",
        "aliases": ["CVE-2023-25399"],
        "fix_versions": ["1.10.0"],
        "description": "a leak",
    }
    scipy = {"name": "scipy", "version": "1.9.0", "vulns": [vulnerability]}
    healthy = {"name": "six", "version": "1.17.0", "vulns": []}
    assert read_findings({"dependencies": [healthy, scipy], "fixes": []}) == [LEAK]


def test_audit_that_reaches_no_database_fails_and_names_every_lock() -> None:
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:1" for scheme in ("http", "https")}
    variables = {**os.environ, **nowhere, **{name.upper(): value for name, value in nowhere.items()}}
    ended = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "audit.py"],
        env=variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert ended.returncode == 1
    assert ended.stdout.count("NOT AUDITED") == len(locks()) + 1
    assert "nothing new" not in ended.stdout
