"""A resource never loses what it has because another one of a state is deleted (pulumi-aws#511)."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from localcloud.engine import DeployError
from localcloud.engine.ownership import Neighbour, Ownership
from localcloud.engine.state import ResourceState
from localcloud.engine.state_snapshot import StateSnapshot
from localcloud.provider import LocalProvider, ProviderError
from localcloud.testing import CloudBeside, Program

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
# Each with the name, or the id, that the cloud knows it by.
IDEMPOTENT = {
    "bucket": 'aws.s3.Bucket("{}", bucket="mine-x")',
    "queue": 'aws.sqs.Queue("{}", name="mine-x")',
    "topic": 'aws.sns.Topic("{}", name="mine-x")',
    "rule": 'aws.cloudwatch.EventRule("{}", name="mine-x", schedule_expression="rate(1 hour)")',
    "alarm": 'aws.cloudwatch.MetricAlarm("{}", name="mine-x", namespace="N", metric_name="M", evaluation_periods=1, '
    'comparison_operator="GreaterThanThreshold", period=60, threshold=0, statistic="Sum")',
    "log group": 'aws.cloudwatch.LogGroup("{}", name="mine-x")',
    "dashboard": 'aws.cloudwatch.Dashboard("{}", dashboard_name="mine-x", dashboard_body="{{}}")',
    "cluster": 'aws.ecs.Cluster("{}", name="mine-x")',
    "role": f'aws.iam.Role("{{}}", name="mine-x", assume_role_policy={TRUST.replace("{", "{{").replace("}", "}}")!r})',
    "parameter": 'aws.ssm.Parameter("{}", name="/mine/x", type="String", value="1", overwrite=True)',
}

PROVIDER = LocalProvider({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "us-east-1"})
CLAIMS: dict[str, tuple[str, dict[str, str]]] = {
    "bucket": ("aws:s3/bucket:Bucket", {"bucket": "x"}),
    "queue": ("aws:sqs/queue:Queue", {"name": "x"}),
    "topic": ("aws:sns/topic:Topic", {"name": "x"}),
    "rule": ("aws:cloudwatch/eventRule:EventRule", {"name": "x", "eventBusName": "default"}),
    "alarm": ("aws:cloudwatch/metricAlarm:MetricAlarm", {"name": "x"}),
    "log group": ("aws:cloudwatch/logGroup:LogGroup", {"name": "x"}),
    "dashboard": ("aws:cloudwatch/dashboard:Dashboard", {"dashboardName": "x"}),
    "cluster": ("aws:ecs/cluster:Cluster", {"name": "x"}),
    "role": ("aws:iam/role:Role", {"name": "x"}),
    "parameter": ("aws:ssm/parameter:Parameter", {"name": "x"}),
    "subscription": ("aws:sns/topicSubscription:TopicSubscription", {"topic": "t", "protocol": "sqs", "endpoint": "q"}),
    "attachment": ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "r", "policyArn": "p"}),
    "bucket's policy": ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "x"}),
    "queue's policy": ("aws:sqs/queuePolicy:QueuePolicy", {"queueUrl": "u"}),  # pulumi-aws#1923, and #5900 of buckets
    "object": ("aws:s3/bucketObjectv2:BucketObjectv2", {"bucket": "x", "key": "y"}),
    "target": ("aws:cloudwatch/eventTarget:EventTarget", {"rule": "x", "targetId": "y", "eventBusName": "default"}),
}


def there(cloud: CloudBeside) -> list[str]:
    """Names of everything of the cloud that may be called so."""
    found = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    found += cloud.client("sqs").list_queues().get("QueueUrls", [])
    found += [topic["TopicArn"] for topic in cloud.client("sns").list_topics()["Topics"]]
    found += [rule["Name"] for rule in cloud.client("events").list_rules()["Rules"]]
    found += [alarm["AlarmName"] for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    found += [group["logGroupName"] for group in cloud.client("logs").describe_log_groups()["logGroups"]]
    found += [board["DashboardName"] for board in cloud.client("cloudwatch").list_dashboards()["DashboardEntries"]]
    ecs = cloud.client("ecs")
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    found += [cluster["clusterName"] for cluster in clusters if cluster["status"] == "ACTIVE"]
    found += [role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]]
    found += [item["Name"] for item in cloud.client("ssm").describe_parameters()["Parameters"]]
    return [name for name in found if name.endswith(("mine-x", "/mine/x"))]


def named(logical: str, options: str = "") -> str:
    """A program with one resource of each kind, all with that logical name."""
    return "\n".join(text.format(logical)[:-1] + options + ")" for text in IDEMPOTENT.values())


def test_another_logical_name_does_not_lose_the_resource(program: Program, cloud: CloudBeside) -> None:
    program.write(named("one")).deploy()
    before = there(cloud)
    assert len(before) == len(IDEMPOTENT)
    # Both orders: what is new comes before what has the name, too.
    with pytest.raises(DeployError, match='belongs to "one", and one of the two would be deleted'):
        program.write(named("two") + "\n" + named("one")).deploy()
    with pytest.raises(DeployError, match='belongs to "one"'):
        program.write(named("two")).deploy()
    assert there(cloud) == before
    assert set(program.deploy_names()) == {"one"}
    aliased = ', opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="one")])'
    assert program.write(named("two", aliased)).deploy().changes == {"same": 1 + len(IDEMPOTENT)}
    assert (there(cloud), set(program.deploy_names())) == (before, {"two"})


@pytest.mark.parametrize("kind", CLAIMS)
def test_a_name_that_a_resource_of_the_type_has_is_refused_for_each_type(kind: str) -> None:
    token, inputs = CLAIMS[kind]
    one = ResourceState(f"urn:pulumi:s::p::{token}::one", token, True, "id", inputs, {})
    ownership = Ownership(StateSnapshot([one], None), tuple)
    with pytest.raises(ProviderError, match='belongs to "one"'):
        ownership.claim(one.urn.replace("one", "two"), token, inputs, PROVIDER)


def test_two_of_one_name_in_a_new_program_are_refused(program: Program, cloud: CloudBeside) -> None:
    text = IDEMPOTENT["queue"]
    with pytest.raises(DeployError, match="'mine-x' belongs to"):
        program.write(f"{text.format('one')}\n{text.format('two')}").deploy()
    assert len(there(cloud)) == len(program.deploy_names()) <= 1


def test_a_preview_says_that_a_name_is_taken(program: Program) -> None:
    program.write(IDEMPOTENT["queue"].format("one")).deploy()
    with pytest.raises(DeployError, match="'mine-x' belongs to \"one\""):
        program.write(IDEMPOTENT["queue"].format("two")).preview()


def test_what_another_stack_of_the_cloud_has_is_not_taken_over(program: Program, cloud: CloudBeside) -> None:
    program.write(IDEMPOTENT["bucket"].format("one")).deploy("first")
    before = there(cloud)
    with pytest.raises(DeployError, match=f'belongs to "one" of the stack {program.name}/first'):
        program.deploy("second")
    program.destroy("second")
    assert there(cloud) == before


def test_a_forced_replacement_deletes_nothing_for_a_name_that_is_taken(program: Program, cloud: CloudBeside) -> None:
    other = 'aws.s3.Bucket("two", bucket="{}", opts=pulumi.ResourceOptions(delete_before_replace=True))'
    text = f"{IDEMPOTENT['bucket'].format('one')}\n{other}"
    program.write(text.format("mine-y")).deploy()
    with pytest.raises(DeployError, match="'mine-x' belongs to \"one\""):
        program.write(text.format("mine-x")).deploy()
    names = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    assert {"mine-x", "mine-y"} <= set(names)


def test_an_import_does_not_take_what_another_resource_has(program: Program, cloud: CloudBeside) -> None:
    program.write(IDEMPOTENT["bucket"].format("one")).deploy()
    again = 'aws.s3.Bucket("two", bucket="mine-x", opts=pulumi.ResourceOptions(import_="mine-x"))'
    with pytest.raises(DeployError, match="'mine-x' belongs to \"one\""):
        program.write(again).deploy()
    assert there(cloud) == ["mine-x"]


def test_what_the_program_lets_go_of_may_get_another_logical_name(program: Program, cloud: CloudBeside) -> None:
    kept = IDEMPOTENT["queue"][:-1] + ", opts=pulumi.ResourceOptions(retain_on_delete=True))"
    program.write(kept.format("one")).deploy()
    program.write(IDEMPOTENT["queue"].format("two")).deploy()
    assert (len(there(cloud)), program.deploy_names()) == (1, ["two"])


def test_equal_names_in_different_places_are_different_resources(program: Program) -> None:
    program.write("""
        import json
        for number in ("1", "2"):
            api = aws.apigatewayv2.Api(f"api-{number}", name="same", protocol_type="HTTP")
            aws.apigatewayv2.Stage(f"stage-{number}", api_id=api.id, name="$default")
            rule = aws.cloudwatch.EventRule(f"rule-{number}", schedule_expression="rate(1 day)")
            queue = aws.sqs.Queue(f"queue-{number}")
            aws.cloudwatch.EventTarget(f"target-{number}", rule=rule.name, target_id="same", arn=queue.arn)
            group = aws.scheduler.ScheduleGroup(f"group-{number}")
    """)
    assert program.preview().changes == {"create": 13}
    assert program.deploy().changes == {"create": 13}


def queue(logical: str, name: str, **more: object) -> ResourceState:
    kind = "aws:sqs/queue:Queue"
    url = f"http://queue.amazonaws.com/123456789012/{name}"
    state = ResourceState(f"urn:pulumi:s::p::{kind}::{logical}", kind, True, url, {"name": name}, {})
    return replace(state, **more)  # type: ignore[arg-type]


STATES = st.lists(
    st.builds(queue, st.sampled_from("abcd"), st.sampled_from("xyz")), max_size=4, unique_by=lambda state: state.urn
)


@given(STATES, STATES)
def test_of_those_that_share_something_all_but_one_are_spared(
    own: list[ResourceState], of: list[ResourceState]
) -> None:
    snapshot = StateSnapshot(own, None)
    ownership = Ownership(snapshot, lambda: [Neighbour("p/other", state) for state in of])
    really = [state.id for state in own if not ownership.spared(state)]
    # Each thing goes once, and never if another stack has it.
    assert sorted(really) == sorted({state.id for state in own} - {state.id for state in of})


@given(STATES, st.sampled_from("abcd"), st.sampled_from("xyz"))
def test_a_name_is_given_unless_a_live_resource_has_it(own: list[ResourceState], logical: str, name: str) -> None:
    ownership = Ownership(StateSnapshot(own, None), tuple)
    new = queue(logical, name)
    taken = any(state.inputs["name"] == name and state.urn != new.urn for state in own)
    with pytest.raises(ProviderError, match="belongs to") if taken else nullcontext():
        assert ownership.claim(new.urn, new.type, {"name": name}, PROVIDER) is None


def test_what_waits_for_its_deletion_goes_before_its_name_is_given_again() -> None:
    left = queue("one", "x", delete=True)
    ownership = Ownership(StateSnapshot([left, queue("one", "y")], None), tuple)
    assert ownership.claim(left.urn, left.type, {"name": "x"}, PROVIDER) is left
