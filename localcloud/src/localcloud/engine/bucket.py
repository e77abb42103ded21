"""The state bucket of the local cloud, set up as a careful team sets one up on AWS."""

from __future__ import annotations

import json
from typing import Any, Final

BUCKET: Final = "state"
_ARN: Final = f"arn:aws:s3:::{BUCKET}"
_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "RefusePlainText",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "*",
            "Resource": [_ARN, f"{_ARN}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}
_ENCRYPTION: Final = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
_PRIVATE: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _lifecycle() -> list[dict[str, Any]]:
    unfinished = {
        "ID": "unfinished-uploads",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    old = [
        {
            "ID": f"old-{kind}",
            "Filter": {"Prefix": f".pulumi/{kind}/"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        }
        for kind in ("stacks", "locks")
    ]
    return [{"Status": "Enabled", **rule} for rule in (unfinished, *old)]


def make_bucket(s3: Any, region: str) -> None:
    """Make the bucket: versioned, encrypted, private, and every object in it an event."""
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=BUCKET, **where)
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(_PRIVATE, True))
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [_ENCRYPTION]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(_POLICY))
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": _lifecycle()})
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
