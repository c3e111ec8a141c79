"""Settings of the deployment: typed, frozen, one instance per environment.

Nothing is read from the machine here, and nothing of CDK is imported, so that tests and tools can
read a setting in no time. `app.py` chooses the instance and the storage mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

# On everything that takes tags, so that the bill can be divided by it, once it is activated in the account's billing
# settings.
COST_TAG = ("project", "cell-painting-batch")

StorageMode = Literal["s3", "fsx"]
# Names of aws_logs.RetentionDays.
Retention = Literal["ONE_MONTH", "THREE_MONTHS", "ONE_YEAR"]


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The VPC the Batch hosts live in. Without `endpoints` hosts reach nothing but S3, and no job can run."""

    cidr: str
    availability_zones: int
    endpoints: bool
    endpoint_zones: int
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
    rejected_message_days: int
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
    """The hosts that AWS Batch starts and stops. While it is not `enabled`, jobs wait and no host is started."""

    enabled: bool
    instance_families: tuple[str, ...]
    instance_sizes: tuple[str, ...]
    spot_max_vcpus: int
    on_demand_max_vcpus: int
    no_capacity_s: int
    root_volume_gib: int

    @property
    def instance_types(self) -> tuple[str, ...]:
        """Every size of every family."""
        return tuple(f"{family}.{size}" for family in self.instance_families for size in self.instance_sizes)


@dataclass(frozen=True, kw_only=True)
class RuntimeSettings:
    """One container image, and the user and the writable folder of its containers."""

    name: str
    version: str
    dockerfile: str
    user: str
    scratch: str


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """One job type: the runtime that it needs, and what a job of it gets and may write.

    `writes` and `deletes` are patterns of keys in the data bucket, as IAM has them. Run records that the dispatcher and
    people write are denied to every job, whatever the patterns are; requests are written by a job that `plans_stages`
    only.
    """

    job_type: str
    runtime: str
    vcpu: int
    memory_mib: int
    timeout_s: int
    writes: tuple[str, ...]
    deletes: tuple[str, ...]
    plans_stages: bool = False


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """Who is told what, and when: alarms, and the function that counts jobs."""

    alarm_email: str
    watch_every_minutes: int
    watcher_timeout_s: int
    watcher_memory_mib: int
    held_up_minutes: int
    failed_image_sets_per_hour: int
    monthly_budget_usd: int
    budget_told_at_percent: int
    log_retention: Retention


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """Everything between the request queue and the containers."""

    request_queue: RequestQueueSettings
    dispatcher: DispatcherSettings
    compute: ComputeSettings
    runtimes: tuple[RuntimeSettings, ...]
    jobs: tuple[JobSettings, ...]
    attempts: int
    job_log_retention: Retention
    monitoring: MonitoringSettings


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

    def asleep(self) -> Settings:
        """The same environment without what costs money by the hour: no endpoints, no file system, no hosts.

        Requests are taken, and their jobs wait until it is deployed awake.
        """
        compute = replace(self.batch.compute, enabled=False)
        return replace(
            self.with_storage("s3"),
            network=replace(self.network, endpoints=False),
            batch=replace(self.batch, compute=compute),
        )


# Where every job may write, and where its results go if the request may name any place.
_RECORDS, _ANYWHERE = "runs/*", "*"
# Seconds per attempt: 4 h of work, the worker's own limit, and 10 min to report and upload.
_FOUR_HOURS = 4 * 3600 + 600

PRODUCTION = Settings(
    network=NetworkSettings(
        # 65,536 addresses, more than hosts ever need. Change it before peering with a network it meets.
        cidr="10.60.0.0/16",
        # Zones. Two, because Spot capacity runs out zone by zone.
        availability_zones=2,
        # `-c asleep=true` removes them: they are what costs most when nothing runs.
        endpoints=True,
        # Zones with a network interface per endpoint, of which each costs by the hour. The hosts of other zones use
        # them, too; if their zone fails, all hosts wait for it.
        endpoint_zones=1,
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
        # Days. A refused message is of interest to who sent it; its dead letter is gone after two weeks.
        rejected_message_days=90,
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
            # MiB. Where doubling the memory of shards that ran out of it ends; a host of 64 GiB has room for one.
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
            enabled=True,
            # 4 GiB per vCPU or more, as one CellProfiler process wants; several generations and makers, because Spot
            # interrupts least where it can choose. Those with a `d` have a local NVMe disk, which is then the scratch.
            instance_families=("m5", "m5a", "m5d", "m6a", "m6i", "m6id", "m7i", "r5", "r6i", "r6id"),
            # 8 and 16 vCPUs: few images to pull per job, and little lost when one host is taken.
            instance_sizes=("2xlarge", "4xlarge"),
            # vCPUs, so CellProfiler processes at a time: a plate of 3,456 sites in some 14 turns.
            spot_max_vcpus=256,
            # vCPUs. Where shards go whose Spot hosts were taken again and again; it costs about three times as much.
            on_demand_max_vcpus=64,
            # Seconds that the job at the head of the Spot queue waits while there is no capacity at all, before it goes
            # to the On-Demand queue. Batch takes 600 to 86,400.
            no_capacity_s=1800,
            # GiB. Some 20 for the system and the image; the rest is scratch, about 11 for each of 16 jobs.
            root_volume_gib=200,
        ),
        runtimes=(
            RuntimeSettings(
                name="cellprofiler",
                # As containers/cellprofiler/requirements.lock has it. Results of another version are made anew.
                version="4.2.8.1",
                dockerfile="cellprofiler/Dockerfile",
                # uid:gid of the image's user, who owns nothing on the host.
                user="1000:1000",
                # The one writable folder: the root file system is read-only.
                scratch="/tmp",  # noqa: S108 (a mount of its own in the container)
            ),
            RuntimeSettings(
                name="profiling",
                # It runs no program of others, whose version would tell results apart.
                version="",
                dockerfile="profiling/Dockerfile",
                user="1000:1000",
                scratch="/tmp",  # noqa: S108 (as above)
            ),
            RuntimeSettings(
                name="starfish",
                # As containers/starfish/requirements.lock has it. Fields decoded by another version are decoded anew.
                version="0.3.4",
                dockerfile="starfish/Dockerfile",
                user="1000:1000",
                scratch="/tmp",  # noqa: S108 (as above)
            ),
        ),
        jobs=(
            JobSettings(
                job_type="run_cellprofiler",
                runtime="cellprofiler",
                # vCPU. CellProfiler is one process, and with its threads pinned, one thread.
                vcpu=1,
                # MiB. What the hosts above have per vCPU; a request may ask for more (`job_memory`).
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_ANYWHERE,),
                deletes=(_ANYWHERE,),
            ),
            JobSettings(
                job_type="download_images",
                runtime="profiling",
                # vCPU. Each makes some 100 images a second, 2 Gbit/s of them, and has 12 image sets on their way
                # meanwhile: more would wait for the host's network.
                vcpu=2,
                # MiB. Crops of JUMP's images take 400, whole ones in tar files 1,500; hosts have 8,192 for two vCPUs.
                memory_mib=4096,
                # Seconds per attempt: 1,152 image sets, the most of a shard, two at a time and 30 s each at the
                # worst, and 10 min as above.
                timeout_s=1152 // 2 * 30 + 600,
                writes=(_ANYWHERE,),
                deletes=(_ANYWHERE,),
            ),
            JobSettings(
                job_type="build_backend",
                runtime="profiling",
                vcpu=2,
                # MiB. A plate of 3,456 sites takes 1,000.
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_ANYWHERE,),
                deletes=(_ANYWHERE,),
            ),
            JobSettings(
                job_type="make_profiles",
                runtime="profiling",
                vcpu=2,
                # MiB. A plate takes 1,300, and 4,000 where features are chosen for fifty at once.
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_ANYWHERE,),
                deletes=(_ANYWHERE,),
            ),
            JobSettings(
                job_type="make_report",
                runtime="profiling",
                vcpu=2,
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_RECORDS, "*.html"),
                deletes=(_RECORDS,),
            ),
            JobSettings(
                job_type="decode_fovs",
                runtime="starfish",
                # vCPU. A recipe takes as long on two: starfish is one process, and with its threads pinned, one thread.
                vcpu=1,
                # MiB. A field of 1,200 x 1,200 pixels, four rounds and four channels takes 1,026; the published 1,024
                # are too little. The hosts above have this per vCPU; larger fields ask for more (`job_memory`).
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_ANYWHERE,),
                deletes=(_ANYWHERE,),
            ),
            JobSettings(
                job_type="merge_fovs",
                runtime="starfish",
                vcpu=1,
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_ANYWHERE,),
                deletes=(_ANYWHERE,),
            ),
            # These plan what the dispatcher cannot; their work is done by jobs of the types above.
            JobSettings(
                job_type="process_plate",
                runtime="cellprofiler",
                vcpu=1,
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_RECORDS,),
                deletes=(),
                plans_stages=True,
            ),
            JobSettings(
                job_type="process_fovs",
                runtime="starfish",
                vcpu=1,
                memory_mib=4096,
                timeout_s=_FOUR_HOURS,
                writes=(_RECORDS,),
                deletes=(),
                plans_stages=True,
            ),
        ),
        # Attempts of a job, the first included: two more after a reclaimed Spot host, and each goes on where the one
        # before was.
        attempts=3,
        job_log_retention="THREE_MONTHS",
        monitoring=MonitoringSettings(
            # Who gets a mail of each alarm, once the address has been confirmed. Nobody: others subscribe to the topic.
            alarm_email="",
            # Minutes. Some 9,000 calls of a second a month: four cents, where Lambda is not free.
            watch_every_minutes=5,
            # Seconds. A hundred jobs take two calls of Batch's, and arrays count as one job; 10,000 single ones half a
            # minute.
            watcher_timeout_s=60,
            # MiB. It calls Batch and adds up.
            watcher_memory_mib=256,
            # Minutes that jobs may be ready to run while none of their queue does. Hosts take some five to start, and
            # Spot has half an hour before its jobs are given to On-Demand.
            held_up_minutes=45,
            # Image sets. Single bad images are the rule in a screen; a tenth of a plate of 384 wells and 9 sites within
            # an hour is a pipeline that does not fit, or a storage that fails.
            failed_image_sets_per_hour=350,
            # US dollars a month, all that has the tag below. Some twenty plates with the published pipelines on Spot.
            monthly_budget_usd=1000,
            # Percent of it that is told when it is spent; the whole is told when it is expected to be.
            budget_told_at_percent=80,
            log_retention="THREE_MONTHS",
        ),
    ),
)
