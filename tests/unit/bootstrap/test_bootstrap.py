"""The state bucket: made once, brought up to date as often as one likes, the same on AWS and on the local cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.engine.bucket import make_bucket
from moto.s3.models import s3_backends

from headwater.bootstrap.errors import BucketNotOurs, KeyNotFound
from headwater.bootstrap.service import bootstrap
from headwater.storage.clients import Clients
from headwater.storage.environment import CLIENTS
from tests.unit.registry.cases import mocked_aws

NAME = "headwater-state-123456789012-us-east-1"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mocked_aws(monkeypatch):
        yield


def settings_of(bucket: str) -> dict[str, Any]:
    """Everything that S3 says of the bucket's settings."""
    s3 = CLIENTS("s3")
    asked = {
        "versioning": s3.get_bucket_versioning(Bucket=bucket),
        "encryption": s3.get_bucket_encryption(Bucket=bucket),
        "public": s3.get_public_access_block(Bucket=bucket),
        "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=bucket),
        # moto keeps the setting, and leaves it out of its answer.
        "event_bridge": s3_backends["123456789012"]["aws"].buckets[bucket].notification_configuration.event_bridge,
        "policy": json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]),
    }
    for answer in asked.values():
        if isinstance(answer, dict):
            answer.pop("ResponseMetadata", None)
    return asked


def test_the_bucket_is_versioned_encrypted_private_and_tells_of_each_object() -> None:
    made = bootstrap("dev", CLIENTS)
    assert (made.bucket, made.created, made.login) == (NAME, True, f"s3://{NAME}?region=us-east-1")
    found = settings_of(NAME)
    assert found["versioning"]["Status"] == "Enabled"
    assert all(found["public"]["PublicAccessBlockConfiguration"].values())
    assert found["event_bridge"] is not None
    assert found["policy"]["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    expiring = {
        rule["Filter"]["Prefix"] for rule in found["lifecycle"]["Rules"] if "NoncurrentVersionExpiration" in rule
    }
    assert expiring == {".pulumi/stacks/", ".pulumi/locks/"}  # never the history
    again = bootstrap("dev", CLIENTS)
    assert again == made.model_copy(update={"created": False})
    assert settings_of(NAME) == found


def test_the_local_clouds_bucket_is_set_up_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap("local", CLIENTS, bucket="state")
    ours = settings_of("state")
    with mocked_aws(monkeypatch):
        make_bucket(CLIENTS("s3"), "us-east-1")
        assert settings_of("state") == ours


def test_what_others_set_on_the_bucket_stays() -> None:
    bootstrap("dev", CLIENTS)
    s3 = CLIENTS("s3")
    rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [rule]})
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObjectAcl"}
    theirs["Resource"] = f"arn:aws:s3:::{NAME}/*"
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": [theirs]}))
    bootstrap("dev", CLIENTS)
    found = settings_of(NAME)
    assert "theirs" in {rule["ID"] for rule in found["lifecycle"]["Rules"]}
    assert [statement["Sid"] for statement in found["policy"]["Statement"]] == ["Theirs", "RefusePlainText"]


def test_a_bucket_in_another_region_is_refused() -> None:
    where = {"LocationConstraint": "eu-west-1"}
    CLIENTS("s3").create_bucket(Bucket="elsewhere", CreateBucketConfiguration=where)
    with pytest.raises(BucketNotOurs, match="is in eu-west-1, not in us-east-1"):
        bootstrap("dev", CLIENTS, bucket="elsewhere")
    with pytest.raises(ClientError):
        CLIENTS("s3").get_bucket_policy(Bucket="elsewhere")


def test_secrets_are_encrypted_by_a_key_or_a_passphrase() -> None:
    kms = CLIENTS("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/headwater", TargetKeyId=key["KeyId"])
    assert "--secrets-provider=passphrase" in bootstrap("dev", CLIENTS).commands[1]
    by_alias = bootstrap("dev", CLIENTS, kms_key="alias/headwater").commands[1]
    assert by_alias == "pulumi stack init dev --secrets-provider='awskms://alias/headwater?region=us-east-1'"
    assert f"awskms:///{key['Arn']}?region=us-east-1" in bootstrap("dev", CLIENTS, kms_key=key["Arn"]).commands[1]


def test_an_unknown_key_stops_it_before_anything_is_made() -> None:
    with pytest.raises(KeyNotFound, match=r"no KMS key 'alias/none' here"):
        bootstrap("dev", CLIENTS, kms_key="alias/none")
    assert CLIENTS("s3").list_buckets()["Buckets"] == []


def test_an_emulator_is_told_of_in_the_login() -> None:
    there = Clients()
    there("sts"), there("s3")  # moto answers in AWS's name alone
    there.endpoint_url = "http://127.0.0.1:4610"
    made = bootstrap("local", there, bucket="state")
    assert made.login == "s3://state?region=us-east-1&endpoint=127.0.0.1:4610&disableSSL=true&s3ForcePathStyle=true"
