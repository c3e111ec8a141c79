"""An SQS event source: receives messages, invokes the function, deletes what it did not name as failed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellpainting.errors import LocalCloudError
from cellpainting.local.function import Function
from cellpainting.shard_log import MARK

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

WAIT_S = 1  # long poll; also how long stopping may take


@dataclass(frozen=True)
class EventSource:
    """An event source mapping: its queue and batch size."""

    queue_url: str
    queue_arn: str
    batch_size: int
    region: str


class Poller:
    """One thread per event source. A failed message comes back at once, instead of after the visibility timeout."""

    def __init__(self, source: EventSource, function: Function, sqs: "SQSClient", tell: Callable[[str], None]) -> None:
        self._source = source
        self._function = function
        self._sqs = sqs
        self._tell = tell
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def stop(self) -> None:
        """Receive nothing more; returns when the event at work is answered."""
        self._stopping.set()
        self._thread.join()
        self._function.stop()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            messages = self._sqs.receive_message(
                QueueUrl=self._source.queue_url,
                MaxNumberOfMessages=min(10, self._source.batch_size),
                WaitTimeSeconds=WAIT_S,
                AttributeNames=["All"],
            ).get("Messages", [])
            if messages:
                self._deliver(messages)

    def _deliver(self, messages: "list[MessageTypeDef]") -> None:
        failed = self._failed(messages)
        for message in messages:
            handle = message["ReceiptHandle"]
            if message["MessageId"] in failed:
                self._sqs.change_message_visibility(
                    QueueUrl=self._source.queue_url, ReceiptHandle=handle, VisibilityTimeout=0
                )
            else:
                self._sqs.delete_message(QueueUrl=self._source.queue_url, ReceiptHandle=handle)

    def _failed(self, messages: "list[MessageTypeDef]") -> set[str]:
        try:
            response = self._function.invoke({"Records": [self._record(message) for message in messages]})
        except LocalCloudError as error:
            self._tell(MARK + str(error))
            return {message["MessageId"] for message in messages}
        return {item["itemIdentifier"] for item in response["batchItemFailures"]}

    def _record(self, message: "MessageTypeDef") -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._source.queue_arn,
            "awsRegion": self._source.region,
        }
