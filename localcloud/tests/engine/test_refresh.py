"""What was changed behind Pulumi's back is found, and put right by the next deployment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from localcloud.provider.drift import says
from localcloud.testing import CloudBeside

from localcloud import engine

PROGRAM = """
    project = pulumi.get_project()
    queue = aws.sqs.Queue(f"{project}-queue", visibility_timeout_seconds=60, tags={"owner": "ml"})
    topic = aws.sns.Topic(f"{project}-topic")
    bucket = aws.s3.Bucket("refreshed", bucket="engine-tests-refreshed", force_destroy=True, tags={"owner": "ml"})
    aws.s3.BucketLifecycleConfiguration("refreshed", bucket=bucket.bucket, rules=[
        {"id": "old", "status": "Enabled", "filter": {"prefix": "tmp/"}, "expiration": {"days": 7}},
    ])
    aws.s3.BucketServerSideEncryptionConfiguration("refreshed", bucket=bucket.bucket, rules=[
        {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}},
    ])
    role = aws.iam.Role(f"{project}-role", description="reads", assume_role_policy='{"Statement": []}')
    group = aws.cloudwatch.LogGroup(f"{project}-log", retention_in_days=7)
    alarm = aws.cloudwatch.MetricAlarm(
        f"{project}-alarm", comparison_operator="GreaterThanThreshold", evaluation_periods=1, period=60,
        statistic="Sum", metric_name="Errors", namespace="AWS/Lambda", threshold=1, alarm_actions=[topic.arn],
    )
    for name, value in (("url", queue.url), ("topic", topic.arn), ("role", role.name), ("log", group.name)):
        pulumi.export(name, value)
    pulumi.export("alarm", alarm.name)
"""


def test_nothing_that_the_program_made_looks_changed(program) -> None:
    program.write(PROGRAM).deploy()
    before = program.resources()
    told: list[engine.ResourceEvent] = []
    found = engine.refresh(program.root, "local", environment=program.environment, on_event=told.append)
    assert program.resources() == before == found.resources
    assert {event.detail for event in told} == {""}


def test_what_was_changed_or_deleted_by_hand_is_found_and_put_right(program, cloud: CloudBeside) -> None:
    made = program.write(PROGRAM).deploy().outputs
    s3, bucket = cloud.client("s3"), "engine-tests-refreshed"
    cloud.client("sqs").set_queue_attributes(QueueUrl=made["url"], Attributes={"VisibilityTimeout": "5"})
    cloud.client("sqs").tag_queue(QueueUrl=made["url"], Tags={"by": "hand"})
    cloud.client("sns").delete_topic(TopicArn=made["topic"])
    s3.delete_bucket_tagging(Bucket=bucket)
    longer = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 70}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [longer]})
    s3.delete_bucket_encryption(Bucket=bucket)
    cloud.client("iam").update_role(RoleName=made["role"], Description="writes")
    cloud.client("logs").put_retention_policy(logGroupName=made["log"], retentionInDays=1)
    alarm = cloud.client("cloudwatch").describe_alarms(AlarmNames=[made["alarm"]])["MetricAlarms"][0]
    keys = ("AlarmName", "ComparisonOperator", "EvaluationPeriods", "Period", "Statistic", "MetricName", "Namespace")
    cloud.client("cloudwatch").put_metric_alarm(**{key: alarm[key] for key in keys}, Threshold=9)

    assert program.deploy().changes.keys() == {"same"}  # unasked, nobody looks
    told: list[engine.ResourceEvent] = []
    engine.refresh(program.root, "local", environment=program.environment, on_event=told.append)
    moved = {event.type.rpartition(":")[2]: event.detail for event in told if event.detail}
    assert moved == {
        "Queue": "tags, tagsAll, visibilityTimeoutSeconds",
        "Topic": "gone",
        "Bucket": "tags, tagsAll",
        "BucketLifecycleConfiguration": "rules",
        "BucketServerSideEncryptionConfiguration": "gone",
        "Role": "description",
        "LogGroup": "retentionInDays",
        "MetricAlarm": "alarmActions, threshold",
    }
    mended = program.deploy()
    assert mended.changes["create"] == 2
    assert mended.changes["update"] == 6
    assert cloud.client("sqs").list_queue_tags(QueueUrl=made["url"])["Tags"] == {"owner": "ml"}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rules[0]["Expiration"] == {"Days": 7}
    assert program.deploy().changes.keys() == {"same"}


def test_a_deployment_may_look_first(program, cloud: CloudBeside) -> None:
    program.write('secret = aws.ssm.Parameter("p", name="/engine/refresh", type="String", value="right")')
    program.deploy()
    cloud.client("ssm").put_parameter(Name="/engine/refresh", Value="wrong", Overwrite=True)
    looked = engine.deploy(program.root, "local", environment=program.environment, refresh=True)
    assert looked.changes == {"same": 1, "update": 1}
    assert cloud.client("ssm").get_parameter(Name="/engine/refresh")["Parameter"]["Value"] == "right"
    value = next(state for state in program.resources() if state.type == "aws:ssm/parameter:Parameter").inputs["value"]
    assert repr(value) == "Secret(…)"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.dictionaries(st.sampled_from("uvw"), VALUES, max_size=2))
def test_what_aws_fills_in_is_no_change(wanted: object, more: dict[str, object]) -> None:
    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {**{key: filled(item) for key, item in value.items()}, **more}
        return [filled(item) for item in value] if isinstance(value, list) else value

    assert says(filled(wanted), wanted)
    if isinstance(wanted, list):
        assert says(list(reversed(filled(wanted))), wanted, unordered=True)


def test_what_differs_within_is_a_change() -> None:
    wanted = [{"id": "a", "days": 1}, {"id": "b"}]
    assert says([{"id": "b", "days": 2}, {"id": "a", "days": 1}], wanted, unordered=True)
    assert not says([{"id": "b", "days": 2}, {"id": "a", "days": 1}], wanted)
    assert not says([{"id": "a", "days": 2}, {"id": "b"}], wanted, unordered=True)
    assert not says([*wanted, {"id": "c"}], wanted, unordered=True)
    assert not says({"a": 0}, {"a": 1, "b": 2})
