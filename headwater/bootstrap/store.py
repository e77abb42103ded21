"""The state bucket as ``headwater bootstrap`` makes it; calls AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from headwater.bootstrap.errors import BucketNotOurs, KeyNotFound
from headwater.storage.clients import Clients, error_code

KEEP_DAYS = 90
_TLS = "RefusePlainText"
# States and locks are written anew with every step; what counts of them is in the history, which never expires.
_PASSING = (".pulumi/stacks/", ".pulumi/locks/")


def lifecycle_rules() -> list[dict[str, Any]]:
    """Old versions of passing files go after `KEEP_DAYS`, unfinished uploads after a week, history never."""
    unfinished = {
        "ID": "unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    passing = [
        {
            "ID": f"old-{prefix.split('/')[1]}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "NoncurrentVersionExpiration": {"NoncurrentDays": KEEP_DAYS},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        }
        for prefix in _PASSING
    ]
    return [unfinished, *passing]


def tls_statement(arn: str) -> dict[str, Any]:
    """Refuses whoever comes without TLS."""
    return {
        "Sid": _TLS,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


class BucketMaker:
    """Makes a bucket and its settings. What others set beside ours (rules, statements, notifications) stays."""

    def __init__(self, name: str, clients: Clients, region: str, account: str, partition: str) -> None:
        self.name = name
        self._region = region
        self._arn = f"arn:{partition}:s3:::{name}"
        self._owner = {"ExpectedBucketOwner": account}
        self._s3 = clients("s3")

    def make(self) -> bool:
        """Make the bucket unless it is there, and set it up either way; False if it was there.

        Raises
        ------
        BucketNotOurs
            Another account has a bucket of that name, or ours is in another region.
        """
        made = self._create()
        target = {"Bucket": self.name, **self._owner}
        self._s3.put_public_access_block(
            **target,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._s3.put_bucket_versioning(**target, VersioningConfiguration={"Status": "Enabled"})
        encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
        if made:  # one that was there may be encrypted with a key of its owner's
            self._s3.put_bucket_encryption(**target, ServerSideEncryptionConfiguration={"Rules": [encryption]})
        policy = {"Version": "2012-10-17", "Statement": [*self._statements(), tls_statement(self._arn)]}
        self._s3.put_bucket_policy(**target, Policy=json.dumps(policy))
        ours = lifecycle_rules()
        rules = [*self._rules({rule["ID"] for rule in ours}), *ours]
        self._s3.put_bucket_lifecycle_configuration(**target, LifecycleConfiguration={"Rules": rules})
        notifications = self._s3.get_bucket_notification_configuration(**target)
        kept = {name: value for name, value in notifications.items() if name.endswith("Configurations")}
        self._s3.put_bucket_notification_configuration(
            **target, NotificationConfiguration={**kept, "EventBridgeConfiguration": {}}
        )
        return made

    def _create(self) -> bool:
        where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        try:
            self._s3.head_bucket(Bucket=self.name, **self._owner)
        except ClientError as error:
            if error_code(error) not in {"404", "NoSuchBucket"}:
                raise self._explain(error) from error
        else:
            located = self._s3.get_bucket_location(Bucket=self.name)["LocationConstraint"] or "us-east-1"
            if located != self._region:
                raise BucketNotOurs(
                    f"bucket {self.name!r} is in {located}, not in {self._region}: set AWS_REGION or pass another name"
                )
            return False
        try:
            self._s3.create_bucket(Bucket=self.name, **(where if self._region != "us-east-1" else {}))
        except ClientError as error:
            # Somebody of ours was faster, or the answer of our own first try was lost.
            if error_code(error) == "BucketAlreadyOwnedByYou":
                return True
            raise self._explain(error) from error
        return True

    def _explain(self, error: ClientError) -> Exception:
        if error_code(error) not in {"403", "301", "BucketAlreadyExists", "PermanentRedirect"}:
            return error
        return BucketNotOurs(
            f"bucket {self.name!r} exists and isn't this account's to use (S3 answered {error_code(error)})",
            next_steps=["headwater bootstrap --bucket ANOTHER-NAME", "aws sts get-caller-identity"],
        )

    def _statements(self) -> Sequence[Mapping[str, Any]]:
        try:
            policy = json.loads(self._s3.get_bucket_policy(Bucket=self.name)["Policy"])
        except ClientError as error:
            if error_code(error) != "NoSuchBucketPolicy":
                raise
            return []
        return [statement for statement in policy["Statement"] if statement.get("Sid") != _TLS]

    def _rules(self, ours: set[str]) -> list[Any]:
        try:
            rules = self._s3.get_bucket_lifecycle_configuration(Bucket=self.name)["Rules"]
        except ClientError as error:
            if error_code(error) != "NoSuchLifecycleConfiguration":
                raise
            return []
        return [rule for rule in rules if rule.get("ID") not in ours]


def who_and_where(clients: Clients) -> tuple[str, str, str]:
    """Account, region and partition of the credentials."""
    sts = clients("sts")
    identity = sts.get_caller_identity()
    return identity["Account"], sts.meta.region_name, identity["Arn"].split(":")[1]


def check_key(key: str, clients: Clients) -> None:
    """Raise `KeyNotFound` unless the KMS key, by id, ARN or alias, can be used to encrypt."""
    try:
        found = clients("kms").describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        if error_code(error) not in {"NotFoundException", "ValidationException"}:
            raise
        raise KeyNotFound(f"no KMS key {key!r} here: expected an id, an ARN, or alias/<name>") from error
    usage = found.get("KeyUsage", "ENCRYPT_DECRYPT")
    if not found["Enabled"] or usage != "ENCRYPT_DECRYPT":
        raise KeyNotFound(f"KMS key {key!r} can't encrypt: it is {found['KeyState']}, for {usage}")
