"""The stack's configuration as one typed, frozen value; a wrong one stops the program before anything is made.

Keys are camelCase under the project's name: ``pulumi config set headwater:logRetentionDays 90``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

NAMESPACE = "headwater"

# What CloudWatch Logs accepts for a retention.
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Webhook = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]

BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]

PolicyArn = Annotated[str, StringConstraints(pattern=r"^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/\S+$")]
BucketNames = Mapping[Literal["access-logs", "lake", "artifacts", "predictions"], BucketName]

# Fargate's sizes: CPU units -> MiB of memory (smallest, largest, step).
FARGATE_MEMORY_MIB: Mapping[int, tuple[int, int, int]] = {
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}


class InvalidConfig(Exception):
    """The stack's configuration has a value that can't be used, or a key that nothing reads."""


class Config(BaseModel):
    """Settings in which two stacks may differ. Every field has a default that is safe to run in production."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    log_retention_days: RetentionDays = 90
    """Days that functions', machines' and the API's logs are kept."""
    deletion_protection: bool = True
    """Whether tables refuse to be deleted."""
    force_destroy: bool = False
    """Whether ``pulumi destroy`` may delete buckets and the image repository with what is in them."""

    python_version: Literal["3.11", "3.12", "3.13", "3.14"] = "3.12"
    """Runtime of the functions; for bundles of the host it is the host's."""
    architecture: Literal["arm64", "x86_64"] = "arm64"
    """Architecture of functions and containers; arm64 costs a fifth less."""
    bundle_platform: Literal["lambda", "host"] = "lambda"
    """Whether bundles hold wheels for Lambda's Linux or for the machine that runs this program (the local cloud)."""

    state_bucket: BucketName | Literal[""] = ""
    """The bucket of Pulumi's backend, as `headwater bootstrap` made it; empty (another backend): no infrastructure
    history is deployed, and `headwater infra sync --history` fills it from `pulumi stack history --json`."""

    function_limit_bytes: Annotated[int, Field(ge=1, le=500_000_000)] = 64_000_000
    """A larger upload is ingested by the container: a CSV takes some twenty times its size in memory."""
    distribute_above_entities: Annotated[int, Field(ge=1)] = 5_000_000
    """A view with more of them to bring online is materialised by a machine, shard by shard: a function writes some
    20 million in its fifteen minutes at the rate of the benchmark."""
    shard_entities: Annotated[int, Field(ge=1, le=5_000_000)] = 1_000_000
    """Entities in a shard."""
    shards_at_once: Annotated[int, Field(ge=1, le=1000)] = 4
    """Shards that are written at the same time: a table on demand takes 40,000 writes a second unless AWS allows more,
    and a function makes some 10,000."""

    max_function_memory_mib: Annotated[int, Field(ge=1024, le=10240)] = 10240
    """The most memory that a function gets; a new account's quota may be 3008, which AWS raises when it is asked."""

    vpc_id: Annotated[str, StringConstraints(pattern=r"^$|^vpc-[0-9a-f]+$")] = ""
    """A VPC to run containers in, with `subnetIds`, instead of one of the stack's own: an account may have five."""
    subnet_ids: tuple[Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]+$")], ...] = ()
    """Subnets of `vpcId` with a way to S3, DynamoDB, ECR and CloudWatch Logs, in zones that have Fargate; for
    collectors that run in containers also to their secrets and databases."""

    kms_key_arn: Annotated[str, StringConstraints(pattern=r"^$|^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/\S+$")] = ""
    """A key of yours for buckets and tables; empty: keys that AWS owns, which cost nothing. The bucket of access logs
    keeps S3's own, since S3 delivers to no other. The key must be the region's, and its policy must let the account's
    IAM policies decide."""
    permissions_boundary: PolicyArn | Literal[""] = ""
    """ARN of a policy that bounds what every role of the stack may do."""
    bucket_names: BucketNames = Field(default_factory=dict)
    """Names for buckets whose default, ``<project>-<stack>-<bucket>-<account>``, can't be used."""

    training_cpu: int = 2048
    """CPU units of the training container; 1024 are one."""
    training_memory_mib: int = 8192
    """Memory of the training container in MiB; which sizes Fargate takes depends on `trainingCpu`."""
    training_image: Annotated[str, StringConstraints(pattern=r"^$|^\S+@sha256:[0-9a-f]{64}$")] = ""
    """An image to use, by digest, instead of letting CodeBuild build one."""
    training_base_image: str = ""
    """Base of the training image; empty: what `headwater/container/Dockerfile` says."""

    spark: bool | None = None
    """Whether EMR Serverless computes the views that outgrow one machine; by default if a view says
    ``engine="spark"``. Idle it costs what its alarms cost."""
    spark_vcpus: Annotated[int, Field(ge=8, multiple_of=4)] = 32
    """The most that Spark uses at a time, four of them for its driver; it takes what a job needs, and pays for that."""

    alarm_emails: tuple[Email, ...] = ()
    """Each must confirm the subscription that AWS sends it."""
    alarm_webhooks: tuple[Webhook, ...] = ()
    """Each gets a POST with ``{"text": ...}``, as Slack and Mattermost read it. May be a secret. An ``alarms.py`` names
    them by their number, or receivers of other kinds."""
    alarm_allow_http_webhooks: bool = False
    """Whether a webhook may be without TLS, such as one inside a private network."""
    alarm_repeat_hours: Annotated[float, Field(gt=0)] = 4
    """Without an ``alarms.py``: an alarm that still fires is sent again after this time, and one that comes and goes
    is sent once within it."""

    openlineage_url: Annotated[str, StringConstraints(pattern=r"^$|^https?://\S+$")] = ""
    """Where lineage goes as OpenLineage events, such as ``https://marquez.example.com/api/v1/lineage``; empty: the
    artifacts bucket alone. May be a secret."""
    openlineage_api_key: str = ""
    """Sent with the events as a bearer token. Should be a secret."""

    api_rate_per_second: Annotated[int, Field(ge=1)] = 100
    """Requests a second that the HTTP API takes on average; more are answered with status 429."""
    api_burst: Annotated[int, Field(ge=1)] = 200
    """Requests that the HTTP API takes at one moment, whatever the average rate."""
    api_latency_p95_seconds: Annotated[float, Field(gt=0)] = 1.0
    """The alarm goes off above it for three of five minutes."""
    predict_memory_mib: Annotated[int, Field(ge=256, le=10240)] = 1769
    """1,769 MiB are one full CPU."""
    predict_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Concurrent predict invocations kept for and limited to it; none: what the account has left."""

    feedback_token_days: Annotated[float, Field(gt=0, le=366)] = 30
    """Days that an end user may tell what a prediction was worth, from the prediction on."""
    prediction_record_days: Annotated[int, Field(ge=35)] | None = None
    """Days that the JSON records of predictions are kept of models that products declare; none: for ever. Their tables
    stay; what goes is `headwater lineage why` of older requests. Records that come 31 days late are still compacted."""

    verify: bool = True
    """Whether functions and the container know the small product that `headwater verify` tries the stack with; idle it
    costs nothing."""

    tags: Mapping[str, str] = Field(default_factory=dict)
    """More tags for every resource, such as a cost centre."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        smallest, largest, step = FARGATE_MEMORY_MIB.get(self.training_cpu, (0, 0, 0))
        if not step:
            raise ValueError(
                f"trainingCpu is {self.training_cpu}, Fargate takes {', '.join(map(str, FARGATE_MEMORY_MIB))}"
            )
        if not smallest <= self.training_memory_mib <= largest or self.training_memory_mib % step:
            raise ValueError(
                f"trainingMemoryMib is {self.training_memory_mib}, with trainingCpu {self.training_cpu} Fargate takes "
                f"{smallest} to {largest} in steps of {step}"
            )
        if self.openlineage_api_key and not self.openlineage_url.startswith("https://"):
            raise ValueError(
                "openlineageApiKey goes with an openlineageUrl that begins with https://: it is a password"
            )
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise ValueError("vpcId and subnetIds go together: a VPC of yours and its subnets, or neither")
        return self

    @property
    def python(self) -> str:
        """The Python that functions run on, such as ``"3.12"``."""
        if self.bundle_platform == "host":
            return f"{sys.version_info.major}.{sys.version_info.minor}"
        return self.python_version

    @property
    def alarm_repeat_after(self) -> timedelta:
        """How long an alarm that was sent isn't sent again."""
        return timedelta(hours=self.alarm_repeat_hours)

    @classmethod
    def load(cls) -> Self:
        """Read the stack's configuration.

        Raises
        ------
        InvalidConfig
            A value that can't be used or an unknown key; all of them are named at once.
        """
        # `pulumi.Config` can't list its keys, and a misspelt key that is silently ignored is a setting that isn't set.
        ours = f"{NAMESPACE}:"
        given = {key.removeprefix(ours): value for key, value in CONFIG.get().items() if key.startswith(ours)}
        try:
            return cls.model_validate({key: _parse(cls, key, value) for key, value in given.items()})
        except ValidationError as error:
            problems = "; ".join(map(_explain, error.errors()))
        # Outside of the block: pydantic's own words, which an engine would show as the cause, say the same worse.
        raise InvalidConfig(f"stack {pulumi.get_stack()!r}: {problems}")


def _parse(model: type[BaseModel], key: str, value: str) -> Any:
    """Pulumi hands over text; whatever isn't declared as text is JSON."""
    field = next((field for field in model.model_fields.values() if field.alias == key), None)
    if field is None or field.annotation is str or key == "pythonVersion":
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _explain(error: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = ", ".join(sorted(field.alias or "" for field in Config.model_fields.values()))
        return f"headwater:{key} is no setting. There are {known}"
    if not key:
        return str(error["msg"]).removeprefix("Value error, ")
    return f"headwater:{key} is {error['input']!r}: {error['msg']}"
