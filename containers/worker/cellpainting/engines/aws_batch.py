"""AWS Batch: the message as it would be sent. The dispatcher plans and submits it."""

import json
from pathlib import Path

from cellpainting.engines.work import EngineWork


def write(work: EngineWork, folder: Path) -> str:
    """Write `request.json`."""
    (folder / "request.json").write_text(json.dumps(dict(work.document), indent=1) + "\n", encoding="utf-8")
    return 'aws sqs send-message --queue-url "$SQS_URL" --message-body file://request.json'
