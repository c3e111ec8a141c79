"""The local cloud: one process with everything that `cdk deploy` would make."""

import fcntl
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from moto.core.config import default_user_config
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from cellpainting.cellprofiler.inputs import require_visible
from cellpainting.errors import LocalCloudError
from cellpainting.local.assembly import REPOSITORY, StackArtifact, synthesize
from cellpainting.local.bucket_folder import keep_in_folder
from cellpainting.local.container import ContainerHost
from cellpainting.local.deployment import REGION, Account, deploy, outputs, physical_ids
from cellpainting.local.events import EventBus
from cellpainting.local.function import Function, FunctionConfiguration
from cellpainting.local.moto_models import ACCOUNT, complete_moto
from cellpainting.local.poller import EventSource, Poller
from cellpainting.local.scheduler import Scheduler

STACK = "batch-cpb"
ADDRESS = "127.0.0.1"
FILE_SYSTEM_PATH = "/fsx"  # where the job definitions find the file system on their hosts
INVOKE_CONFIGURATION_TYPE = "AWS::Lambda::EventInvokeConfig"

Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class LocalSettings:
    """Where a local cloud keeps its data, how jobs read their images, and what it shows of the user's own folders."""

    data: Path
    storage_mode: str = "s3"
    mounts: Mapping[str, Path] = field(default_factory=dict)
    port: int = 0
    slots: int = field(default_factory=lambda: os.cpu_count() or 1)

    @property
    def bucket_folder(self) -> Path:
        return self.data / "bucket"


class LocalCloud:
    """Started with `start`, stopped with `stop`; one at a time per data folder and per process."""

    account: Account
    outputs: dict[str, str]
    scheduler: Scheduler
    events: EventBus

    def __init__(self, settings: LocalSettings, tell: Tell) -> None:
        self.settings = settings
        self._tell = tell
        self._started = ExitStack()

    def start(self) -> None:
        """Synthesize, deploy and begin to receive messages.

        Raises
        ------
        LocalCloudError
            If the data folder is in use, or the app cannot be synthesized or deployed.
        """
        require_visible(self.settings.data)
        for folder in (self.settings.bucket_folder, self.settings.data / "scratch"):
            folder.mkdir(parents=True, exist_ok=True)
        self._started.enter_context(_lock(self.settings.data))
        stacks = synthesize(self.settings.data / "cdk.out", self.settings.storage_mode)
        self._start_server()
        deploy(self.account, stacks)
        self.outputs = outputs(self.account, STACK)
        keep_in_folder(self._bucket(), self.settings.bucket_folder, self.settings.mounts)
        stack = next(stack for stack in stacks if stack.name == STACK)
        self.events = self._event_bus(stack)
        self.events.start()
        self._started.callback(self.events.stop)
        self.scheduler = Scheduler(
            self._host(stacks), slots=self.settings.slots, tell=self._tell, on_end=self.events.publish_end
        )
        self.scheduler.start()
        self._started.callback(self.scheduler.stop)
        for poller in self._pollers(stack):
            poller.start()
            self._started.callback(poller.stop)

    def stop(self) -> None:
        """Stop what was started, last first: receiving, the jobs, the server. What lies in the bucket stays."""
        self._started.close()

    def _start_server(self) -> None:
        default_user_config["batch"] = {"use_docker": True}  # the registry whose jobs the scheduler runs
        default_user_config["lambda"] = {"use_docker": False}
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's server logs each request to the terminal
        _require_free(self.settings.port)
        server = ThreadedMotoServer(ADDRESS, self.settings.port, verbose=False)
        server.start()
        self._started.callback(server.stop)
        host, port = server.get_host_and_port()
        self.account = Account(f"http://{host}:{port}")
        complete_moto(self.account.client)

    @property
    def cellprofiler(self) -> str:
        """The CellProfiler that jobs run: the caller's choice, else the one that `make setup` installed."""
        return os.environ.get("CELLPROFILER", str(REPOSITORY / ".cellprofiler" / "bin" / "cellprofiler"))

    @property
    def starfish(self) -> str:
        """The Python whose starfish jobs use: the caller's choice, else the one that `make setup` installed."""
        return os.environ.get("STARFISH", str(REPOSITORY / ".starfish" / "bin" / "python"))

    @property
    def is_idle(self) -> bool:
        """Whether the request queue is empty, no job waits or runs, and nothing follows from one that has ended."""
        published = self.events.published
        if not self.events.is_idle:
            return False
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.account.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs["SQSQueueURL"], AttributeNames=names
        )["Attributes"]
        is_idle = all(int(count) == 0 for count in counts.values()) and self.scheduler.is_idle
        return is_idle and self.events.published == published  # a job that ended meanwhile may lead to another

    def _bucket(self) -> Any:
        return s3_backends[ACCOUNT]["aws"].get_bucket(self.outputs["BucketName"])

    def _host(self, stacks: tuple[StackArtifact, ...]) -> ContainerHost:
        return ContainerHost(
            images=tuple(image for stack in stacks for image in stack.images),
            variables={"CELLPROFILER": self.cellprofiler, "STARFISH": self.starfish, **self._variables()},
            volumes={FILE_SYSTEM_PATH: self.settings.bucket_folder},
            mounts=self.settings.mounts,
            scratch=self.settings.data / "scratch",
        )

    def _variables(self) -> dict[str, str]:
        return {**self.account.variables, "PATH": os.environ["PATH"]}

    def _event_bus(self, stack: StackArtifact) -> EventBus:
        resources = stack.template["Resources"].values()
        retries = [
            one["Properties"]["MaximumRetryAttempts"] for one in resources if one["Type"] == INVOKE_CONFIGURATION_TYPE
        ]
        tell = partial(self._tell, "events")
        return EventBus(REGION, partial(self._function, stack), retries=max(retries, default=0), tell=tell)

    def _pollers(self, stack: StackArtifact) -> list[Poller]:
        client, sqs = self.account.client("lambda"), self.account.client("sqs")
        pollers = []
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
            # moto itself would push each message to its own stand-in for Lambda, which runs nothing, and delete it
            client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
            arn = mapping["EventSourceArn"]
            url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
            function = self._function(stack, mapping["FunctionArn"])
            source = EventSource(url, arn, mapping["BatchSize"], REGION)
            name = function.configuration.name
            pollers.append(Poller(source, function, sqs, partial(self._tell, name)))
        return pollers

    def _function(self, stack: StackArtifact, arn: str) -> Function:
        configuration = self.account.client("lambda").get_function(FunctionName=arn)["Configuration"]
        name, ids = configuration["FunctionName"], physical_ids(self.account, STACK)
        logical_id = next(logical for logical, physical in ids.items() if physical == name)
        properties = stack.template["Resources"][logical_id]["Properties"]
        group = ids[properties["LoggingConfig"]["LogGroup"]["Ref"]]  # moto does not keep it
        asset = next(file.path for file in stack.files if file.key == properties["Code"]["S3Key"])
        variables = {**configuration["Environment"]["Variables"], **self._variables(), "PYTHONPATH": str(asset)}
        return Function(
            FunctionConfiguration(name, asset, configuration["Handler"], variables, configuration["Timeout"], group),
            self._log_writer(group, name),
        )

    def _log_writer(self, group: str, name: str) -> Callable[[str], None]:
        logs, stream = self.account.client("logs"), f"local/{uuid.uuid4().hex}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)

        def write(line: str) -> None:
            event = {"timestamp": int(time.time() * 1000), "message": line or " "}
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
            self._tell(name, line)

        return write


def _require_free(port: int) -> None:
    """moto's server would wait for ever for a port that another program has."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise LocalCloudError(f"port {port} cannot be used ({error.strerror}); choose another --port") from error


def _lock(data: Path) -> IO[str]:
    """Hold the data folder for this process; the lock goes with the process, however it ends."""
    file = (data / "in-use").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise LocalCloudError(
            f"the data folder {data} is in use by another local cloud; "
            "send to that one, stop it, or choose another --data"
        ) from error
    return file
