"""S3: buckets, their settings, and objects."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.provider.resource import Call, Name, ProviderError, Put, Resource
from localcloud.provider.shape import camel, pascal, renamed, tag_list, tag_map
from localcloud.provider.values import Asset, Properties


class Bucket(Resource, kind="aws:s3/bucket:Bucket"):
    service = "s3"
    name = Name("bucket", limit=63, lower=True)
    optional = ("objectLockEnabled",)
    defaults: ClassVar = {"forceDestroy": False}
    replace = ("bucket", "objectLockEnabled")
    tagged = True

    def create(self, call: Call) -> str:
        bucket: str = call.inputs["bucket"]
        where = {} if call.aws.region == "us-east-1" else {"LocationConstraint": call.aws.region}
        arguments: dict[str, Any] = {"CreateBucketConfiguration": where} if where else {}
        if call.inputs.get("objectLockEnabled"):
            arguments["ObjectLockEnabledForBucket"] = True
        call.client.create_bucket(Bucket=bucket, **arguments)
        call.keep(bucket)
        self.update(call)
        return bucket

    def read(self, call: Call) -> Properties:
        call.client.head_bucket(Bucket=call.id)
        suffix = call.aws.dns_suffix
        return {
            "bucket": call.id,
            "arn": f"arn:{call.aws.partition}:s3:::{call.id}",
            "bucketDomainName": f"{call.id}.s3.{suffix}",
            "bucketRegionalDomainName": f"{call.id}.s3.{call.aws.region}.{suffix}",
            "bucketRegion": call.aws.region,
            "tagsAll": _told_tags(call),
        }

    def update(self, call: Call) -> None:
        if call.tags:
            call.client.put_bucket_tagging(Bucket=call.id, Tagging={"TagSet": tag_list(call.tags)})
        elif call.removed_tags():
            call.client.delete_bucket_tagging(Bucket=call.id)

    def delete(self, call: Call) -> None:
        if call.inputs.get("forceDestroy"):
            empty(call.client, call.id)
        call.client.delete_bucket(Bucket=call.id)


def _told_tags(call: Call) -> dict[str, str]:
    try:
        return tag_map(call.client.get_bucket_tagging(Bucket=call.id)["TagSet"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchTagSet":
            return {}
        raise


def empty(s3: Any, bucket: str) -> None:
    """Delete every version of every object in the bucket."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if found:
            objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


class _Setting(Put):
    """One setting of a bucket; the id is the bucket's name."""

    service = "s3"
    replace = ("bucket",)


class BucketVersioning(_Setting, kind="aws:s3/bucketVersioning:BucketVersioning"):
    required = ("bucket", "versioningConfiguration")

    def put(self, call: Call) -> None:
        wanted = pascal(call.inputs["versioningConfiguration"])
        call.client.put_bucket_versioning(Bucket=call.inputs["bucket"], VersioningConfiguration=wanted)

    def read(self, call: Call) -> Properties | None:
        status = call.client.get_bucket_versioning(Bucket=call.id).get("Status")
        return {"bucket": call.id, "versioningConfiguration": {"status": status}} if status else None

    def delete(self, call: Call) -> None:
        call.client.put_bucket_versioning(Bucket=call.id, VersioningConfiguration={"Status": "Suspended"})


class BucketEncryption(
    _Setting,
    kind="aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
):
    required = ("bucket", "rules")

    def put(self, call: Call) -> None:
        rules = []
        for rule in call.inputs["rules"]:
            default = rule.get("applyServerSideEncryptionByDefault", {})
            wanted: Properties = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": default.get("sseAlgorithm")}}
            if default.get("kmsMasterKeyId"):
                wanted["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] = default["kmsMasterKeyId"]
            if "bucketKeyEnabled" in rule:
                wanted["BucketKeyEnabled"] = rule["bucketKeyEnabled"]
            rules.append(wanted)
        call.client.put_bucket_encryption(
            Bucket=call.inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
        )

    def read(self, call: Call) -> Properties:
        found = call.client.get_bucket_encryption(Bucket=call.id)["ServerSideEncryptionConfiguration"]["Rules"]
        rules = []
        for rule in found:
            default = rule.get("ApplyServerSideEncryptionByDefault", {})
            names = {"SSEAlgorithm": "sseAlgorithm", "KMSMasterKeyID": "kmsMasterKeyId"}
            told: Properties = {"applyServerSideEncryptionByDefault": renamed(default, names)}
            rules.append({**told, **renamed(rule, {"BucketKeyEnabled": "bucketKeyEnabled"})})
        return {"bucket": call.id, "rules": rules}

    def delete(self, call: Call) -> None:
        call.client.delete_bucket_encryption(Bucket=call.id)


class BucketPublicAccessBlock(_Setting, kind="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"):
    required = ("bucket",)
    defaults: ClassVar = dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), False
    )

    def put(self, call: Call) -> None:
        wanted = pascal(call.get(*self.defaults))
        call.client.put_public_access_block(Bucket=call.inputs["bucket"], PublicAccessBlockConfiguration=wanted)

    def read(self, call: Call) -> Properties:
        found = call.client.get_public_access_block(Bucket=call.id)["PublicAccessBlockConfiguration"]
        return {"bucket": call.id, **{key[0].lower() + key[1:]: value for key, value in found.items()}}

    def delete(self, call: Call) -> None:
        call.client.delete_public_access_block(Bucket=call.id)


class BucketOwnershipControls(_Setting, kind="aws:s3/bucketOwnershipControls:BucketOwnershipControls"):
    required = ("bucket", "rule")

    def put(self, call: Call) -> None:
        rules = {"Rules": [pascal(call.inputs["rule"])]}
        call.client.put_bucket_ownership_controls(Bucket=call.inputs["bucket"], OwnershipControls=rules)

    def read(self, call: Call) -> Properties:
        found = call.client.get_bucket_ownership_controls(Bucket=call.id)["OwnershipControls"]["Rules"][0]
        return {"bucket": call.id, "rule": {"objectOwnership": found["ObjectOwnership"]}}

    def delete(self, call: Call) -> None:
        call.client.delete_bucket_ownership_controls(Bucket=call.id)


class BucketPolicy(_Setting, kind="aws:s3/bucketPolicy:BucketPolicy"):
    required = ("bucket", "policy")
    documents = ("policy",)

    def put(self, call: Call) -> None:
        call.client.put_bucket_policy(Bucket=call.inputs["bucket"], Policy=call.inputs["policy"])

    def read(self, call: Call) -> Properties:
        return {"bucket": call.id, "policy": call.client.get_bucket_policy(Bucket=call.id)["Policy"]}

    def delete(self, call: Call) -> None:
        call.client.delete_bucket_policy(Bucket=call.id)


class BucketLifecycle(_Setting, kind="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"):
    schema_version = 1
    required = ("bucket", "rules")
    optional = ("transitionDefaultMinimumObjectSize",)

    def put(self, call: Call) -> None:
        rules = []
        for rule in call.inputs["rules"]:
            wanted = pascal({key: value for key, value in rule.items() if key not in ("id", "filter")})
            wanted |= {"ID": rule["id"], "Filter": _lifecycle_filter(rule.get("filter") or {})}
            rules.append(wanted)
        call.client.put_bucket_lifecycle_configuration(
            Bucket=call.inputs["bucket"], LifecycleConfiguration={"Rules": rules}
        )

    def read(self, call: Call) -> Properties:
        found = call.client.get_bucket_lifecycle_configuration(Bucket=call.id)["Rules"]
        return {"bucket": call.id, "rules": [_told_rule(rule) for rule in found]}

    def delete(self, call: Call) -> None:
        call.client.delete_bucket_lifecycle(Bucket=call.id)


def _lifecycle_filter(given: Properties) -> Properties:
    if "and" in given:
        both = given["and"]
        tags = {"Tags": tag_list(both["tags"])} if both.get("tags") else {}
        return {"And": {**pascal({key: value for key, value in both.items() if key != "tags"}), **tags}}
    filters: Properties = pascal(given)
    return filters or {"Prefix": ""}


def _told_rule(found: Properties) -> Properties:
    """A lifecycle rule in Pulumi's spelling."""
    rule: Properties = camel({key: value for key, value in found.items() if key not in ("ID", "Filter", "Prefix")})
    given = found.get("Filter") or {}
    told: Properties = camel({key: value for key, value in given.items() if key != "And"})
    if "And" in given:
        both = given["And"]
        tags = {"tags": tag_map(both["Tags"])} if both.get("Tags") else {}
        told["and"] = {**camel({key: value for key, value in both.items() if key != "Tags"}), **tags}
    return {**rule, "id": found["ID"], "filter": told}


class BucketNotification(_Setting, kind="aws:s3/bucketNotification:BucketNotification"):
    required = ("bucket",)
    optional = ("eventbridge", "lambdaFunctions", "queues", "topics")

    _targets: ClassVar = {
        "lambdaFunctions": ("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambdaFunctionArn"),
        "queues": ("QueueConfigurations", "QueueArn", "queueArn"),
        "topics": ("TopicConfigurations", "TopicArn", "topicArn"),
    }

    def put(self, call: Call) -> None:
        wanted: Properties = {"EventBridgeConfiguration": {}} if call.inputs.get("eventbridge") else {}
        for name, (key, arn, given) in self._targets.items():
            for target in call.inputs.get(name) or ():
                rules = [
                    {"Name": side, "Value": target[f"filter{side.title()}"]}
                    for side in ("prefix", "suffix")
                    if target.get(f"filter{side.title()}")
                ]
                configuration = {arn: target[given], "Events": target["events"]}
                if rules:
                    configuration["Filter"] = {"Key": {"FilterRules": rules}}
                wanted.setdefault(key, []).append(configuration)
        call.client.put_bucket_notification_configuration(
            Bucket=call.inputs["bucket"], NotificationConfiguration=wanted
        )

    def read(self, call: Call) -> Properties:
        # Moto obeys `eventbridge` but doesn't tell of it: the state is all that knows.
        call.client.get_bucket_notification_configuration(Bucket=call.id)
        return {"bucket": call.id}

    def delete(self, call: Call) -> None:
        call.client.put_bucket_notification_configuration(Bucket=call.id, NotificationConfiguration={})


class BucketLogging(_Setting, kind="aws:s3/bucketLogging:BucketLogging"):
    required = ("bucket", "targetBucket", "targetPrefix")
    optional = ("targetObjectKeyFormat",)

    def put(self, call: Call) -> None:
        wanted = {"TargetBucket": call.inputs["targetBucket"], "TargetPrefix": call.inputs["targetPrefix"]}
        if "targetObjectKeyFormat" in call.inputs:
            wanted["TargetObjectKeyFormat"] = pascal(call.inputs["targetObjectKeyFormat"])
        call.client.put_bucket_logging(Bucket=call.inputs["bucket"], BucketLoggingStatus={"LoggingEnabled": wanted})

    def read(self, call: Call) -> Properties | None:
        found = call.client.get_bucket_logging(Bucket=call.id).get("LoggingEnabled")
        if not found:
            return None
        return {"bucket": call.id, "targetBucket": found["TargetBucket"], "targetPrefix": found["TargetPrefix"]}

    def delete(self, call: Call) -> None:
        call.client.put_bucket_logging(Bucket=call.id, BucketLoggingStatus={})


_HEADERS = (
    "contentType", "contentEncoding", "cacheControl", "serverSideEncryption", "bucketKeyEnabled", "storageClass",
)  # fmt: skip


class BucketObject(Resource, kind="aws:s3/bucketObjectv2:BucketObjectv2"):
    service = "s3"
    name = Name("key")
    known_by = ("bucket", "key")
    required = ("bucket",)
    optional = ("content", "contentBase64", "source", "contentType", "contentEncoding", "cacheControl", "metadata",
                "serverSideEncryption", "kmsKeyId", "bucketKeyEnabled", "sourceHash", "storageClass")  # fmt: skip
    defaults: ClassVar = {"forceDestroy": False}
    replace = ("bucket", "key")
    recomputed = ("etag", "versionId")
    tagged = True

    def create(self, call: Call) -> str:
        arguments: Properties = pascal(call.get(*_HEADERS))
        arguments |= {"Metadata": call.inputs["metadata"]} if call.inputs.get("metadata") else {}
        arguments |= {"SSEKMSKeyId": call.inputs["kmsKeyId"]} if call.inputs.get("kmsKeyId") else {}
        bucket, key = call.inputs["bucket"], call.inputs["key"]
        source = call.inputs.get("source")
        if isinstance(source, Asset) and source.text is None:
            # upload_file sends in parts: a bundle of 200 MB never stands in memory at once.
            call.client.upload_file(str(source.file()), bucket, key, ExtraArgs=arguments)
        else:
            call.client.put_object(Bucket=bucket, Key=key, Body=_body(call), **arguments)
        call.keep(f"{bucket}/{key}")
        if call.tags:
            call.client.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": tag_list(call.tags)})
        return call.id

    def read(self, call: Call) -> Properties:
        bucket, _, key = call.id.partition("/")
        found = call.client.head_object(Bucket=bucket, Key=key)
        return {
            "bucket": bucket,
            "key": key,
            "arn": f"arn:{call.aws.partition}:s3:::{call.id}",
            "etag": found["ETag"].strip('"'),
            "versionId": found.get("VersionId", ""),
            "contentType": found["ContentType"],
            "cacheControl": found.get("CacheControl"),
            "contentEncoding": found.get("ContentEncoding"),
            "metadata": found.get("Metadata") or None,
            "tagsAll": tag_map(call.client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]),
        }

    def update(self, call: Call) -> None:
        self.create(call)

    def delete(self, call: Call) -> None:
        bucket, _, key = call.id.partition("/")
        for page in call.client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
            for version in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                if version["Key"] == key:
                    call.client.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


def _body(call: Call) -> bytes:
    content, source = call.inputs.get("content"), call.inputs.get("source")
    if isinstance(content, str):
        return content.encode()
    if "contentBase64" in call.inputs:
        return base64.b64decode(call.inputs["contentBase64"])
    if isinstance(source, Asset):
        return source.contents()
    raise ProviderError("an object needs `source`, `content` or `content_base64`")
