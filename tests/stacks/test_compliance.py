"""The report on stricter packs of rules: it is of these templates, and nothing in it is unexplained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.compliance import by_rule, write

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_in_the_documentation_is_what_the_packs_find_now(tmp_path: Path) -> None:
    page = tmp_path / "compliance.md"
    code = f"import pathlib, scripts.compliance as c; raise SystemExit(c.write(c.find(), pathlib.Path({str(page)!r})))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert page.read_text() == (ROOT / "docs" / "compliance.md").read_text(), "make compliance writes it anew"


def test_a_finding_without_a_reason_fails_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "compliance.md"
    assert write({"S3BucketPainted": {"HIPAA.Security": ["storage-cpb/Data/Resource"]}}, page) == 1
    assert "no reason is written for S3BucketPainted" in capsys.readouterr().err
    assert not page.exists()


def test_a_rule_is_named_once_however_many_packs_have_it() -> None:
    report = {
        "pluginReports": [
            {
                "pluginName": pack,
                "violations": [{"ruleName": f"{pack}-LambdaDLQ", "violatingConstructs": [{"constructPath": "a/b"}]}],
            }
            for pack in ("HIPAA.Security", "NIST.800.53.R5")
        ]
    }
    assert by_rule(report) == {"LambdaDLQ": {"HIPAA.Security": ["a/b"], "NIST.800.53.R5": ["a/b"]}}
