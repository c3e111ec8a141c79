"""The local cloud: one process with everything that `cdk deploy` would make."""

import fcntl
import logging
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

from moto.core.config import default_user_config
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from cellpainting.cellprofiler.inputs import require_visible
from cellpainting.errors import LocalCloudError
from cellpainting.local.assembly import REPOSITORY, synthesize
from cellpainting.local.bucket_folder import keep_in_folder
from cellpainting.local.deployed_stack import DeployedStack, read_stack
from cellpainting.local.deployment import REGION, Account, deploy
from cellpainting.local.events import EventBus
from cellpainting.local.function import Function
from cellpainting.local.image_builder import write_program
from cellpainting.local.image_host import ImageHost
from cellpainting.local.image_store import ImageStore
from cellpainting.local.moto_models import ACCOUNT, complete_moto
from cellpainting.local.permissions import FUNCTIONS, JOBS, Permissions
from cellpainting.local.poller import Poller
from cellpainting.local.process_host import ProcessHost
from cellpainting.local.scheduler import Host, Scheduler
from cellpainting.shard_log import MARK

STACK = "batch-cpb"
ADDRESS = "127.0.0.1"
FILE_SYSTEM_PATH = "/fsx"  # where the job definitions find the file system on their hosts

Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class LocalSettings:
    """Where a local cloud keeps its data, how jobs read their images, and what it shows of the user's own folders.

    Without a storage mode the account is empty: others deploy into it, and choose.
    `engine` is the command that runs each job inside its image; without one, jobs are processes of this machine.
    """

    data: Path
    storage_mode: str | None = "s3"
    mounts: Mapping[str, Path] = field(default_factory=dict)
    engine: tuple[str, ...] = ()
    port: int = 0
    slots: int = field(default_factory=lambda: os.cpu_count() or 1)

    @property
    def bucket_folder(self) -> Path:
        return self.data / "bucket"


class LocalCloud:
    """Started with `start`, stopped with `stop`; one at a time per data folder and per process.

    It is alive, which is to say that messages are received, when `batch-cpb` is deployed, whoever deploys it.
    """

    account: Account
    permissions: Permissions
    scheduler: Scheduler
    events: EventBus

    def __init__(self, settings: LocalSettings, tell: Tell) -> None:
        self.settings = settings
        self.outputs: Mapping[str, str] = {}
        self._tell = tell
        self._started = ExitStack()
        self._receiving = ExitStack()
        self._images = ImageStore(settings.data / "deployed" / "images")
        self._bucket_folders: dict[str, Path] = {}
        self._volumes: dict[str, Path] = {}

    def start(self) -> None:
        """Start the account's services; unless it is to be empty, synthesize, deploy and begin to receive messages.

        Raises
        ------
        LocalCloudError
            If the data folder is in use, or the app cannot be synthesized or deployed.
        """
        require_visible(self.settings.data)
        for folder in (self.settings.bucket_folder, self.settings.data / "scratch"):
            folder.mkdir(parents=True, exist_ok=True)
        self._started.enter_context(_lock(self.settings.data))
        shutil.rmtree(self.settings.data / "deployed", ignore_errors=True)
        self._start_server()
        self.events = EventBus(REGION, partial(self._tell, "events"))
        self.events.start()
        self._started.callback(self.events.stop)
        self.scheduler = Scheduler(
            self._host(), slots=self.settings.slots, tell=self._tell, on_end=self.events.publish_end
        )
        self.scheduler.start()
        self._started.callback(self.scheduler.stop)
        self._started.callback(self._receiving.close)
        if self.settings.storage_mode is not None:
            stacks = synthesize(self.settings.data / "cdk.out", self.settings.storage_mode)
            deploy(self.account, stacks, self._images)
            self._come_alive()

    @property
    def docker(self) -> Path:
        """The program that stands in for Docker while `cdk deploy` builds and pushes images."""
        program = self.settings.data / "deployed" / "docker"
        program.parent.mkdir(exist_ok=True)
        write_program(program, self._images)
        return program

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
        complete_moto(self.account.client, self._on_deployed)
        self.permissions = Permissions(self.account)

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

    def _on_deployed(self, stack: str) -> None:
        """What CloudFormation calls before it answers: when `cdk deploy` ends, messages are received."""
        if stack == STACK:
            self._come_alive()
            self._tell(STACK, MARK + ("messages are received" if self.outputs else "gone; nothing is received"))

    def _come_alive(self) -> None:
        """Receive messages and tell of events as the stack that is deployed now says; without one, do neither."""
        self._receiving.close()
        stack = read_stack(self.account, STACK)
        self.outputs = {} if stack is None else stack.outputs
        self.events.connect(None if stack is None else partial(self._function, stack))
        if stack is None:
            return
        self._keep_bucket(stack.outputs["BucketName"])
        for poller in self._pollers(stack):
            poller.start()
            self._receiving.callback(poller.stop)

    def _pollers(self, stack: DeployedStack) -> Iterator[Poller]:
        for source, arn in stack.event_sources():
            function = self._function(stack, arn)
            sqs = self.permissions.client("sqs", function.configuration.role)
            yield Poller(source, function, sqs, partial(self._tell, function.configuration.name))

    def _keep_bucket(self, name: str) -> None:
        """Keep the data bucket's objects in a folder. A deployment retains its bucket, so that a later one makes
        another, which gets another folder while the first bucket is there.
        """
        buckets = s3_backends[ACCOUNT]["aws"].buckets
        if name not in self._bucket_folders:
            is_first = not any(kept in buckets for kept in self._bucket_folders)
            folder = self.settings.bucket_folder if is_first else self.settings.data / name
            folder.mkdir(exist_ok=True)
            keep_in_folder(buckets[name], folder, self.settings.mounts)
            self._bucket_folders[name] = folder
        self._volumes[FILE_SYSTEM_PATH] = self._bucket_folders[name]

    def _host(self) -> Host:
        scratch = self.settings.data / "scratch"
        if self.settings.engine:
            return ImageHost(
                engine=self.settings.engine,
                images=self._images,
                variables=self.account.variables,
                volumes=self._volumes,
                mounts=self.settings.mounts,
                scratch=scratch,
                credentials=self._credentials,
            )
        return ProcessHost(
            images=self._images,
            variables={"CELLPROFILER": self.cellprofiler, "STARFISH": self.starfish, **self._variables()},
            volumes=self._volumes,
            mounts=self.settings.mounts,
            scratch=scratch,
            credentials=self._credentials,
        )

    def _credentials(self, role: str) -> Mapping[str, str]:
        return self.permissions.variables(role, JOBS)

    def _variables(self) -> dict[str, str]:
        return {**self.account.variables, "PATH": os.environ["PATH"]}

    def _function(self, stack: DeployedStack, arn: str) -> Function:
        configuration = stack.function(arn, self.settings.data / "deployed" / "functions")
        asset = configuration.asset
        ours = {**self._variables(), **self.permissions.variables(configuration.role, FUNCTIONS)}
        variables = {**configuration.variables, **ours, "PYTHONPATH": str(asset)}
        write = self._log_writer(configuration.log_group, configuration.name)
        return Function(replace(configuration, variables=variables), write)

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
