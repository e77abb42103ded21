"""A DynamoDB table: on demand, encrypted, with point-in-time recovery, and grants by the first part of its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.buckets import Account
from headwater.infra.platform.config import Config
from headwater.infra.platform.grants import Grant, allow, merge, use_key
from headwater.infra.platform.tags import physical_name, tags

READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
# A transaction is authorised by what its parts do; ConditionCheckItem has an action of its own.
WRITE = ("dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
# Conditional writes by the batch: BatchExecuteStatement is authorised by what its statements do.
WRITE_BATCHES = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")


# DynamoDB uses a customer's key for whoever uses the table (Amazon DynamoDB Developer Guide, Managing encryption keys).
KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


@dataclass(frozen=True, kw_only=True)
class TableArgs:
    """Arguments in which two tables differ."""

    config: Config
    account: Account
    capability: str
    sorted: bool
    """Whether items of one ``pk`` are told apart and ordered by ``sk``."""
    expires: bool = False
    """Whether DynamoDB deletes an item some time after its attribute ``expires`` (seconds since 1970)."""
    setting: str = ""
    """Name of the setting that leads a function to the table; by default ``<name>_table``."""


class Table(pulumi.ComponentResource):
    """One table, keyed ``pk`` and, if sorted, ``sk``. Idle it costs its storage and nothing else."""

    def __init__(self, name: str, args: TableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:Table", name, {}, opts)
        key = args.config.kms_key_arn
        self._setting = args.setting or f"{name.replace('-', '_')}_table"
        self._use_key = use_key(key, "dynamodb", args.account.region, KEY_ACTIONS)
        keys = ["pk", "sk"] if args.sorted else ["pk"]
        self.table = aws.dynamodb.Table(
            name,
            name=physical_name(name, "other"),
            billing_mode="PAY_PER_REQUEST",
            attributes=[{"name": key, "type": "S"} for key in keys],
            hash_key="pk",
            range_key="sk" if args.sorted else None,
            ttl={"enabled": True, "attribute_name": "expires"} if args.expires else None,
            point_in_time_recovery={"enabled": True},
            # Without a key of the user's it is AWS's own: encrypted at rest, and nothing to pay or to lose.
            server_side_encryption={"enabled": True, "kms_key_arn": key} if key else None,
            deletion_protection_enabled=args.config.deletion_protection,
            tags=tags(capability=args.capability),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name, self.arn = self.table.name, self.table.arn
        self.register_outputs({"name": self.name, "arn": self.arn})

    def read(self, *prefixes: str) -> Grant:
        """To read items whose ``pk`` starts with one of ``prefixes``; without any, all items. Never to scan."""
        return self._grant(READ, prefixes)

    def write(self, *prefixes: str, keys: Sequence[str] = ()) -> Grant:
        """To read and write items whose ``pk`` starts with one of ``prefixes`` or is one of ``keys``.

        Without any, all items.

        Never to delete: what is written into the registry stays, and online items expire.
        """
        return self._grant((*READ, *WRITE), prefixes, keys)

    def write_batches(self) -> Grant:
        """To read items and to write them by conditional statements in PartiQL, many at a time; all items."""
        return self._grant((*READ, *WRITE_BATCHES), ())

    def derive(self, *prefixes: str) -> Grant:
        """To read items whose ``pk`` starts with one of ``prefixes``, and to write and delete them by the batch.

        Only for what is derived and can be made again: BatchWriteItem can't be allowed without its deletions.
        """
        return self._grant((*READ, "dynamodb:BatchWriteItem", "dynamodb:PutItem"), prefixes)

    def delete(self, *prefixes: str) -> Grant:
        """To delete items whose ``pk`` starts with one of ``prefixes``."""
        return self._grant(["dynamodb:DeleteItem"], prefixes)

    def _grant(self, actions: Sequence[str], prefixes: Sequence[str], keys: Sequence[str] = ()) -> Grant:
        patterns = [*(f"{prefix}*" for prefix in prefixes), *keys]
        conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns}} if patterns else None
        granted = allow(actions, self.arn, conditions=conditions, settings={self._setting: self.name})
        return merge(granted, self._use_key)
