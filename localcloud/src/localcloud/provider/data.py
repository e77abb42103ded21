"""Data sources: what a program may ask without owning it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from localcloud.provider.aws import Aws
from localcloud.provider.values import Properties

Source = Callable[[Aws, Properties], Properties]


def _caller_identity(aws: Aws, _: Properties) -> Properties:
    found = aws.client("sts").get_caller_identity()
    return {"id": found["Account"], "accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _region(aws: Aws, _: Properties) -> Properties:
    described = {"name": aws.region, "description": aws.region, "endpoint": f"ec2.{aws.region}.{aws.dns_suffix}"}
    return {"id": aws.region, "region": aws.region, **described}


def _partition(aws: Aws, _: Properties) -> Properties:
    reverse = ".".join(reversed(aws.dns_suffix.split(".")))
    return {"id": aws.partition, "partition": aws.partition, "dnsSuffix": aws.dns_suffix, "reverseDnsPrefix": reverse}


def _availability_zones(aws: Aws, arguments: Properties) -> Properties:
    filters = [{"Name": given["name"], "Values": given["values"]} for given in arguments.get("filters") or ()]
    found = aws.client("ec2").describe_availability_zones(Filters=filters)["AvailabilityZones"]
    state = arguments.get("state")
    left_out = {"ZoneName": arguments.get("excludeNames") or (), "ZoneId": arguments.get("excludeZoneIds") or ()}
    zones = [
        zone
        for zone in found
        if state in (None, zone["State"]) and not any(zone.get(key) in names for key, names in left_out.items())
    ]
    return {
        "id": aws.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone.get("GroupName", aws.region) for zone in zones}),
        "state": state,
    }


def _policy_document(_: Aws, arguments: Properties) -> Properties:
    merged: list[Properties] = []
    for name in ("sourcePolicyDocuments",):
        for text in arguments.get(name) or ():
            merged += json.loads(text)["Statement"]
    merged += [_statement(statement) for statement in arguments.get("statements") or ()]
    document: dict[str, Any] = {"Version": arguments.get("version") or "2012-10-17"}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    document["Statement"] = merged
    text = json.dumps(document, indent=2)
    return {"id": str(abs(hash(text)) % 2**32), "json": text, "minifiedJson": json.dumps(document)}


def _statement(given: Properties) -> Properties:
    statement: Properties = {"Sid": given["sid"]} if given.get("sid") else {}
    statement["Effect"] = given.get("effect") or "Allow"
    for name, key in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if given.get(name):
            statement[key] = _one_or_many(given[name])
    for name, key in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        for principal in given.get(name) or ():
            if principal["type"] == "*":
                statement[key] = "*"
            else:
                statement.setdefault(key, {})[principal["type"]] = _one_or_many(principal["identifiers"])
    for condition in given.get("conditions") or ():
        tests = statement.setdefault("Condition", {}).setdefault(condition["test"], {})
        tests[condition["variable"]] = _one_or_many(condition["values"])
    return statement


def _one_or_many(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else sorted(values)


SOURCES: Final[dict[str, Source]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _availability_zones,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
}
