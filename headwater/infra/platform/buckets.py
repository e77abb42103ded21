"""A private bucket: versioned, encrypted, no public access, TLS only, its accesses logged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.config import Config
from headwater.infra.platform.grants import (
    Grant,
    allow,
    merge,
    object_arns,
    policy_document,
    require_tls,
    use_key,
)
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.policies import EXEMPTIONS, exempt

ABORT_UPLOADS_AFTER_DAYS = 7
_BELOW_A_PREFIX = "objects below a prefix are named by who writes them"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose account and which region the stack is in."""

    id: str
    region: str
    partition: str

    @classmethod
    def current(cls) -> Account:
        """The account of the credentials and the provider's configuration."""
        return cls(
            id=aws.get_caller_identity().account_id,
            region=aws.get_region().region,
            partition=aws.get_partition().partition,
        )

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something of this account that doesn't exist yet, or that AWS makes."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Keys that may go, with every old version, some days after they were written."""

    prefix: str
    days: int


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    """Arguments in which two buckets differ."""

    config: Config
    account: Account
    capability: str
    access_logs: pulumi.Output[str] | None = None
    """The bucket that is told of every access; None only for that bucket itself."""
    expiries: Sequence[Expiry] = ()
    """Nothing else is ever deleted by age: a version that someone pinned must stay."""
    announces: bool = False
    """Whether each new object is an event on the account's EventBridge bus."""
    setting: str = ""
    """Name of the setting that leads a function to the bucket; by default ``<name>_bucket``."""


class PrivateBucket(pulumi.ComponentResource):
    """A bucket that keeps every version of what is in it, and shows it to nobody who wasn't granted it."""

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:PrivateBucket", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.bucket = aws.s3.Bucket(
            name,
            # Names are shared by everyone on AWS; the account's id makes ours ours.
            bucket=args.config.bucket_names.get(cast(Any, name)) or f"{physical_name(name, 'other')}-{args.account.id}",
            force_destroy=args.config.force_destroy,
            tags=tags(capability=args.capability),
            opts=self._child,
        )
        self.name, self.arn = self.bucket.bucket, self.bucket.arn
        # S3 delivers access logs to a bucket with its own key alone.
        self._key = args.config.kms_key_arn if args.access_logs else ""
        self._account = args.account
        self._encrypt(name)
        self._settings = {args.setting or f"{name.replace('-', '_')}_bucket": self.ready}
        self._limit(name, args)
        exemptions = []
        if args.access_logs is None:
            exemptions.append(
                exempt("S1", "it holds the access logs: logging its own accesses to itself would never end")
            )
        else:
            aws.s3.BucketLogging(
                name,
                bucket=self.name,
                target_bucket=args.access_logs,
                target_prefix=f"{name}/",
                opts=self._child,
            )
        if args.announces:
            aws.s3.BucketNotification(name, bucket=self.name, eventbridge=True, opts=self._child)
        self.register_outputs({"name": self.name, "arn": self.arn, EXEMPTIONS: exemptions})

    def _encrypt(self, name: str) -> None:
        by_default: Any = {"sse_algorithm": "AES256"}
        if self._key:
            by_default = {"sse_algorithm": "aws:kms", "kms_master_key_id": self._key}
        versioning = aws.s3.BucketVersioning(
            name,
            bucket=self.name,
            versioning_configuration={"status": "Enabled"},
            opts=self._child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=self.name,
            rules=[{"apply_server_side_encryption_by_default": by_default, "bucket_key_enabled": True}],
            opts=self._child,
        )
        aws.s3.BucketPublicAccessBlock(
            name,
            bucket=self.name,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        # What is written before versioning is on has no version to be pinned.
        self.ready = pulumi.Output.all(self.name, versioning.id).apply(lambda known: str(known[0]))

    def _limit(self, name: str, args: PrivateBucketArgs) -> None:
        statements = [require_tls(self.arn, pulumi.Output.concat(self.arn, "/*"))]
        if args.access_logs is None:
            statements.append(
                {
                    "Sid": "TakeAccessLogs",
                    "Effect": "Allow",
                    "Principal": {"Service": "logging.s3.amazonaws.com"},
                    "Action": "s3:PutObject",
                    # Not a list: moto knows the permission by this form only.
                    "Resource": pulumi.Output.concat(self.arn, "/*"),
                    "Condition": {"StringEquals": {"aws:SourceAccount": args.account.id}},
                }
            )
        policy = aws.s3.BucketPolicy(name, bucket=self.name, policy=policy_document(statements), opts=self._child)
        self.writable = pulumi.Output.all(self.name, policy.id).apply(lambda known: str(known[0]))
        rules = [_abort_unfinished_uploads(), *map(_expire, args.expiries)]
        aws.s3.BucketLifecycleConfiguration(name, bucket=self.ready, rules=rules, opts=self._child)

    def read(self, *prefixes: str) -> Grant:
        """To read objects, any version, under ``prefixes``, and to list the bucket.

        Without the right to list, S3 says *forbidden* of an object that isn't there.
        """
        actions = ["s3:GetObject", "s3:GetObjectVersion"]
        return merge(self._below(prefixes, actions), self.list_keys(), self._use_key("kms:Decrypt"))

    def list_keys(self) -> Grant:
        """To list objects and their versions, not to read them."""
        return allow(["s3:ListBucket", "s3:ListBucketVersions"], self.arn, settings=self._settings)

    def write(self, *prefixes: str) -> Grant:
        """To write objects under ``prefixes``; not to delete: a version that was written stays."""
        # The parts of a multipart upload are read again when it is completed.
        key = self._use_key("kms:Decrypt", "kms:GenerateDataKey")
        return merge(self._below(prefixes, ["s3:PutObject", "s3:AbortMultipartUpload"]), key)

    def delete(self, *prefixes: str) -> Grant:
        """To delete versions of objects under ``prefixes`` for ever: of what was copied elsewhere first."""
        return self._below(prefixes, ["s3:DeleteObjectVersion"])

    def _use_key(self, *actions: str) -> Grant:
        return use_key(self._key, "s3", self._account.region, actions)

    def _below(self, prefixes: Sequence[str], actions: Sequence[str]) -> Grant:
        arns = [object_arns(self.arn, prefix) for prefix in prefixes or ("",)]
        return allow(actions, *arns, wildcard=_BELOW_A_PREFIX, settings=self._settings)


def created_under(bucket: str, prefix: str) -> str:
    """The pattern of EventBridge's events that an object was created."""
    detail = {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix}]}}
    return json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail})


def _abort_unfinished_uploads() -> aws.s3.BucketLifecycleConfigurationRuleArgsDict:
    return {
        "id": "unfinished-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": ABORT_UPLOADS_AFTER_DAYS},
    }


def _expire(expiry: Expiry) -> aws.s3.BucketLifecycleConfigurationRuleArgsDict:
    return {
        "id": f"expire-{expiry.prefix.strip('/') or 'everything'}",
        "status": "Enabled",
        "filter": {"prefix": expiry.prefix},
        "expiration": {"days": expiry.days},
        "noncurrent_version_expiration": {"noncurrent_days": expiry.days},
    }
