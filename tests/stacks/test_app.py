"""The app as people run it: with plain Python, and through the pinned CDK command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
STACKS = ("network-cpb", "storage-cpb", "batch-cpb")


def run_python(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Python with nothing but the given environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment or {},
        capture_output=True,
        text=True,
        check=False,
    )


def templates(folder: Path) -> dict[str, object]:
    return {stack: json.loads((folder / f"{stack}.template.json").read_text()) for stack in STACKS}


def test_plain_python_writes_all_three_stacks_and_looks_nothing_up(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())
    stacks = {
        name for name, artifact in manifest["artifacts"].items() if artifact["type"] == "aws:cloudformation:stack"
    }
    assert stacks == set(STACKS)
    assert not manifest.get("missing")


def test_an_account_that_is_known_is_not_asked_for_its_zones(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    environment = {
        "CDK_OUTDIR": str(folder),
        "CDK_DEFAULT_ACCOUNT": "123456789012",
        "CDK_DEFAULT_REGION": "eu-west-1",
    }
    ended = run_python(str(ROOT / "app.py"), cwd=tmp_path, environment=environment)
    assert ended.returncode == 0, ended.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["artifacts"]["network-cpb"]["environment"] == "aws://123456789012/eu-west-1"
    assert not manifest.get("missing")


def test_deploying_batch_brings_network_and_storage_along(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())
    assert {"network-cpb", "storage-cpb"} <= set(manifest["artifacts"]["batch-cpb"]["dependencies"])


def test_the_assembly_lies_beside_the_app_unless_cdk_says_otherwise(tmp_path: Path) -> None:
    ended = run_python("-c", "import app; print(app.OUTDIR)", cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert ended.stdout.strip() == str(ROOT / "cdk.out")


def test_an_unknown_storage_mode_is_refused_by_name(tmp_path: Path) -> None:
    environment = {"CDK_OUTDIR": str(tmp_path / "out"), "CDK_CONTEXT_JSON": '{"storage": "nfs"}'}
    ended = run_python(str(ROOT / "app.py"), cwd=tmp_path, environment=environment)
    assert ended.returncode != 0
    assert "storage mode is 'nfs', expected one of s3, fsx" in ended.stderr


def test_a_deployment_is_asleep_or_not_and_nothing_between(tmp_path: Path) -> None:
    environment = {"CDK_OUTDIR": str(tmp_path / "out"), "CDK_CONTEXT_JSON": '{"asleep": "yes"}'}
    ended = run_python(str(ROOT / "app.py"), cwd=tmp_path, environment=environment)
    assert ended.returncode != 0
    assert "asleep is 'yes', expected one of true, false" in ended.stderr


def test_the_command_line_and_plain_python_write_the_same_templates(
    tmp_path: Path, cli_environment: dict[str, str]
) -> None:
    assert CDK.exists(), "make setup installs the CDK command line"
    node = run_python("-c", "import stacks, os; print(os.environ['JSII_NODE'])", cwd=ROOT).stdout.strip()
    by_cli = subprocess.run(
        [
            node,
            str(CDK),
            "synth",
            "--quiet",
            "--no-notices",
            "-o",
            str(tmp_path / "cli"),
            "-c",
            "storage=fsx",
        ],
        cwd=ROOT,
        env=cli_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert by_cli.returncode == 0, by_cli.stderr
    assert "WARNING" not in by_cli.stderr
    region = json.loads((tmp_path / "cli" / "manifest.json").read_text())["artifacts"]["batch-cpb"]
    environment = {
        "CDK_OUTDIR": str(tmp_path / "python"),
        "CDK_CONTEXT_JSON": '{"storage": "fsx"}',
        # Without a configured one, the command line settles for a region of its own.
        "CDK_DEFAULT_REGION": region["environment"].rpartition("/")[2],
    }
    by_python = run_python(str(ROOT / "app.py"), cwd=tmp_path, environment=environment)
    assert by_python.returncode == 0, by_python.stderr
    assert templates(tmp_path / "cli") == templates(tmp_path / "python")


def test_cfn_lint_finds_no_error(assemblies: dict[str, Path]) -> None:
    files = [str(file) for folder in assemblies.values() for file in sorted(folder.glob("*.template.json"))]
    assert len(files) == len(assemblies) * len(STACKS)
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "error", *files]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_a_finding_without_a_written_reason_fails_the_synthesis(tmp_path: Path) -> None:
    code = (
        "import app\n"
        "from aws_cdk import aws_s3 as s3\n"
        "built = app.build()\n"
        "s3.Bucket(built.node.find_child('storage-cpb'), 'Open')\n"
        "built.synth()\n"
    )
    environment = {"CDK_OUTDIR": str(tmp_path / "out"), "PYTHONPATH": str(ROOT)}
    ended = run_python("-c", code, cwd=tmp_path, environment=environment)
    assert ended.returncode != 0
    assert "AwsSolutions-S1" in ended.stderr + ended.stdout


def test_every_accepted_finding_has_a_reason(assembly: Path) -> None:
    report = json.loads((assembly / "validation-report.json").read_text())
    nag = next(plugin for plugin in report["pluginReports"] if plugin["pluginName"] == "AwsSolutions")
    assert nag["violations"] == []
    assert nag["suppressedViolations"]
    assert all(len(finding["reason"]) > 20 for finding in nag["suppressedViolations"])


def test_the_templates_name_no_folder_of_this_machine(assembly: Path) -> None:
    text = "".join(file.read_text() for file in assembly.glob("*.template.json"))
    assert str(ROOT) not in text


@pytest.mark.parametrize("file", ["package.json", "package-lock.json"])
def test_the_command_line_is_pinned_and_its_lock_names_no_registry(file: str) -> None:
    text = (ROOT / file).read_text()
    assert "2.1148.1" in text
    assert "resolved" not in text
    assert os.sep + "node_modules" not in text
