"""SNS, SQS, EventBridge, the Scheduler, CloudWatch and its logs, Step Functions, API Gateway."""

from __future__ import annotations

import json

import pytest
from localcloud.testing import CloudBeside

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


def test_a_queue_gives_up_into_another_one(begin, cloud: CloudBeside) -> None:
    dead = begin("aws:sqs/queue:Queue", "dead").create(messageRetentionSeconds=1209600, sqsManagedSseEnabled=True)
    queue = begin("aws:sqs/queue:Queue", "jobs")
    redrive = json.dumps({"deadLetterTargetArn": dead.outputs["arn"], "maxReceiveCount": 3})
    state = queue.create(visibilityTimeoutSeconds=60, redrivePolicy=redrive, tags={"a": "b"})
    changed = queue.update(visibilityTimeoutSeconds=90, redrivePolicy=redrive)
    assert changed.outputs["visibilityTimeoutSeconds"] == 90
    assert state.outputs["url"] == state.id
    policy = begin("aws:sqs/queuePolicy:QueuePolicy", "policy")
    policy.create(queueUrl=state.id, policy=POLICY)
    policy.update(queueUrl=state.id, policy={**POLICY, "Id": "x"})
    allow = {"redrivePermission": "byQueue", "sourceQueueArns": [state.outputs["arn"]]}
    begin("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "allow").create(queueUrl=dead.id, redriveAllowPolicy=allow)
    assert cloud.client("sqs").list_queue_tags(QueueUrl=state.id)["Tags"] == {"Project": "tests"}


def test_a_topic_delivers_to_a_queue(begin, cloud: CloudBeside) -> None:
    topic = begin("aws:sns/topic:Topic", "alarms")
    arn = topic.create(displayName="Alarms").id
    topic.update(displayName="All alarms", tags={"a": "b"})
    policy = begin("aws:sns/topicPolicy:TopicPolicy", "policy")
    policy.create(arn=arn, policy=POLICY)
    policy.update(arn=arn, policy={**POLICY, "Id": "x"})
    queue = begin("aws:sqs/queue:Queue", "queue").create()
    subscription = begin("aws:sns/topicSubscription:TopicSubscription", "queue")
    subscription.create(topic=arn, protocol="sqs", endpoint=queue.outputs["arn"], rawMessageDelivery=True)
    subscription.update(topic=arn, protocol="sqs", endpoint=queue.outputs["arn"], filterPolicy={"kind": ["alarm"]})
    assert len(cloud.client("sns").list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]) == 1


def test_a_rule_has_a_target(begin, cloud: CloudBeside) -> None:
    queue = begin("aws:sqs/queue:Queue", "queue").create().outputs["arn"]
    rule = begin("aws:cloudwatch/eventRule:EventRule", "uploads")
    name = rule.create(eventPattern={"source": ["aws.s3"]}, description="uploads").id
    rule.update(eventPattern={"source": ["aws.s3", "aws.ecr"]}, description="more", state="DISABLED", tags={"a": "b"})
    target = begin("aws:cloudwatch/eventTarget:EventTarget", "queue")
    target.create(rule=name, arn=queue)
    target.update(
        rule=name,
        arn=queue,
        inputTransformer={"inputPaths": {"k": "$.detail.key"}, "inputTemplate": '{"key": <k>}'},
        retryPolicy={"maximumRetryAttempts": 2, "maximumEventAgeInSeconds": 60},
        deadLetterConfig={"arn": queue},
    )
    assert cloud.client("events").describe_rule(Name=name)["State"] == "DISABLED"
    assert target.replaces(rule="another", arn=queue) == ["rule"]


def test_a_schedule_lives_in_a_group(begin, cloud: CloudBeside) -> None:
    group = begin("aws:scheduler/scheduleGroup:ScheduleGroup", "group").create(tags={"a": "b"})
    schedule = begin("aws:scheduler/schedule:Schedule", "daily")
    inputs = {
        "groupName": group.id,
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {
            "arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "roleArn": "arn:aws:iam::123456789012:role/r",
            "input": "{}",
            "retryPolicy": {"maximumRetryAttempts": 1, "maximumEventAgeInSeconds": 60},
        },
    }
    state = schedule.create(scheduleExpression="rate(1 day)", **inputs)
    schedule.update(scheduleExpression="cron(0 3 * * ? *)", state="DISABLED", **inputs)
    found = cloud.client("scheduler").get_schedule(GroupName=group.id, Name=state.outputs["name"])
    assert (found["State"], found["Target"]["RetryPolicy"]["MaximumRetryAttempts"]) == ("DISABLED", 1)


def test_an_alarm_is_put_and_changed(begin, cloud: CloudBeside) -> None:
    alarm = begin("aws:cloudwatch/metricAlarm:MetricAlarm", "errors")
    inputs = {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "period": 60,
        "treatMissingData": "notBreaching",
        "alarmActions": ["arn:aws:sns:us-east-1:123456789012:alarms"],
        "namespace": "AWS/Lambda",
        "metricName": "Errors",
        "dimensions": {"FunctionName": "f"},
    }
    name = alarm.create(statistic="Sum", threshold=0, **inputs).id
    alarm.update(extendedStatistic="p95", threshold=1.5, datapointsToAlarm=1, tags={"a": "b"}, **inputs)
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    assert (found["Threshold"], found["ExtendedStatistic"]) == (1.5, "p95")


def test_an_alarm_without_a_metric_is_refused(provider) -> None:
    inputs = {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1}
    _, failures = provider.check("aws:cloudwatch/metricAlarm:MetricAlarm", "a", {}, inputs, b"")
    assert [failure.reason for failure in failures] == ["an alarm needs `metric_name` or `metric_queries`"]


def test_a_log_group_keeps_what_it_is_told_to(begin, cloud: CloudBeside) -> None:
    group = begin("aws:cloudwatch/logGroup:LogGroup", "logs")
    name = group.create(retentionInDays=7).id
    group.update(retentionInDays=30, tags={"a": "b"})
    found = cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
    assert found["retentionInDays"] == 30
    group.update()
    policy = begin("aws:cloudwatch/logResourcePolicy:LogResourcePolicy", "policy")
    policy.create(policyName="p", policyDocument=POLICY)
    policy.update(policyName="p", policyDocument={**POLICY, "Statement": []})


def test_a_dashboard_is_compared_by_meaning(begin) -> None:
    dashboard = begin("aws:cloudwatch/dashboard:Dashboard", "board")
    dashboard.create(dashboardName="board", dashboardBody='{"widgets": []}')
    assert dashboard.replaces(dashboardName="board", dashboardBody='{"widgets":[]}') == []
    dashboard.update(dashboardName="board", dashboardBody={"widgets": [{"type": "text", "properties": {}}]})


def test_a_state_machine_is_changed_in_place(begin, cloud: CloudBeside) -> None:
    role = begin("aws:iam/role:Role", "sfn").create(assumeRolePolicy=POLICY).outputs["arn"]
    logs = begin("aws:cloudwatch/logGroup:LogGroup", "logs").create().outputs["arn"]
    definition = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
    logging = {"level": "ALL", "includeExecutionData": True, "logDestination": f"{logs}:*"}
    machine = begin("aws:sfn/stateMachine:StateMachine", "train")
    state = machine.create(
        definition=definition, roleArn=role, loggingConfiguration=logging, tracingConfiguration={"enabled": True}
    )
    definition["States"] = {"A": {"Type": "Pass", "End": True}}
    machine.update(definition=definition, roleArn=role, loggingConfiguration=logging, tags={"a": "b"})
    found = cloud.client("stepfunctions").describe_state_machine(stateMachineArn=state.id)
    assert json.loads(found["definition"]) == definition
    assert machine.replaces(name="x", definition=definition, roleArn=role) == ["name"]


def test_an_http_api_answers_where_the_cloud_says(begin, cloud: CloudBeside) -> None:
    api = begin("aws:apigatewayv2/api:Api", "api")
    state = api.create(protocolType="HTTP", corsConfiguration={"allowOrigins": ["*"]})
    api.update(protocolType="HTTP", description="models", tags={"a": "b"})
    integration = begin("aws:apigatewayv2/integration:Integration", "predict")
    inputs = {
        "apiId": state.id,
        "integrationType": "AWS_PROXY",
        "integrationUri": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "payloadFormatVersion": "2.0",
    }
    identity = integration.create(**inputs).id
    integration.update(**inputs, timeoutMilliseconds=5000)
    route = begin("aws:apigatewayv2/route:Route", "predict")
    route.create(apiId=state.id, routeKey="GET /models", target=f"integrations/{identity}")
    route.update(apiId=state.id, routeKey="GET /models", target=f"integrations/{identity}", authorizationType="AWS_IAM")
    stage = begin("aws:apigatewayv2/stage:Stage", "default")
    made = stage.create(apiId=state.id, name="$default", autoDeploy=True)
    endpoint = cloud.client("apigatewayv2").get_api(ApiId=state.id)["ApiEndpoint"]
    assert (state.outputs["apiEndpoint"], made.outputs["invokeUrl"]) == (endpoint, f"{endpoint}/")
    throttling = {"throttlingBurstLimit": 10, "throttlingRateLimit": 5}
    stage.update(apiId=state.id, name="$default", autoDeploy=True, defaultRouteSettings=throttling)


@pytest.mark.parametrize("zone", ["us-east-1a"])
def test_a_network_is_built_and_taken_down(begin, cloud: CloudBeside, zone: str) -> None:
    vpc = begin("aws:ec2/vpc:Vpc", "net")
    home = vpc.create(cidrBlock="10.42.0.0/24").id
    outputs = vpc.update(cidrBlock="10.42.0.0/24", enableDnsHostnames=True, tags={"Name": "net"}).outputs
    assert outputs["defaultSecurityGroupId"].startswith("sg-")
    gateway = begin("aws:ec2/internetGateway:InternetGateway", "net").create(vpcId=home).id
    table = begin("aws:ec2/routeTable:RouteTable", "net").create(vpcId=home, tags={"Name": "net"}).id
    begin("aws:ec2/route:Route", "out").create(routeTableId=table, destinationCidrBlock="0.0.0.0/0", gatewayId=gateway)
    subnet = begin("aws:ec2/subnet:Subnet", "net")
    place = {"vpcId": home, "cidrBlock": "10.42.0.0/26", "availabilityZone": zone}
    identity = subnet.create(**place).id
    subnet.update(**place, mapPublicIpOnLaunch=True)
    begin("aws:ec2/routeTableAssociation:RouteTableAssociation", "net").create(subnetId=identity, routeTableId=table)
    endpoint = begin("aws:ec2/vpcEndpoint:VpcEndpoint", "s3")
    endpoint.create(vpcId=home, serviceName="com.amazonaws.us-east-1.s3", routeTableIds=[table])
    endpoint.update(vpcId=home, serviceName="com.amazonaws.us-east-1.s3", routeTableIds=[table], tags={"a": "b"})
    begin("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "net").create(vpcId=home, ingress=[], egress=[])
    group = begin("aws:ec2/securityGroup:SecurityGroup", "tasks")
    out = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["0.0.0.0/0"], "description": "HTTPS"}
    sg = group.create(vpcId=home, description="tasks", ingress=[], egress=[out]).id
    group.update(vpcId=home, description="tasks", ingress=[], egress=[{**out, "cidrBlocks": ["10.0.0.0/8"]}])
    found = cloud.client("ec2").describe_security_groups(GroupIds=[sg])["SecurityGroups"][0]
    assert [rule["IpRanges"][0]["CidrIp"] for rule in found["IpPermissionsEgress"]] == ["10.0.0.0/8"]
    rule = {"securityGroupId": sg, "ipProtocol": "tcp", "fromPort": 1, "toPort": 2, "cidrIpv4": "10.1.0.0/16"}
    begin("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "in").create(**rule)
    begin("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "out").create(**rule)
    role = begin("aws:iam/role:Role", "flow").create(assumeRolePolicy=POLICY).outputs["arn"]
    logs = begin("aws:cloudwatch/logGroup:LogGroup", "flow").create().outputs["arn"]
    begin("aws:ec2/flowLog:FlowLog", "net").create(
        vpcId=home, trafficType="ALL", logDestination=logs, iamRoleArn=role, maxAggregationInterval=60
    )
