"""DynamoDB tables."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, Name, Resource
from localcloud.provider.shape import renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class Table(Resource, kind="aws:dynamodb/table:Table"):
    schema_version = 1
    service = "dynamodb"
    name = Name(limit=255)
    optional = (
        "attributes", "hashKey", "rangeKey", "globalSecondaryIndexes", "localSecondaryIndexes", "readCapacity",
        "writeCapacity", "streamViewType", "ttl", "pointInTimeRecovery", "serverSideEncryption", "tableClass",
    )  # fmt: skip
    defaults: ClassVar = {"billingMode": "PROVISIONED", "streamEnabled": False, "deletionProtectionEnabled": False}
    replace = ("name", "hashKey", "rangeKey", "localSecondaryIndexes")
    unordered = ("attributes", "globalSecondaryIndexes")
    tagged = True

    def create(self, call: Call) -> str:
        inputs, name = call.inputs, call.inputs["name"]
        arguments: dict[str, Any] = {
            "TableName": name,
            "KeySchema": _keys(inputs.get("hashKey"), inputs.get("rangeKey")),
            "AttributeDefinitions": _attributes(inputs),
            "BillingMode": inputs["billingMode"],
            "DeletionProtectionEnabled": inputs["deletionProtectionEnabled"],
            "Tags": tag_list(call.tags),
            **_throughput(inputs),
        }
        for given, api in (
            ("globalSecondaryIndexes", "GlobalSecondaryIndexes"),
            ("localSecondaryIndexes", "LocalSecondaryIndexes"),
        ):
            if inputs.get(given):
                arguments[api] = [_index(index, inputs) for index in inputs[given]]
        if inputs["streamEnabled"]:
            arguments["StreamSpecification"] = _stream(inputs)
        if inputs.get("serverSideEncryption"):
            arguments["SSESpecification"] = _encryption(inputs["serverSideEncryption"])
        call.client.create_table(**arguments)
        call.keep(name)
        self._settle(call)
        return call.id

    def _settle(self, call: Call) -> None:
        """What has an API call of its own."""
        if call.changed("ttl"):
            ttl = call.inputs.get("ttl") or {**call.old.get("ttl", {}), "enabled": False}
            wanted = {"Enabled": bool(ttl.get("enabled", False)), "AttributeName": ttl["attributeName"]}
            call.client.update_time_to_live(TableName=call.id, TimeToLiveSpecification=wanted)
        if call.changed("pointInTimeRecovery"):
            enabled = bool((call.inputs.get("pointInTimeRecovery") or {}).get("enabled"))
            call.client.update_continuous_backups(
                TableName=call.id, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
            )

    def read(self, call: Call) -> Properties:
        table = call.client.describe_table(TableName=call.id)["Table"]
        ttl = call.client.describe_time_to_live(TableName=call.id)["TimeToLiveDescription"]
        backups = call.client.describe_continuous_backups(TableName=call.id)["ContinuousBackupsDescription"]
        recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        tags = call.client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
        stream = table.get("StreamSpecification") or {}
        encryption = table.get("SSEDescription") or {}
        read: Properties = {
            "tagsAll": tag_map(tags),
            "streamEnabled": stream.get("StreamEnabled", False),
            "streamViewType": stream.get("StreamViewType"),
            "serverSideEncryption": {
                "enabled": encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING"),
                **({"kmsKeyArn": encryption["KMSMasterKeyArn"]} if "KMSMasterKeyArn" in encryption else {}),
            },
            "name": table["TableName"],
            "arn": table["TableArn"],
            "attributes": [
                {"name": item["AttributeName"], "type": item["AttributeType"]} for item in table["AttributeDefinitions"]
            ],
            "billingMode": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "deletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
            "streamArn": table.get("LatestStreamArn", ""),
            "streamLabel": table.get("LatestStreamLabel", ""),
            "pointInTimeRecovery": {"enabled": recovery},
            "ttl": {"enabled": ttl["TimeToLiveStatus"] == "ENABLED", "attributeName": ttl.get("AttributeName", "")},
        }
        for key in table["KeySchema"]:
            read["hashKey" if key["KeyType"] == "HASH" else "rangeKey"] = key["AttributeName"]
        return read

    def update(self, call: Call) -> None:
        table: dict[str, Any] = {}
        if call.changed("billingMode", "readCapacity", "writeCapacity"):
            table |= {"BillingMode": call.inputs["billingMode"], **_throughput(call.inputs)}
        if call.changed("deletionProtectionEnabled"):
            table["DeletionProtectionEnabled"] = call.inputs["deletionProtectionEnabled"]
        if call.changed("streamEnabled", "streamViewType"):
            table["StreamSpecification"] = _stream(call.inputs)
        if call.changed("serverSideEncryption"):
            table["SSESpecification"] = _encryption(call.inputs.get("serverSideEncryption") or {"enabled": False})
        if call.changed("globalSecondaryIndexes", "attributes"):
            table |= _index_changes(call)
        if table:
            call.client.update_table(TableName=call.id, **table)
        self._settle(call)
        call.retag("ResourceArn", call.outputs["arn"], tag_list(call.tags))

    def delete(self, call: Call) -> None:
        call.client.delete_table(TableName=call.id)


def _keys(hash_key: str | None, range_key: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": hash_key, "KeyType": "HASH"}] if hash_key else []
    return [*keys, *([{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else [])]


def _attributes(inputs: Properties) -> list[dict[str, str]]:
    names = {"name": "AttributeName", "type": "AttributeType"}
    return [renamed(attribute, names) for attribute in inputs.get("attributes") or ()]


def _throughput(inputs: Properties) -> dict[str, Any]:
    if inputs.get("billingMode") == "PAY_PER_REQUEST":
        return {}
    read, write = inputs.get("readCapacity", 1), inputs.get("writeCapacity", 1)
    return {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}


def _index(index: Properties, inputs: Properties) -> dict[str, Any]:
    projection = {"ProjectionType": index["projectionType"]}
    if index.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = index["nonKeyAttributes"]
    spelled = {
        "IndexName": index["name"],
        "KeySchema": _keys(index.get("hashKey", inputs.get("hashKey")), index.get("rangeKey")),
        "Projection": projection,
    }
    return {**spelled, **(_throughput({**inputs, **index}) if "hashKey" in index else {})}


def _index_changes(call: Call) -> dict[str, Any]:
    old = {index["name"]: index for index in call.old.get("globalSecondaryIndexes") or ()}
    new = {index["name"]: index for index in call.inputs.get("globalSecondaryIndexes") or ()}
    moved = [name for name in old if new.get(name) != old[name]]
    made = [name for name in new if old.get(name) != new[name]]
    changes: list[dict[str, Any]] = [{"Delete": {"IndexName": name}} for name in moved]
    changes += [{"Create": _index(new[name], call.inputs)} for name in made]
    definitions = {"AttributeDefinitions": _attributes(call.inputs)}
    return {**definitions, "GlobalSecondaryIndexUpdates": changes} if changes else definitions


def _stream(inputs: Properties) -> dict[str, Any]:
    view = {"StreamViewType": inputs["streamViewType"]} if inputs.get("streamViewType") else {}
    return {"StreamEnabled": inputs["streamEnabled"], **(view if inputs["streamEnabled"] else {})}


def _encryption(given: Properties) -> dict[str, Any]:
    key = {"SSEType": "KMS", "KMSMasterKeyId": given["kmsKeyArn"]} if given.get("kmsKeyArn") else {}
    return {"Enabled": given["enabled"], **key}
