"""Synthesizes the three stacks. Needs no credentials, no Docker and no look-ups.

`-c storage=fsx` on the CDK command line chooses the storage mode, and `-c asleep=true` leaves out what costs money by
the hour. CDK hands them over in the variable CDK_CONTEXT_JSON, so
`CDK_CONTEXT_JSON='{"storage": "fsx"}' python app.py` is the same thing.
"""

import os
from pathlib import Path

# The stacks come first: their package names the Node that the CDK library runs on.
from constants import COST_TAG, PRODUCTION, Settings
from stacks.batch import BatchStack
from stacks.idle_cost import tell_idle_cost
from stacks.network import NetworkStack
from stacks.storage import StorageStack

# isort: split
import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

# Given in code, not in cdk.json, so that `cdk synth` and `python app.py` write the same templates.
FEATURE_FLAGS = {
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    # A stack whose values another one uses cannot be removed or changed under it.
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
}
ASLEEP = {"true": True, "false": False}
# The command line says where the assembly goes; on its own, the app puts it beside itself.
OUTDIR = os.environ.get("CDK_OUTDIR", str(Path(__file__).resolve().with_name("cdk.out")))


def build() -> cdk.App:
    """The app with its three stacks and its checks, not yet synthesized."""
    app = cdk.App(
        outdir=OUTDIR,
        context=FEATURE_FLAGS,
        analytics_reporting=False,
        # Takes three fifths of the time, and the tests run cfn-lint, which knows more.
        builtin_cloud_formation_validation=False,
    )
    env = cdk.Environment(account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION"))
    settings = _settings(app)
    network = NetworkStack(app, "network-cpb", settings=settings.network, env=env)
    storage = StorageStack(app, "storage-cpb", settings=settings.storage, env=env)
    work = BatchStack(app, "batch-cpb", settings=settings.batch, vpc=network.vpc, storage=storage, env=env)
    tell_idle_cost(work, settings)
    cdk.Tags.of(app).add(*COST_TAG)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    return app


def _settings(app: cdk.App) -> Settings:
    storage, asleep = app.node.try_get_context("storage"), app.node.try_get_context("asleep")
    settings = PRODUCTION.with_storage(storage or PRODUCTION.storage.mode)
    if asleep not in (None, *ASLEEP):
        raise ValueError(f"asleep is {asleep!r}, expected one of {', '.join(ASLEEP)}")
    return settings.asleep() if asleep and ASLEEP[asleep] else settings


if __name__ == "__main__":
    build().synth()
