"""Rules over all resources of the deployed stack, whoever adds one: the policies, and what only this stack wants."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from headwater import routes
from headwater.client.description import Description
from headwater.features.online.sharding import PREFIX
from headwater.infra.policies import judge, of_states
from headwater.infra.policies.reference import render
from headwater.infra.policies.tagging import UNTAGGED
from tests.infra.cases import Graph
from tools.reference import costs
from tools.reference.policies import PAGE

pytestmark = pytest.mark.cloud

FUNCTION, QUEUE = "aws:lambda/function:Function", "aws:sqs/queue:Queue"
LOG_GROUP, ALARM = "aws:cloudwatch/logGroup:LogGroup", "aws:cloudwatch/metricAlarm:MetricAlarm"


def test_every_resource_follows_every_policy_or_needs_its_exemption(graph: Graph) -> None:
    report = judge(of_states(graph.deployment.resources))
    assert [str(violation) for violation in report.violations] == []
    assert [(exemption.rule, exemption.reason) for exemption in report.unused] == []
    assert report.undecided == []


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="on the newest Python no function needs its exemption")
def test_the_reference_lists_the_rules_and_exemptions_as_they_are(graph: Graph) -> None:
    page = render(judge(of_states(graph.deployment.resources)))
    assert PAGE.read_text() == page, "docs/reference/policies.md is stale: make reference"


def test_the_setting_tags_reaches_everything_that_carries_tags(graph: Graph) -> None:
    for resource in graph.custom():
        if resource.type not in UNTAGGED:
            assert resource.plain_inputs["tags"]["CostCentre"] == "42", resource.urn


def test_names_say_which_stack_it_is(graph: Graph) -> None:
    for resource in graph.custom():
        name = resource.plain_inputs.get("name") or resource.plain_inputs.get("bucket")
        # A schedule's group, a policy's role and a subnet's VPC carry the name.
        if name and resource.type not in UNTAGGED and name != "$default":
            assert "headwater-local-" in name or name == "/headwater/headwater/local", resource.urn


def test_only_quarantine_sparks_scratch_shards_and_access_logs_ever_expire(graph: Graph) -> None:
    expiring = set()
    for lifecycle in graph.all("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"):
        rules = lifecycle.plain_inputs["rules"]
        assert any("abortIncompleteMultipartUpload" in rule for rule in rules), lifecycle.name
        for rule in rules:
            if {"expiration", "noncurrentVersionExpiration", "transitions"} & rule.keys():
                expiring.add((lifecycle.name, rule["filter"]["prefix"]))
    assert expiring == {("lake", "quarantine/"), ("lake", "spark/"), ("lake", PREFIX), ("access-logs", "")}


def test_tables_are_on_demand_and_keyed_as_the_capabilities_expect(graph: Graph) -> None:
    tables = graph.outputs("aws:dynamodb/table:Table")
    for table in tables.values():
        assert table["billingMode"] == "PAY_PER_REQUEST"
        assert table["hashKey"] == "pk"
    assert tables["registry"]["rangeKey"] == "sk"
    assert not tables["features"].get("rangeKey")
    assert tables["features"]["ttl"] == {"attributeName": "expires", "enabled": True}


def test_no_two_functions_share_a_role(graph: Graph) -> None:
    roles = [function["role"] for function in graph.outputs(FUNCTION).values()]
    assert len(set(roles)) == len(roles)


def test_every_function_has_a_group_of_its_own_and_one_namespace_of_metrics(graph: Graph) -> None:
    for function in graph.all(FUNCTION):
        given = function.plain_inputs
        assert given["loggingConfig"]["logGroup"] == f"/aws/lambda/{given['name']}", function.name
        assert given["environment"]["variables"]["POWERTOOLS_METRICS_NAMESPACE"] == "Headwater"
    for group in graph.all(LOG_GROUP):
        assert group.plain_inputs["retentionInDays"] == 7, group.name


def test_whatever_is_asynchronous_ends_in_the_dead_letters(graph: Graph) -> None:
    queues = graph.outputs(QUEUE)
    queue = queues.pop("dead-letters")
    for other in queues.values():
        assert json.loads(other["redrivePolicy"])["deadLetterTargetArn"] == queue["arn"]
    for function in graph.all(FUNCTION):
        failed = graph.beside(function, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig").plain_inputs
        assert failed["destinationConfig"]["onFailure"]["destination"] == queue["arn"], function.name
    for target in graph.all("aws:cloudwatch/eventTarget:EventTarget"):
        assert target.plain_inputs["deadLetterConfig"]["arn"] == queue["arn"]
    for schedule in graph.all("aws:scheduler/schedule:Schedule"):
        assert schedule.plain_inputs["target"]["deadLetterConfig"]["arn"] == queue["arn"]
    for subscription in graph.all("aws:sns/topicSubscription:TopicSubscription"):
        policy = json.loads(subscription.plain_inputs["redrivePolicy"])
        assert policy == {"deadLetterTargetArn": queue["arn"]}


def test_every_alarm_reaches_the_topic_when_it_begins_and_when_it_ends(graph: Graph) -> None:
    topic = graph.outputs("aws:sns/topic:Topic")["alarms"]["arn"]
    for alarm in graph.all(ALARM):
        assert alarm.plain_inputs["alarmActions"][0] == topic, alarm.name
        assert alarm.plain_inputs["okActions"] == alarm.plain_inputs["alarmActions"], alarm.name
        assert alarm.plain_inputs["treatMissingData"] == "notBreaching", alarm.name
        assert len(alarm.plain_inputs["alarmDescription"]) > 20, alarm.name


def test_slow_answers_are_watched(graph: Graph) -> None:
    (api,) = graph.outputs("aws:apigatewayv2/api:Api").values()
    (slow,) = [one for one in graph.outputs(ALARM).values() if one["metricName"] == "Latency"]
    assert slow["dimensions"] == {"ApiId": api["id"]}


def test_the_page_of_costs_says_what_the_resources_cost(graph: Graph) -> None:
    resources = of_states(graph.deployment.resources)
    assert costs.unpriced(resources) == []
    assert costs.total(resources) < 3
    page = costs.PAGE.read_text("utf-8")
    assert costs.filled(page, resources) == page, "docs/cost.md is stale: make reference"


def test_state_machines_log_what_they_were_given_and_have_no_place_left(graph: Graph) -> None:
    for machine in graph.all("aws:sfn/stateMachine:StateMachine"):
        assert machine.plain_inputs["loggingConfiguration"]["includeExecutionData"] is True
        assert "${" not in machine.plain_inputs["definition"]


def test_the_api_asks_for_aws_credentials_and_logs_whose_request_it_was(graph: Graph) -> None:
    asks = {
        route.plain_inputs["routeKey"]: route.plain_inputs["authorizationType"]
        for route in graph.all("aws:apigatewayv2/route:Route")
    }
    known = [route for route in vars(routes).values() if isinstance(route, routes.Route)]
    assert asks == {route.key: "NONE" if route.open_because else "AWS_IAM" for route in known}
    (stage,) = graph.all("aws:apigatewayv2/stage:Stage")
    assert json.loads(stage.plain_inputs["accessLogSettings"]["format"])["request_id"] == "$context.requestId"


def test_nobody_comes_in_and_no_gateway_costs_money(graph: Graph) -> None:
    kinds = {resource.type for resource in graph.custom()}
    assert not {kind for kind in kinds if "natGateway" in kind or "eip" in kind.lower()}
    for kind in ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"):
        for group in graph.all(kind):
            assert not group.plain_inputs.get("ingress"), group.name
            for rule in group.plain_inputs.get("egress") or []:
                assert (rule["fromPort"], rule["toPort"]) == (443, 443)
                assert rule["description"]
    assert {endpoint.plain_inputs["vpcEndpointType"] for endpoint in graph.all("aws:ec2/vpcEndpoint:VpcEndpoint")} == {
        "Gateway"
    }


def test_containers_run_an_image_by_digest_that_nobody_can_move(graph: Graph) -> None:
    (repository,) = graph.all("aws:ecr/repository:Repository")
    assert repository.plain_inputs["imageTagMutability"] == "IMMUTABLE"
    assert repository.plain_inputs["imageScanningConfiguration"] == {"scanOnPush": True}
    (task,) = graph.all("aws:ecs/taskDefinition:TaskDefinition")
    for container in json.loads(task.plain_inputs["containerDefinitions"]):
        assert "@sha256:" in container["image"]
        assert not container.get("privileged")
        assert {variable["name"] for variable in container["environment"]} <= {
            "HEADWATER_CODE_VERSION",
            "HEADWATER_LAKE_BUCKET",
            "HEADWATER_ARTIFACTS_BUCKET",
            "HEADWATER_REGISTRY_TABLE",
        }


def test_each_declared_schedule_wakes_the_ledger_at_its_ticks(graph: Graph) -> None:
    from headwater.declare import load_catalog
    from headwater.schedules.types import Definition
    from headwater.schedules.waking import wake_of

    products = load_catalog()
    declared = {f"retrain-{model.name}": model.retrain for model in products.models.values() if model.retrain}
    declared |= {one.schedule_name: one.schedule for one in products.collectors.values()}
    found = schedules(graph, "retraining")
    assert found.keys() == declared.keys()
    kept = {one.plain_inputs["key"]: one.plain_inputs for one in graph.all("aws:s3/bucketObjectv2:BucketObjectv2")}
    (wake,) = [one for one in graph.all(FUNCTION) if one.name == "retraining-wake"]
    for name, schedule in declared.items():
        assert found[name]["scheduleExpression"] == wake_of(schedule).expression
        assert found[name]["target"]["arn"] == graph.outputs(FUNCTION)[wake.name]["arn"]
        told = {"schedule": name, "scheduled": "<aws.scheduler.scheduled-time>"}
        assert json.loads(found[name]["target"]["input"]) == told
        content = kept[f"stack/schedules/{name}.json"]["content"]
        assert Definition.model_validate_json(content).schedule == schedule
    (policy,) = [one for one in graph.all("aws:iam/rolePolicy:RolePolicy") if one.name == "retraining-wake"]
    statements = json.loads(policy.plain_inputs["policy"])["Statement"]
    allowed = {action for one in statements for action in one["Action"]}
    # Ticks are reasons: the policy alone starts trainings. Runs of collectors are started by the ledger.
    started = {arn for one in statements if "states:StartExecution" in one["Action"] for arn in one["Resource"]}
    machines = graph.outputs("aws:sfn/stateMachine:StateMachine")
    assert started == {machines["collectors"]["arn"]}
    assert "lambda:InvokeFunction" in allowed
    # No schedule of this project replaces a run that is in progress.
    assert "states:StopExecution" not in allowed


def test_clients_find_the_outputs_by_the_stacks_name(graph: Graph, aws: Mapping[str, str]) -> None:
    outputs = graph.deployment.outputs
    assert outputs.keys() == Description.model_fields.keys() - {"name"}
    ssm = boto3.client(
        "ssm",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=aws["AWS_REGION"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )
    described: dict[str, Any] = json.loads(ssm.get_parameter(Name="/headwater/headwater/local")["Parameter"]["Value"])
    assert described == outputs


def test_whatever_is_regular_is_called_by_the_ledger(graph: Graph) -> None:
    from headwater.declare import load_catalog
    from headwater.schedules.types import CALL, Definition
    from headwater.schedules.waking import wake_of

    found = schedules(graph, "regular")
    functions = graph.outputs(FUNCTION)
    views = {view.name: view.schedule for view in load_catalog().views.values() if view.schedule}
    kept = {one.plain_inputs["key"]: one.plain_inputs for one in graph.all("aws:s3/bucketObjectv2:BucketObjectv2")}
    called = {}
    for name, given in found.items():
        definition = Definition.model_validate_json(kept[f"stack/schedules/{name}.json"]["content"])
        assert definition.work.kind == CALL
        assert given["scheduleExpression"] == wake_of(definition.schedule).expression
        assert given["target"]["arn"] == functions["regular-wake"]["arn"]
        called[name] = definition.work
    assert {f"materialise-{view}" for view in views} <= called.keys()
    for view in views:
        assert called[f"materialise-{view}"].event == {"view": view}
    # Nothing else calls a function by the clock, but the watcher of those who tell of failures.
    by_rule = {one.name for one in graph.all("aws:cloudwatch/eventRule:EventRule")
               if one.plain_inputs.get("scheduleExpression")}  # fmt: skip
    assert by_rule == {"alarms-audit"}
    (machine,) = [one for one in graph.all("aws:sfn/stateMachine:StateMachine") if one.name == "regular"]
    role = str(machine.plain_inputs["roleArn"]).rpartition("/")[2]
    allowed = {
        resource
        for one in graph.all("aws:iam/rolePolicy:RolePolicy")
        if one.plain_inputs["role"] == role
        for statement in json.loads(one.plain_inputs["policy"])["Statement"]
        if "lambda:InvokeFunction" in statement["Action"]
        for resource in statement["Resource"]
    }
    assert allowed == {work.function for work in called.values()} <= {one["arn"] for one in functions.values()}


def schedules(graph: Graph, group: str) -> dict[str, Mapping[str, Any]]:
    """The schedules of a group, by name."""
    name = graph.outputs("aws:scheduler/scheduleGroup:ScheduleGroup")[group]["name"]
    inputs = (schedule.plain_inputs for schedule in graph.all("aws:scheduler/schedule:Schedule"))
    return {given["name"]: given for given in inputs if given["groupName"] == name}


def test_functions_run_from_the_bundles_that_were_uploaded(graph: Graph) -> None:
    keys = {uploaded["key"] for uploaded in graph.outputs("aws:s3/bucketObjectv2:BucketObjectv2").values()}
    functions = graph.outputs(FUNCTION)
    assert len(functions) == 36
    for function in functions.values():
        assert function["s3Key"] in keys
        assert function["s3Key"].startswith("code/")


def test_spark_has_no_capacity_at_rest_and_its_role_touches_nothing_that_is_kept(graph: Graph) -> None:
    (application,) = graph.all("aws:emrserverless/application:Application")
    given = application.plain_inputs
    assert (given["type"], given["releaseLabel"]) == ("SPARK", "emr-spark-8.1.0")
    assert "initialCapacities" not in given
    assert given["maximumCapacity"]["cpu"] == "32 vCPU"
    assert given["autoStopConfiguration"] == {"enabled": True, "idleTimeoutMinutes": 1}
    (policy,) = [one for one in graph.all("aws:iam/rolePolicy:RolePolicy") if one.name == "spark-job"]
    statements = json.loads(policy.plain_inputs["policy"])["Statement"]
    written = {arn for one in statements if "s3:PutObject" in one["Action"] for arn in one["Resource"]}
    assert [arn.partition("/")[2] for arn in written] == ["spark/*"]
    assert not [action for one in statements for action in one["Action"] if "Delete" in action]
    machine = graph.outputs("aws:sfn/stateMachine:StateMachine")["features-spark"]
    submitted = json.loads(machine["definition"])["States"]["Compute"]["Arguments"]["JobDriver"]["SparkSubmit"]
    keys = {uploaded["key"] for uploaded in graph.outputs("aws:s3/bucketObjectv2:BucketObjectv2").values()}
    archive = next(word for word in submitted["SparkSubmitParameters"].split() if word.startswith("spark.archives="))
    assert archive.partition("#")[2] == "environment"
    for url in (submitted["EntryPoint"], archive.partition("=")[2].partition("#")[0]):
        assert url.split("/", 3)[3] in keys
    # Whoever finds that rows are missing knows the machine that was made after him.
    for name in ("features-materialise", "training-prepare"):
        (function,) = [one for one in graph.all(FUNCTION) if one.name == name]
        assert function.plain_inputs["environment"]["variables"]["HEADWATER_SPARK_ARN"] == machine["arn"]


def test_webhooks_are_secret(graph: Graph) -> None:
    (manager,) = [function for function in graph.all(FUNCTION) if function.name == "alarms-manage"]
    assert "chat.example.com" not in repr(manager.inputs) or manager.inputs != manager.plain_inputs
    assert manager.plain_inputs["environment"]["variables"]["HEADWATER_WEBHOOKS"] == "https://chat.example.com/hook"


def test_each_declared_model_has_one_alarm_that_says_where_to_look(graph: Graph) -> None:
    from headwater.declare import load_catalog

    alarms = [alarm.plain_inputs for alarm in graph.all(ALARM)]
    found = {alarm["dimensions"]["model"]: alarm for alarm in alarms if alarm["metricName"] == "ModelAlarm"}
    assert found.keys() == load_catalog().models.keys()
    for model, alarm in found.items():
        assert f"headwater monitor status {model} " in alarm["alarmDescription"]
        assert alarm["dimensions"] == {"service": "monitoring", "model": model}
        assert (alarm["period"], alarm["evaluationPeriods"], alarm["datapointsToAlarm"]) == (300, 24, 1)


def test_the_look_at_models_deletes_counts_alone_and_writes_no_log(graph: Graph) -> None:
    (policy,) = [one for one in graph.all("aws:iam/rolePolicy:RolePolicy") if one.name == "monitoring-watch"]
    statements = json.loads(policy.plain_inputs["policy"])["Statement"]
    for action in ("s3:PutObject", "s3:DeleteObjectVersion"):
        written = {arn.partition("/")[2] for one in statements if action in one["Action"] for arn in one["Resource"]}
        assert written == {"profiles/*"}
    assert not [one for one in statements if "dynamodb:DeleteItem" in one["Action"]]
