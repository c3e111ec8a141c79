"""Writes docs/compliance.md: what cdk-nag's packs for NIST 800-53 and HIPAA find in the templates, and why it is so.

`make compliance` runs it. The pack AwsSolutions is no report but a rule: it fails the synthesis.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compliance.md"
CDK_NAG = "https://github.com/cdklabs/cdk-nag"
PACKS = {"NIST.800.53.R5": "NIST 800-53, revision 5", "HIPAA.Security": "HIPAA Security"}
# Why each finding is as it is, and what a lab that must not have it can do.
REASONS = {
    "CloudWatchLogGroupEncrypted": "CloudWatch Logs encrypts with a key of its own. A key of the account's costs by "
    "the month, and logs hold names of files and wells, no patient's.",
    "IAMNoInlinePolicy": "Each role has one policy, which goes with it; no user or group has any. A managed policy "
    "could be attached to something else.",
    "LambdaConcurrency": "The queue gives the dispatcher `max_concurrency` messages at a time. A reserved share would "
    "be taken from the account's other functions for good.",
    "LambdaDLQ": "What a function could not do is kept: messages in the dead-letter queue, events in the queue of lost "
    "events, by the newer way (failure destinations) of what this rule asks for.",
    "LambdaInsideVPC": "The functions call SQS, Batch, S3 and SNS only, with roles. In the VPC they would need an "
    "endpoint for each, which costs by the hour, and nothing listens on them anywhere.",
    "S3BucketReplicationEnabled": "A second copy of hundreds of plates doubles what storage costs, so it is the lab's "
    "decision. The bucket is versioned and outlives its stack, and replication can be added to it.",
    "S3BucketVersioningEnabled": "The bucket of access logs, which only S3 itself writes to, under names of its own.",
    "S3DefaultEncryptionKMS": "Encrypted with S3's own keys (AES-256). With a key of the account's each request costs, "
    "and Cell Painting makes millions; S3 cannot write access logs to a bucket with one at all.",
    "SNSEncryptedKMS": "CloudWatch, EventBridge and AWS Budgets cannot publish with the key that AWS keeps for SNS, "
    "and one of the account's costs by the month. What is told names alarms, queues and jobs; the topic of finished "
    "runs, to which only the dispatcher publishes, is encrypted.",
    "VPCDefaultSecurityGroupClosed": "Nothing is in that group. Emptying it takes a function with the right to change "
    "security groups.",
}


def write(findings: Mapping[str, Mapping[str, list[str]]], page: Path) -> int:
    """Write the page; the exit status is 1 if a finding has no reason."""
    if unexplained := sorted(set(findings) - set(REASONS)):
        print(f"no reason is written for {', '.join(unexplained)}: add it to {Path(__file__).name}", file=sys.stderr)
        return 1
    page.write_text("\n".join(lines(findings)) + "\n")
    return 0


def find() -> dict[str, dict[str, list[str]]]:
    """Rule to pack to the paths of the constructs that it names, in the storage mode that has most of them."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": '{"storage": "fsx"}'}
        app = _build()
        try:
            app.synth()
        except RuntimeError as error:  # the packs have found something, and have written it down
            if "ValidationFailed" not in str(error):
                raise
        return by_rule(json.loads((Path(folder) / "validation-report.json").read_text()))


def _build() -> Any:
    """The app with the packs of the report; its output folder has to be known before it is imported."""
    import app as deployment

    # isort: split
    import aws_cdk as cdk
    from cdk_nag import HIPAASecurityChecks, NIST80053R5Checks

    app = deployment.build()
    cdk.Validations.of(app).add_plugins(NIST80053R5Checks(app), HIPAASecurityChecks(app))
    return app


def by_rule(report: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The violations of a validation report, the packs' names left out of the rules'."""
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for plugin in report["pluginReports"]:
        pack = plugin["pluginName"]
        for violation in plugin["violations"]:
            rule = violation["ruleName"].removeprefix(f"{pack}-")
            found[rule][pack] = [one["constructPath"] for one in violation["violatingConstructs"]]
    return dict(found)


def lines(findings: Mapping[str, Mapping[str, list[str]]]) -> Iterator[str]:
    """The page."""
    yield "# Compliance report"
    yield ""
    yield "<!-- written by scripts/compliance.py (make compliance) -->"
    yield ""
    yield f"What the packs of [cdk-nag]({CDK_NAG}) for {' and '.join(PACKS.values())} find in the templates of"
    yield "storage mode `fsx`, which has all that mode `s3` has. It is a report: these packs ask for more than most"
    yield "laboratories need, at a price. The pack AwsSolutions is a rule: a finding of it without a written reason"
    yield "fails each synthesis ([accepted findings](security.md#accepted-findings))."
    yield ""
    yield "| rule | pack | on | why |"
    yield "|---|---|---|---|"
    for rule, packs in sorted(findings.items()):
        constructs = sorted({path for paths in packs.values() for path in paths})
        yield f"| {rule} | {', '.join(sorted(packs))} | {_listed(constructs)} | {REASONS[rule]} |"


def _listed(paths: Iterable[str]) -> str:
    names = [path.removesuffix("/Resource").removesuffix("/DefaultPolicy") for path in paths]
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


if __name__ == "__main__":
    sys.exit(write(find(), PAGE))
