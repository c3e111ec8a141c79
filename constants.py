"""Settings of the deployment: typed, frozen, one instance per environment.

Nothing is read from the machine here, and nothing of CDK is imported, so that tests and tools can
read a setting in no time. `app.py` chooses the instance and the storage mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

StorageMode = Literal["s3", "fsx"]
# Names of aws_logs.RetentionDays.
Retention = Literal["ONE_MONTH", "THREE_MONTHS", "ONE_YEAR"]


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The VPC the Batch hosts live in."""

    cidr: str
    availability_zones: int
    nat_gateways: int
    flow_log_retention: Retention


@dataclass(frozen=True, kw_only=True)
class SharedFileSystemSettings:
    """FSx for Lustre, used in storage mode `fsx` only."""

    capacity_gib: int
    throughput_mbps_per_tib: int
    mount_point: str


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """The data bucket, and how jobs read it."""

    mode: StorageMode
    noncurrent_version_days: int
    incomplete_upload_days: int
    access_log_days: int
    shared_file_system: SharedFileSystemSettings


@dataclass(frozen=True, kw_only=True)
class RequestQueueSettings:
    """The queue users send requests to, and the one that keeps what could not be dispatched."""

    max_receive_count: int
    dead_letter_days: int
    visibility_timeout_s: int


@dataclass(frozen=True, kw_only=True)
class DispatcherSettings:
    """The Lambda function that turns requests into Batch jobs."""

    timeout_s: int
    memory_mib: int
    batch_size: int
    max_concurrency: int
    max_memory_mib: int
    event_retries: int
    event_age_hours: int
    lost_event_days: int
    log_retention: Retention


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """The hosts that AWS Batch starts and stops."""

    instance_types: tuple[str, ...]
    max_vcpus: int
    root_volume_gib: int


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """One runtime: a container image and the job definition that runs it."""

    runtime: str
    version: str
    dockerfile: str
    vcpu: int
    memory_mib: int
    attempts: int
    timeout_s: int
    user: str
    scratch: str


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """Everything between the request queue and the containers."""

    request_queue: RequestQueueSettings
    dispatcher: DispatcherSettings
    compute: ComputeSettings
    workers: tuple[WorkerSettings, ...]
    job_log_retention: Retention


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment."""

    network: NetworkSettings
    storage: StorageSettings
    batch: BatchSettings

    def with_storage(self, mode: str) -> Settings:
        """The same environment in the given storage mode; a ValueError names the modes there are."""
        modes = get_args(StorageMode)
        if mode not in modes:
            raise ValueError(f"storage mode is {mode!r}, expected one of {', '.join(modes)}")
        return replace(self, storage=replace(self.storage, mode=cast(StorageMode, mode)))


PRODUCTION = Settings(
    network=NetworkSettings(
        # 65,536 addresses, more than hosts ever need. Change it before peering with a network it meets.
        cidr="10.60.0.0/16",
        # Zones. Two, because Spot capacity runs out zone by zone; each further zone costs one more
        # network interface per endpoint (6 of them).
        availability_zones=2,
        # Gateways. None: jobs talk to S3, ECR, ECS and CloudWatch Logs only, through endpoints. With one
        # or more, hosts reach the internet and the VPC gets public subnets for the gateways.
        nat_gateways=0,
        # Long enough to look into a host that could not register, short enough to cost little.
        flow_log_retention="ONE_MONTH",
    ),
    storage=StorageSettings(
        # Jobs fetch what they need from the bucket; `-c storage=fsx` gives them a file system instead.
        mode="s3",
        # Days. Overwritten and deleted results can be brought back for a month.
        noncurrent_version_days=30,
        # Days. Parts of an upload that a killed job left behind are charged for until they are removed.
        incomplete_upload_days=7,
        # Days. Who read or wrote what, for a quarter.
        access_log_days=90,
        shared_file_system=SharedFileSystemSettings(
            # GiB. The smallest file system there is; about 30 plates of 40 GB. It is a cache of the bucket.
            capacity_gib=1200,
            # MB/s per TiB. The slowest and cheapest rate: 256 CellProfiler processes that read some 12 MB
            # (a site of 5 channels) every 100 s want 30 MB/s.
            throughput_mbps_per_tib=125,
            # Where hosts and containers see the bucket: /fsx/<key> is s3://<bucket>/<key>.
            mount_point="/fsx",
        ),
    ),
    batch=BatchSettings(
        request_queue=RequestQueueSettings(
            # Receives. Enough to ride out a throttled API, few enough that a bad request ends soon.
            max_receive_count=3,
            # Days. The longest SQS keeps a message: a refused request must outlive a holiday.
            dead_letter_days=14,
            # Seconds. Six times the dispatcher's timeout, which AWS asks for, so that no message comes
            # back while it is still being worked on; a failed one is tried again after this time.
            visibility_timeout_s=720,
        ),
        dispatcher=DispatcherSettings(
            # Seconds. A plate is planned in under one; the most load data that is planned here, and a run
            # whose 10,000 shards all failed, take half a minute. The rest is room for a throttled API.
            timeout_s=120,
            # MiB. Lambda gives a whole vCPU at 1,769 MiB; planning is bound by one.
            memory_mib=1769,
            # Messages per call. One, since a single message may ask for all of the time above.
            batch_size=1,
            # Calls at a time. SubmitJob allows about 50 a second per account.
            max_concurrency=5,
            # MiB. Where doubling the memory of shards that ran out of it ends: twice that fits on no host.
            max_memory_mib=32_768,
            # Tries of one Batch event after the first, a minute and two minutes later; the most Lambda makes.
            event_retries=2,
            # Hours. How long EventBridge and Lambda keep an event that cannot be delivered.
            event_age_hours=6,
            # Days. The longest SQS keeps a message, as for refused requests.
            lost_event_days=14,
            log_retention="THREE_MONTHS",
        ),
        compute=ComputeSettings(
            # 4 GiB per vCPU or more, as one CellProfiler process wants; several generations and makers,
            # because Spot interrupts least where it can choose.
            instance_types=(
                "m5.4xlarge",
                "m5a.4xlarge",
                "m6a.4xlarge",
                "m6i.4xlarge",
                "m7i.4xlarge",
                "r5.2xlarge",
                "r6i.2xlarge",
            ),
            # vCPUs, so CellProfiler processes at a time: a plate of 3,456 sites in some 14 turns.
            max_vcpus=256,
            # GiB. Some 20 for the system and the image; the rest is scratch, about 11 for each of 16 jobs.
            root_volume_gib=200,
        ),
        workers=(
            WorkerSettings(
                runtime="cellprofiler",
                # As containers/cellprofiler/requirements.lock has it. Results of another version are made anew.
                version="4.2.8.1",
                dockerfile="cellprofiler/Dockerfile",
                # vCPU. CellProfiler is one process, and with its threads pinned, one thread.
                vcpu=1,
                # MiB. What the hosts above have per vCPU; a request may ask for more (`job_memory`).
                memory_mib=4096,
                # Attempts, the first included: two more after a reclaimed Spot host.
                attempts=3,
                # Seconds per attempt: 4 h of work, the worker's own limit, and 10 min to report and upload.
                timeout_s=4 * 3600 + 600,
                # uid:gid of the image's user, who owns nothing on the host.
                user="1000:1000",
                # The one writable folder: the root file system is read-only.
                scratch="/tmp",  # noqa: S108 (a mount of its own in the container)
            ),
            WorkerSettings(
                runtime="profiling",
                # It runs no program of others, whose version would tell results apart.
                version="",
                dockerfile="profiling/Dockerfile",
                # vCPU. Each makes some 100 images a second, 2 Gbit/s of them, and has 12 image sets on their way
                # meanwhile: more would wait for the host's network.
                vcpu=2,
                # MiB. Crops of JUMP's images take 400, whole ones in tar files 1,500, the backend of a plate of 3,456
                # sites 1,000, the profiles of a plate 1,300, and 4,000 where features are chosen for fifty at once; the
                # hosts above have 8,192 for two vCPUs.
                memory_mib=4096,
                # Attempts, as above; a later one goes on where the earlier was.
                attempts=3,
                # Seconds per attempt: 1,152 image sets, the most of a shard, two at a time and 30 s each at the
                # worst, and 10 min as above.
                timeout_s=1152 // 2 * 30 + 600,
                # The user and the writable folder of this image, as above.
                user="1000:1000",
                scratch="/tmp",  # noqa: S108 (a mount of its own in the container)
            ),
            WorkerSettings(
                runtime="starfish",
                # As containers/starfish/requirements.lock has it. Fields decoded by another version are decoded anew.
                version="0.3.4",
                dockerfile="starfish/Dockerfile",
                # vCPU. A recipe takes as long on two: starfish is one process, and with its threads pinned, one thread.
                vcpu=1,
                # MiB. A field of 1,200 x 1,200 pixels, four rounds and four channels takes 1,026; the published 1,024
                # are too little. The hosts above have this per vCPU; larger fields ask for more (`job_memory`).
                memory_mib=4096,
                # Attempts, as above.
                attempts=3,
                # Seconds per attempt: the recipe's own limit, 4 h, and 10 min to report and upload.
                timeout_s=4 * 3600 + 600,
                # The user and the writable folder of this image, as above.
                user="1000:1000",
                scratch="/tmp",  # noqa: S108 (a mount of its own in the container)
            ),
        ),
        job_log_retention="THREE_MONTHS",
    ),
)
