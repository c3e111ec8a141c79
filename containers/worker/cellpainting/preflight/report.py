"""A preflight for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Column, Table

from cellpainting.preflight.finding import Finding, Severity
from cellpainting.preflight.preflight import Preflight

SHOWN = 20  # of each kind of finding
STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def to_document(preflights: Sequence[Preflight]) -> dict[str, Any]:
    """All of it, as JSON has it."""
    return {
        "exit_status": max(preflight.exit_status for preflight in preflights),
        "requests": [
            {
                "run_id": preflight.run_id,
                "exit_status": preflight.exit_status,
                "would_run": asdict(preflight.outlook),
                "findings": [asdict(finding) for finding in preflight.findings],
                "near_misses": [asdict(miss) for miss in preflight.near_misses],
            }
            for preflight in preflights
        ],
    }


def print_preflights(preflights: Sequence[Preflight], console: Console) -> None:
    """A row per request, then what was found in each."""
    run = Column("run", overflow="fold")  # a name is for copying: never cut
    table = Table(run, "image sets", "groups", "shards", "vCPUs", "files", "to read", title="what would run")
    for preflight in preflights:
        outlook = preflight.outlook
        counts = (outlook.image_sets, outlook.groups, outlook.shards, outlook.vcpus, outlook.files)
        size = "?" if outlook.size_bytes is None else decimal(outlook.size_bytes)
        table.add_row(preflight.run_id, *("?" if count is None else f"{count:,}" for count in counts), size)
    console.print(table)
    if any(preflight.outlook.image_sets is None and not preflight.is_hopeless for preflight in preflights):
        console.print("?: only the worker can tell, once it lists the image sets", style="dim")
    for preflight in preflights:
        _print_tables(preflight, console)
        _print_findings(preflight, console)
        _print_near_misses(preflight, console)
        _print_verdict(preflight, console)


def _print_tables(preflight: Preflight, console: Console) -> None:
    tables = preflight.outlook.tables
    if not tables:
        return
    table = Table(Column("table", overflow="fold"), "files", "to read", title=f"tables of {preflight.run_id}")
    for one in tables:
        table.add_row(_plain(one.name), f"{one.files:,}", decimal(one.size_bytes))
    console.print(table)


def _print_findings(preflight: Preflight, console: Console) -> None:
    kinds: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in sorted(preflight.findings, key=lambda finding: finding.severity is Severity.WARNING):
        kinds.setdefault((finding.severity, finding.problem, finding.remedy), []).append(finding)
    if not kinds:
        return
    subject, problem, remedy = (Column(name, overflow="fold") for name in ("about", "problem", "remedy"))
    table = Table("", subject, problem, remedy, title=f"findings of {preflight.run_id}", show_lines=True)
    for (severity, what, do), findings in kinds.items():
        subjects = [finding.subject for finding in findings[:SHOWN]]
        if len(findings) > SHOWN:
            subjects.append(f"... and {len(findings) - SHOWN:,} others")
        table.add_row(f"[{STYLES[severity]}]{severity}[/]", *map(_plain, ("\n".join(subjects), what, do)))
    console.print(table)


def _print_near_misses(preflight: Preflight, console: Console) -> None:
    if not preflight.near_misses:
        return
    names = ("group", "column", "asked for", "the load data has", "why it matches nothing")
    table = Table(*(Column(name, overflow="fold") for name in names), title="groups that match nothing")
    for miss in preflight.near_misses[:SHOWN]:
        table.add_row(*map(_plain, (miss.group, miss.column, miss.asked, miss.has, miss.why)))
    console.print(table)
    if len(preflight.near_misses) > SHOWN:
        console.print(f"... and {len(preflight.near_misses) - SHOWN:,} others; --json prints all")


def _print_verdict(preflight: Preflight, console: Console) -> None:
    if preflight.is_hopeless:
        console.print(f"{preflight.run_id}: nothing of it could succeed", style="red", markup=False, soft_wrap=True)
    elif preflight.exit_status:
        lost = {number for finding in preflight.findings for number in finding.image_sets or ()}
        if not lost:
            text = f"{preflight.run_id}: a part of it could not succeed; how many image sets, only the worker can tell"
            console.print(text, style="red", markup=False, soft_wrap=True)
            return
        of = "" if preflight.outlook.image_sets is None else f" of {preflight.outlook.image_sets:,}"
        text = f"{preflight.run_id}: image sets that could not be measured: {len(lost):,}{of}"
        console.print(text, style="red", markup=False, soft_wrap=True)
    else:
        text = f"{preflight.run_id}: no errors{', only warnings' if preflight.findings else ''}"
        console.print(text, style="green", markup=False, soft_wrap=True)


def _plain(text: str) -> str:
    """Text in which rich sees no markup."""
    return text.replace("[", r"\[")
