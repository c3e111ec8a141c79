"""Asks for known vulnerabilities of everything that is locked (`make audit`): PyPI's database for Python, npm's for the
CDK command line. Needs the internet.

Exit status: 0 if there is none but those that audit.toml names; 1 if there is, or if a database did not answer.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
UV = os.environ.get("UV", str(REPOSITORY / ".tools" / "bin" / "uv"))
ACCEPTED = REPOSITORY / "audit.toml"
UV_LOCK = "uv.lock"


class NotAudited(Exception):
    """A database that did not answer for all that was asked."""


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that we live with: in which version of which package, in which lock, and why."""

    id: str
    package: str
    version: str
    lock: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """A known vulnerability. `ids` are all names that it goes by."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed in any release"
        return f"{self.package} {self.version}: {', '.join(self.ids)}, {fixed}"


def main() -> int:
    """Audit every lock, tell what was found, and return the exit status."""
    accepted = read_accepted(ACCEPTED)
    problems = 0
    for lock in locks():
        try:
            findings = audit_lock(lock)
        except NotAudited as error:
            problems += 1
            print(f"{lock}: NOT AUDITED: {error}")
            continue
        told = list(complaints(findings, [one for one in accepted if one.lock == lock]))
        problems += len(told)
        print(f"{lock}: {len(told)} problems" if told else f"{lock}: nothing new", *told, sep="\n  ")
    problems += audit_npm()
    return 1 if problems else 0


def locks() -> list[str]:
    """Every lock of Python packages, relative to the repository."""
    files = sorted((REPOSITORY / "containers").rglob("*.lock"))
    return [UV_LOCK, *(file.relative_to(REPOSITORY).as_posix() for file in files)]


def read_accepted(path: Path) -> list[Accepted]:
    """Read audit.toml; a TypeError names a field that is missing or unknown."""
    return [Accepted(**entry) for entry in tomllib.loads(path.read_text()).get("accepted", [])]


def complaints(findings: list[Finding], accepted: list[Accepted]) -> Iterator[str]:
    """What was found and is not accepted, and what is accepted and was not found."""
    known = {(one.package, one.id) for one in accepted}
    for finding in findings:
        if not known & {(finding.package, one) for one in finding.ids}:
            yield str(finding)
    found = {(finding.package, one) for finding in findings for one in finding.ids}
    for one in accepted:
        if (one.package, one.id) not in found:
            yield f"{one.package} {one.version}: {one.id} is not found any more; remove it from {ACCEPTED.name}"


def audit_lock(lock: str) -> list[Finding]:
    """Ask PyPI about every package of a lock.

    Raises
    ------
    NotAudited
        If it does not answer for all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = REPOSITORY / lock
        if lock == UV_LOCK:
            requirements = Path(folder) / "requirements.txt"
            requirements.write_text(export(UV_LOCK))
        # Strict: a package that PyPI does not know of is an error, and not one without vulnerabilities.
        options = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        ended = run("pip-audit", *options, "--requirement", str(requirements))
    if not ended.stdout.startswith("{"):
        raise NotAudited(last_line(ended.stderr))
    return read_findings(json.loads(ended.stdout))


def export(lock: str) -> str:
    """All of uv.lock, with every group and extra, as requirements with hashes."""
    everything = ("--all-packages", "--all-groups", "--all-extras", "--no-emit-workspace")
    ended = run(UV, "export", "--frozen", "--quiet", *everything)
    if ended.returncode != 0:
        raise NotAudited(f"uv cannot export {lock}: {last_line(ended.stderr)}")
    return ended.stdout


def read_findings(report: Mapping[str, Any]) -> list[Finding]:
    """What pip-audit found, from its report in JSON."""
    return [
        Finding(
            dependency["name"],
            dependency["version"],
            (vulnerability["id"], *vulnerability["aliases"]),
            tuple(vulnerability["fix_versions"]),
        )
        for dependency in report["dependencies"]
        for vulnerability in dependency["vulns"]
    ]


def audit_npm() -> int:
    """Ask npm about the CDK command line; returns the number of problems."""
    ended = run("npm", "audit", "--package-lock-only")
    if ended.returncode == 0:
        print("package-lock.json: nothing new")
        return 0
    print("package-lock.json: NOT AUDITED, or not without findings:", ended.stdout, ended.stderr, sep="\n  ")
    return 1


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the repository; its output is looked at whatever its exit status is."""
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def last_line(text: str) -> str:
    """What a command said last, which is what went wrong."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "nothing was said"


if __name__ == "__main__":
    sys.exit(main())
