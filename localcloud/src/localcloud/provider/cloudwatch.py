"""CloudWatch (alarms, dashboards), its Logs, and EventBridge: Pulumi keeps the three in one module."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.provider.resource import Call, CheckFailure, Name, Put, Resource
from localcloud.provider.shape import camel, pascal, renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class LogGroup(Resource, kind="aws:cloudwatch/logGroup:LogGroup"):
    service = "logs"
    name = Name(limit=512)
    optional = ("kmsKeyId", "logGroupClass")
    defaults: ClassVar = {"retentionInDays": 0, "skipDestroy": False, "deletionProtectionEnabled": False}
    replace = ("name", "logGroupClass")
    tagged = True

    def create(self, call: Call) -> str:
        name = call.inputs["name"]
        arguments = renamed(call.inputs, {"kmsKeyId": "kmsKeyId", "logGroupClass": "logGroupClass"})
        if call.tags:  # AWS refuses an empty map of tags
            arguments["tags"] = call.tags
        call.client.create_log_group(logGroupName=name, **arguments)
        call.keep(name)
        self._retain(call)
        return call.id

    def _retain(self, call: Call) -> None:
        if call.inputs["retentionInDays"]:
            days = call.inputs["retentionInDays"]
            call.client.put_retention_policy(logGroupName=call.id, retentionInDays=days)
        elif call.old.get("retentionInDays"):
            call.client.delete_retention_policy(logGroupName=call.id)

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_log_groups(logGroupNamePrefix=call.id)["logGroups"]
        group = next((group for group in found if group["logGroupName"] == call.id), None)
        if group is None:
            return None
        return {
            "name": call.id,
            "arn": group["arn"].removesuffix(":*"),
            "retentionInDays": group.get("retentionInDays", 0),
            "kmsKeyId": group.get("kmsKeyId"),
            "tagsAll": call.client.list_tags_log_group(logGroupName=call.id)["tags"],
        }

    def update(self, call: Call) -> None:
        self._retain(call)
        if call.changed("kmsKeyId"):
            if call.inputs.get("kmsKeyId"):
                call.client.associate_kms_key(logGroupName=call.id, kmsKeyId=call.inputs["kmsKeyId"])
            else:
                call.client.disassociate_kms_key(logGroupName=call.id)
        if call.tags:
            call.client.tag_log_group(logGroupName=call.id, tags=call.tags)
        if call.removed_tags():
            call.client.untag_log_group(logGroupName=call.id, tags=call.removed_tags())

    def delete(self, call: Call) -> None:
        if not call.inputs.get("skipDestroy"):
            call.client.delete_log_group(logGroupName=call.id)


class LogResourcePolicy(Put, kind="aws:cloudwatch/logResourcePolicy:LogResourcePolicy"):
    service = "logs"
    name = Name("policyName")
    required = ("policyDocument",)
    replace = ("policyName",)
    documents = ("policyDocument",)

    def put(self, call: Call) -> None:
        call.client.put_resource_policy(
            policyName=call.inputs["policyName"], policyDocument=call.inputs["policyDocument"]
        )

    def read(self, call: Call) -> Properties | None:
        for policy in call.client.describe_resource_policies()["resourcePolicies"]:
            if policy["policyName"] == call.id:
                return {"policyName": call.id, "policyDocument": policy["policyDocument"]}
        return None

    def delete(self, call: Call) -> None:
        call.client.delete_resource_policy(policyName=call.id)


_ALARM = {
    "name": "AlarmName",
    "comparisonOperator": "ComparisonOperator",
    "evaluationPeriods": "EvaluationPeriods",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "period": "Period",
    "statistic": "Statistic",
    "extendedStatistic": "ExtendedStatistic",
    "threshold": "Threshold",
    "thresholdMetricId": "ThresholdMetricId",
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "okActions": "OKActions",
    "insufficientDataActions": "InsufficientDataActions",
    "alarmDescription": "AlarmDescription",
    "datapointsToAlarm": "DatapointsToAlarm",
    "treatMissingData": "TreatMissingData",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "unit": "Unit",
}


class MetricAlarm(Put, kind="aws:cloudwatch/metricAlarm:MetricAlarm"):
    schema_version = 1
    service = "cloudwatch"
    name = Name(limit=255)
    required = ("comparisonOperator", "evaluationPeriods")
    optional = (*_ALARM, "dimensions", "metricQueries")
    defaults: ClassVar = {"actionsEnabled": True, "treatMissingData": "missing"}
    replace = ("name",)
    unordered = ("alarmActions", "okActions", "insufficientDataActions")
    tagged = True

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        if "metricName" not in inputs and not inputs.get("metricQueries"):
            return [CheckFailure("metricName", "an alarm needs `metric_name` or `metric_queries`")]
        return []

    def put(self, call: Call) -> None:
        arguments = renamed(call.inputs, _ALARM)
        if call.inputs.get("dimensions"):
            arguments["Dimensions"] = tag_list(call.inputs["dimensions"], key="Name")
        if call.inputs.get("metricQueries"):
            arguments["Metrics"] = [_query(query) for query in call.inputs["metricQueries"]]
        call.client.put_metric_alarm(**arguments, Tags=tag_list(call.tags))
        if call.old:
            arn = call.aws.arn("cloudwatch", f"alarm:{call.inputs['name']}")
            call.retag("ResourceARN", arn, tag_list(call.tags))

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_alarms(AlarmNames=[call.id])["MetricAlarms"]
        if not found:
            return None
        read = {name: found[0][api] for name, api in _ALARM.items() if found[0].get(api) not in (None, [], "")}
        dimensions = {item["Name"]: item["Value"] for item in found[0].get("Dimensions") or ()}
        tags = call.client.list_tags_for_resource(ResourceARN=found[0]["AlarmArn"])["Tags"]
        gone = {name: None for name in ("alarmActions", "okActions", "insufficientDataActions") if name not in read}
        return {
            **gone,
            **read,
            "arn": found[0]["AlarmArn"],
            "dimensions": dimensions or None,
            "metricQueries": [_told_query(query) for query in found[0].get("Metrics") or ()] or None,
            "tagsAll": tag_map(tags),
        }

    def delete(self, call: Call) -> None:
        call.client.delete_alarms(AlarmNames=[call.id])


def _query(query: Properties) -> dict[str, Any]:
    spelled: dict[str, Any] = pascal({key: value for key, value in query.items() if key != "metric"})
    if "metric" in query:
        metric = query["metric"]
        about = renamed(metric, {"metricName": "MetricName", "namespace": "Namespace"})
        about["Dimensions"] = tag_list(metric.get("dimensions") or {}, key="Name")
        stat = renamed(metric, {"period": "Period", "stat": "Stat", "unit": "Unit"})
        spelled["MetricStat"] = {"Metric": about, **stat}
    return spelled


def _told_query(found: Properties) -> Properties:
    query: Properties = camel({key: value for key, value in found.items() if key != "MetricStat"})
    if "MetricStat" in found:
        stat = found["MetricStat"]
        about: Properties = camel({key: value for key, value in stat["Metric"].items() if key != "Dimensions"})
        about |= camel({key: value for key, value in stat.items() if key != "Metric"})
        query["metric"] = {**about, "dimensions": tag_map(stat["Metric"].get("Dimensions"), key="Name")}
    return query


class Dashboard(Put, kind="aws:cloudwatch/dashboard:Dashboard"):
    service = "cloudwatch"
    required = ("dashboardName", "dashboardBody")
    replace = ("dashboardName",)
    documents = ("dashboardBody",)

    def put(self, call: Call) -> None:
        call.client.put_dashboard(
            DashboardName=call.inputs["dashboardName"], DashboardBody=call.inputs["dashboardBody"]
        )

    def read(self, call: Call) -> Properties:
        found = call.client.get_dashboard(DashboardName=call.id)
        arn = call.aws.arn("cloudwatch", f"dashboard/{call.id}", regional=False)
        return {"dashboardName": call.id, "dashboardBody": found["DashboardBody"], "dashboardArn": arn}

    def delete(self, call: Call) -> None:
        call.client.delete_dashboards(DashboardNames=[call.id])


class EventRule(Put, kind="aws:cloudwatch/eventRule:EventRule"):
    schema_version = 1
    service = "events"
    name = Name(limit=64)
    optional = ("description", "eventPattern", "scheduleExpression", "roleArn", "state", "isEnabled")
    defaults: ClassVar = {"eventBusName": "default", "forceDestroy": False}
    replace = ("name", "eventBusName")
    documents = ("eventPattern",)
    tagged = True

    def identity(self, call: Call) -> str:
        bus, name = call.inputs["eventBusName"], str(call.inputs["name"])
        return name if bus == "default" else f"{bus}/{name}"

    def problems(self, inputs: Properties) -> list[CheckFailure]:
        if "eventPattern" not in inputs and "scheduleExpression" not in inputs:
            return [CheckFailure("eventPattern", "a rule needs `event_pattern` or `schedule_expression`")]
        return []

    def put(self, call: Call) -> None:
        given = ("name", "eventBusName", "description", "eventPattern", "scheduleExpression", "roleArn", "state")
        arguments = pascal(call.get(*given))
        if "isEnabled" in call.inputs:
            arguments["State"] = "ENABLED" if call.inputs["isEnabled"] else "DISABLED"
        arn = call.client.put_rule(**arguments, **({} if call.old else {"Tags": tag_list(call.tags)}))["RuleArn"]
        if call.old:
            call.retag("ResourceARN", arn, tag_list(call.tags))

    def read(self, call: Call) -> Properties:
        bus, _, name = call.id.rpartition("/")
        found = call.client.describe_rule(Name=name, EventBusName=bus or "default")
        read = camel(
            {
                key: found[key]
                for key in ("Description", "EventPattern", "ScheduleExpression", "State", "RoleArn")
                if found.get(key)
            }
        )
        tags = tag_map(call.client.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"])
        return {"name": name, "arn": found["Arn"], "eventBusName": bus or "default", "tagsAll": tags, **read}

    def delete(self, call: Call) -> None:
        bus, _, name = call.id.rpartition("/")
        call.client.delete_rule(Name=name, EventBusName=bus or "default")


class EventTarget(Put, kind="aws:cloudwatch/eventTarget:EventTarget"):
    schema_version = 1
    service = "events"
    name = Name("targetId", limit=64)
    required = ("rule", "arn")
    optional = (
        "roleArn",
        "input",
        "inputPath",
        "inputTransformer",
        "deadLetterConfig",
        "retryPolicy",
        "sqsTarget",
        "ecsTarget",
    )
    defaults: ClassVar = {"eventBusName": "default", "forceDestroy": False}
    replace = ("rule", "targetId", "eventBusName")
    within = ("eventBusName",)

    def identity(self, call: Call) -> str:
        return f"{call.inputs['rule']}-{call.inputs['targetId']}"

    def put(self, call: Call) -> None:
        target = renamed(
            call.inputs,
            {"targetId": "Id", "arn": "Arn", "roleArn": "RoleArn", "input": "Input", "inputPath": "InputPath"},
        )
        if "inputTransformer" in call.inputs:
            given = call.inputs["inputTransformer"]
            target["InputTransformer"] = {
                "InputPathsMap": given.get("inputPaths") or {},
                "InputTemplate": given["inputTemplate"],
            }
        for name, api in (
            ("deadLetterConfig", "DeadLetterConfig"),
            ("retryPolicy", "RetryPolicy"),
            ("sqsTarget", "SqsParameters"),
        ):
            if call.inputs.get(name):
                target[api] = pascal(call.inputs[name])
        if "ecsTarget" in call.inputs:
            target["EcsParameters"] = _ecs(call.inputs["ecsTarget"])
        answer = call.client.put_targets(**self._rule(call), Targets=[target])
        if answer.get("FailedEntryCount"):
            raise OSError(f"EventBridge refused the target: {answer['FailedEntries']}")

    def read(self, call: Call) -> Properties | None:
        targets = call.client.list_targets_by_rule(**self._rule(call))["Targets"]
        target = next((target for target in targets if target["Id"] == call.inputs.get("targetId")), None)
        if target is None:
            return None
        names = {"Arn": "arn", "RoleArn": "roleArn", "Input": "input", "InputPath": "inputPath"}
        told = {"roleArn": None, "input": None, "inputPath": None, **renamed(target, names)}
        for api, name in (("DeadLetterConfig", "deadLetterConfig"), ("RetryPolicy", "retryPolicy")):
            told[name] = camel(target[api]) if target.get(api) else None
        return told

    def delete(self, call: Call) -> None:
        call.client.remove_targets(**self._rule(call), Ids=[call.inputs["targetId"]])

    @staticmethod
    def _rule(call: Call) -> dict[str, str]:
        return {"Rule": call.inputs["rule"], "EventBusName": call.inputs.get("eventBusName", "default")}


def _ecs(given: Properties) -> dict[str, Any]:
    spelled: dict[str, Any] = pascal({key: value for key, value in given.items() if key != "networkConfiguration"})
    if "networkConfiguration" in given:
        network = given["networkConfiguration"]
        spelled["NetworkConfiguration"] = {
            "awsvpcConfiguration": {
                "Subnets": network["subnets"],
                "SecurityGroups": network.get("securityGroups") or [],
                "AssignPublicIp": "ENABLED" if network.get("assignPublicIp") else "DISABLED",
            }
        }
    return spelled
