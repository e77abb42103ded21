"""S3, DynamoDB, SSM and KMS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from localcloud.provider import LocalProvider
from localcloud.provider.values import ARCHIVE, ASSET, Asset
from localcloud.testing import CloudBeside


def test_a_bucket_gets_a_name_and_default_tags_and_is_emptied_if_asked(begin, cloud: CloudBeside) -> None:
    bucket = begin("aws:s3/bucket:Bucket", "Lake")
    state = bucket.create(forceDestroy=True, tags={"a": "b"})
    s3 = cloud.client("s3")
    assert state.id.rsplit("-", 1)[0] == bucket.name.lower()
    assert state.outputs["arn"] == f"arn:aws:s3:::{state.id}"
    assert state.outputs["bucketRegionalDomainName"] == f"{state.id}.s3.us-east-1.amazonaws.com"
    assert state.outputs["tagsAll"] == {"Project": "tests", "a": "b"}
    bucket.update(forceDestroy=True, tags={"c": "d"})
    tags = s3.get_bucket_tagging(Bucket=state.id)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"Project": "tests", "c": "d"}
    s3.put_object(Bucket=state.id, Key="left", Body=b"behind")
    assert bucket.replaces(bucket="another", forceDestroy=True) == ["bucket"]


def test_a_bucket_with_objects_stays_unless_it_may_be_emptied(
    begin, cloud: CloudBeside, provider: LocalProvider
) -> None:
    bucket = begin("aws:s3/bucket:Bucket", "full")
    state = bucket.create()
    cloud.client("s3").put_object(Bucket=state.id, Key="left", Body=b"behind")
    with pytest.raises(Exception, match="BucketNotEmpty"):
        provider.delete(bucket.token, state.id, bucket.inputs, state.outputs)
    cloud.client("s3").delete_object(Bucket=state.id, Key="left")


POLICY = {"Version": "2012-10-17", "Statement": []}
SETTINGS = [
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": True}]},
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "k"}}]},
    ),
    (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"blockPublicAcls": True, "restrictPublicBuckets": True},
        {"blockPublicAcls": True},
    ),
    (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        {"rule": {"objectOwnership": "ObjectWriter"}},
    ),
    ("aws:s3/bucketPolicy:BucketPolicy", {"policy": POLICY}, {"policy": {**POLICY, "Id": "other"}}),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        {
            "rules": [
                {
                    "id": "uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                }
            ]
        },
        {"rules": [{"id": "old", "status": "Enabled", "filter": {"prefix": "a/"}, "expiration": {"days": 3}}]},
    ),
    ("aws:s3/bucketNotification:BucketNotification", {"eventbridge": True}, {"eventbridge": False}),
]


@pytest.mark.parametrize(("token", "first", "second"), SETTINGS, ids=[token.split(":")[-1] for token, *_ in SETTINGS])
def test_a_setting_of_a_bucket_is_put_changed_and_taken_off(begin, token: str, first: dict, second: dict) -> None:
    bucket = begin("aws:s3/bucket:Bucket", "set").create().id
    setting = begin(token, "setting")
    assert setting.create(bucket=bucket, **first).id == bucket
    setting.update(bucket=bucket, **second)
    assert setting.replaces(bucket="another", **second) == ["bucket"]


def test_a_buckets_accesses_are_logged_to_another(begin, cloud: CloudBeside) -> None:
    source, target = begin("aws:s3/bucket:Bucket", "source"), begin("aws:s3/bucket:Bucket", "target")
    source, target = source.create().id, target.create(forceDestroy=True).id
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "logging.s3.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{target}/*",
            }
        ],
    }
    begin("aws:s3/bucketPolicy:BucketPolicy", "policy").create(bucket=target, policy=policy)
    logging = begin("aws:s3/bucketLogging:BucketLogging", "logging")
    logging.create(bucket=source, targetBucket=target, targetPrefix="a/")
    logging.update(bucket=source, targetBucket=target, targetPrefix="b/")
    assert cloud.client("s3").get_bucket_logging(Bucket=source)["LoggingEnabled"]["TargetPrefix"] == "b/"


def test_an_object_is_uploaded_again_only_if_its_contents_differ(begin, cloud: CloudBeside, tmp_path: Path) -> None:
    bucket = begin("aws:s3/bucket:Bucket", "objects").create().id
    begin("aws:s3/bucketVersioning:BucketVersioning", "objects").create(
        bucket=bucket, versioningConfiguration={"status": "Enabled"}
    )
    file = tmp_path / "bundle.zip"
    file.write_bytes(b"x" * (9 * 2**20))

    def asset() -> Asset:
        return Asset(ASSET, path="bundle.zip", base=tmp_path).hashed()

    bundle = begin("aws:s3/bucketObjectv2:BucketObjectv2", "bundle")
    first = bundle.create(bucket=bucket, key="code/bundle.zip", source=asset(), contentType="application/zip")
    head = cloud.client("s3").head_object(Bucket=bucket, Key="code/bundle.zip")
    assert (head["ContentLength"], head["ContentType"]) == (9 * 2**20, "application/zip")
    file.write_bytes(b"other")
    second = bundle.update(bucket=bucket, key="code/bundle.zip", source=asset())
    assert second.outputs["versionId"] != first.outputs["versionId"]
    text = begin("aws:s3/bucketObjectv2:BucketObjectv2", "text")
    text.create(bucket=bucket, key="note", content="hello")
    assert cloud.client("s3").get_object(Bucket=bucket, Key="note")["Body"].read() == b"hello"


def test_a_folder_as_archive_has_the_hash_of_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("1")
    archive = Asset(ARCHIVE, path="code", base=tmp_path)
    before = archive.hashed()
    (tmp_path / "code" / "a.py").touch()
    assert archive.hashed() == before
    (tmp_path / "code" / "a.py").write_text("2")
    assert archive.hashed() != before


def test_a_table_is_made_whole_and_changes_in_place(begin, cloud: CloudBeside) -> None:
    inputs = {
        "attributes": [{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
        "hashKey": "pk",
        "rangeKey": "sk",
        "billingMode": "PAY_PER_REQUEST",
        "ttl": {"enabled": True, "attributeName": "expires"},
        "pointInTimeRecovery": {"enabled": True},
        "tags": {"a": "b"},
    }
    table = begin("aws:dynamodb/table:Table", "registry")
    state = table.create(**inputs)
    dynamodb = cloud.client("dynamodb")
    assert state.outputs["arn"].endswith(f":table/{state.id}")
    assert dynamodb.describe_time_to_live(TableName=state.id)["TimeToLiveDescription"]["AttributeName"] == "expires"
    table.update(**{**inputs, "deletionProtectionEnabled": True, "pointInTimeRecovery": {"enabled": False}})
    assert dynamodb.describe_table(TableName=state.id)["Table"]["DeletionProtectionEnabled"]
    table.update(
        **{
            **inputs,
            "deletionProtectionEnabled": False,
            "attributes": [*inputs["attributes"], {"name": "by", "type": "S"}],  # type: ignore[misc]
            "globalSecondaryIndexes": [{"name": "by-name", "hashKey": "by", "projectionType": "ALL"}],
        }
    )
    indexes = dynamodb.describe_table(TableName=state.id)["Table"]["GlobalSecondaryIndexes"]
    assert [index["IndexName"] for index in indexes] == ["by-name"]
    assert table.replaces(**{**inputs, "hashKey": "sk"}) == ["hashKey"]


def test_a_parameter_keeps_its_value_and_counts_its_versions(begin, cloud: CloudBeside) -> None:
    parameter = begin("aws:ssm/parameter:Parameter", "stack")
    parameter.create(name="/tests/stack", type="String", value=json.dumps({"a": 1}))
    changed = parameter.update(name="/tests/stack", type="String", value=json.dumps({"a": 2}))
    assert changed.outputs["version"] == 2
    assert cloud.client("ssm").get_parameter(Name="/tests/stack")["Parameter"]["Value"] == '{"a": 2}'


def test_a_key_has_an_alias_and_turns(begin, cloud: CloudBeside) -> None:
    key = begin("aws:kms/key:Key", "key")
    identity = key.create(description="tests", deletionWindowInDays=7).id
    alias = begin("aws:kms/alias:Alias", "key")
    name = alias.create(targetKeyId=identity).id
    assert name.startswith("alias/test-a-key-")
    key.update(description="more", deletionWindowInDays=7, enableKeyRotation=True)
    assert cloud.client("kms").get_key_rotation_status(KeyId=identity)["KeyRotationEnabled"]
