"""Events reach the targets of rules, at least once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.events import EventsEmulator

from .conftest import Functions, Queue, eventually

MakeQueue = Callable[..., Queue]


def put_rule(cloud: Cloud, name: str, target: dict[str, Any], *, bus: str = "default", **pattern: Any) -> str:
    events = cloud.client("events")
    pattern = pattern or {"source": [name]}
    arn: str = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "it", **target}])
    return arn


def put_event(cloud: Cloud, source: str, *, bus: str = "default", **detail: Any) -> None:
    entry = {"Source": source, "DetailType": "test", "Detail": json.dumps(detail), "EventBusName": bus}
    assert cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def metric(cloud: Cloud, name: str, rule: str) -> float:
    now = cloud.clock.now()
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Events",
        MetricName=name,
        Dimensions=[{"Name": "RuleName", "Value": rule}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in answer["Datapoints"])


def watch_bucket(cloud: Cloud, bucket: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})


def test_an_upload_reaches_a_function_with_all_that_s3_tells(
    cloud: Cloud, functions: Functions, events: EventsEmulator
) -> None:
    watch_bucket(cloud, "uploads")
    arn = functions.create("noted-uploads", allow="events.amazonaws.com")
    put_rule(
        cloud,
        "uploads",
        {"Arn": arn},
        source=["aws.s3"],
        detail={"bucket": {"name": ["uploads"]}, "object": {"key": [{"prefix": "landing/"}]}},
        **{"detail-type": ["Object Created"]},
    )
    s3 = cloud.client("s3")
    s3.put_object(Bucket="uploads", Key="elsewhere/x", Body=b"ignored")
    versions = [s3.put_object(Bucket="uploads", Key="landing/a b.csv", Body=b"12345")["VersionId"] for _ in range(2)]
    received = eventually(lambda: (found := functions.events.get("noted-uploads", [])) and len(found) == 2 and found)

    by_version = {event["detail"]["object"]["version-id"]: event for event in received}
    assert set(by_version) == set(versions)
    event = by_version[versions[0]]
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == ["arn:aws:s3:::uploads"]
    assert event["time"].endswith("Z")
    assert event["detail"]["reason"] == "PutObject"
    assert event["detail"]["bucket"] == {"name": "uploads"}
    described = event["detail"]["object"]
    assert (described["key"], described["size"]) == ("landing/a b.csv", 5)
    assert described["etag"] == "827ccb0eea8a706c4c34a16891f84e7b"
    assert described["sequencer"] < by_version[versions[1]]["detail"]["object"]["sequencer"]
    events.settle()


def test_each_way_to_make_an_object_is_told_once(cloud: Cloud, queue: MakeQueue, events: EventsEmulator) -> None:
    watch_bucket(cloud, "ways")
    target = queue("ways")
    put_rule(cloud, "ways", {"Arn": target.arn}, source=["aws.s3"], detail={"bucket": {"name": ["ways"]}})
    s3 = cloud.client("s3")
    s3.put_object(Bucket="ways", Key="put", Body=b"1")
    s3.copy_object(Bucket="ways", Key="copy", CopySource={"Bucket": "ways", "Key": "put"})
    upload = s3.create_multipart_upload(Bucket="ways", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="ways", Key="parts", UploadId=upload, PartNumber=1, Body=b"12")
    s3.complete_multipart_upload(
        Bucket="ways",
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    s3.put_object_tagging(Bucket="ways", Key="put", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    events.settle()
    received = sorted(target.bodies(), key=lambda event: event["detail"]["object"]["sequencer"])
    assert [(event["detail-type"], event["detail"].get("reason")) for event in received] == [
        ("Object Created", "PutObject"),
        ("Object Created", "CopyObject"),
        ("Object Created", "CompleteMultipartUpload"),
        ("Object Tags Added", None),
    ]
    assert [event["detail"]["object"]["size"] for event in received[:3]] == [1, 1, 2]


def test_a_delete_marker_is_told_as_such_and_so_is_its_end(
    cloud: Cloud, queue: MakeQueue, events: EventsEmulator
) -> None:
    watch_bucket(cloud, "deletions")
    target = queue("deletions")
    put_rule(cloud, "deletions", {"Arn": target.arn}, source=["aws.s3"], **{"detail-type": ["Object Deleted"]})
    s3, place = cloud.client("s3"), {"Bucket": "deletions", "Key": "k"}
    version = s3.put_object(Body=b"", **place)["VersionId"]
    marker = s3.delete_object(**place)["VersionId"]
    events.settle()
    (event,) = target.bodies()
    assert event["detail"]["deletion-type"] == "Delete Marker Created"
    assert event["detail"]["reason"] == "DeleteObject"
    s3.delete_objects(Bucket="deletions", Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    s3.delete_objects(Bucket="deletions", Delete={"Objects": [{"Key": "k", "VersionId": marker}]})
    events.settle()
    (event,) = target.bodies()
    assert event["detail"]["deletion-type"] == "Permanently Deleted"


def test_a_function_that_doesnt_allow_the_rule_is_not_invoked_and_counts_as_failed(
    cloud: Cloud, functions: Functions, queue: MakeQueue, events: EventsEmulator
) -> None:
    arn = functions.create("noted-closed")
    dead = queue("closed-dead")
    rule = put_rule(cloud, "closed", {"Arn": arn, "DeadLetterConfig": {"Arn": dead.arn}})
    put_event(cloud, "closed", n=1)
    events.settle()
    assert "noted-closed" not in functions.events
    (letter,) = dead.receive()
    assert json.loads(letter["Body"])["detail"] == {"n": 1}
    reasons = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert reasons["RULE_ARN"] == rule
    assert reasons["TARGET_ARN"] == arn
    assert reasons["ERROR_CODE"] == "NO_PERMISSIONS"
    assert "EXHAUSTED_RETRY_CONDITION" not in reasons
    assert metric(cloud, "FailedInvocations", "closed") == 1
    assert metric(cloud, "InvocationsSentToDlq", "closed") == 1


def test_a_permission_for_another_rule_doesnt_count(cloud: Cloud, functions: Functions, events: EventsEmulator) -> None:
    rule = "arn:aws:events:us-east-1:123456789012:rule/x"
    arn = functions.create("noted-other", allow="events.amazonaws.com", source=rule)
    put_rule(cloud, "other", {"Arn": arn})
    put_event(cloud, "other")
    events.settle()
    assert "noted-other" not in functions.events


def test_a_busy_function_is_tried_again(cloud: Cloud, functions: Functions, events: EventsEmulator) -> None:
    rule = "arn:aws:events:us-east-1:123456789012:rule/busy"
    arn = functions.create("noted-busy", allow="events.amazonaws.com", source=rule)
    functions.failures["noted-busy"] = 3
    assert put_rule(cloud, "busy", {"Arn": arn}) == rule
    put_event(cloud, "busy", n=1)
    events.settle()
    assert [event["detail"] for event in functions.events["noted-busy"]] == [{"n": 1}]
    assert metric(cloud, "Invocations", "busy") == 1


def test_retries_that_are_used_up_end_in_the_dead_letter_queue(
    cloud: Cloud, functions: Functions, queue: MakeQueue, events: EventsEmulator
) -> None:
    arn = functions.create("noted-down", allow="events.amazonaws.com")
    functions.failures["noted-down"] = 1000
    dead = queue("down-dead")
    retries = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}
    put_rule(cloud, "down", {"Arn": arn, "RetryPolicy": retries, "DeadLetterConfig": {"Arn": dead.arn}})
    put_event(cloud, "down", n=1)
    events.settle()
    (letter,) = dead.receive()
    reasons = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert reasons["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert reasons["RETRY_ATTEMPTS"] == "2"
    assert reasons["ERROR_CODE"] == "THROTTLING"


def test_an_event_starts_a_state_machine(cloud: Cloud, events: EventsEmulator) -> None:
    machine = cloud.client("stepfunctions").create_state_machine(
        name="by-event",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )["stateMachineArn"]
    put_rule(cloud, "by-event", {"Arn": machine, "RoleArn": "arn:aws:iam::1:role/r", "InputPath": "$.detail"})
    put_event(cloud, "by-event", n=1)
    events.settle()
    states = cloud.client("stepfunctions")
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    assert json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"]) == {"n": 1}


def test_events_travel_through_buses_topics_and_ordered_queues_and_into_logs(
    cloud: Cloud, queue: MakeQueue, events: EventsEmulator
) -> None:
    ordered = queue("ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    plain = queue("by-topic")
    topic = cloud.client("sns").create_topic(Name="by-rule")["TopicArn"]
    cloud.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=plain.arn, Attributes={"RawMessageDelivery": "true"}
    )
    cloud.client("logs").create_log_group(logGroupName="/aws/events/all")
    bus = cloud.client("events").create_event_bus(Name="second")["EventBusArn"]
    put_rule(cloud, "forward", {"Arn": bus}, source=["travel"])
    put_rule(
        cloud,
        "arrive-ordered",
        {"Arn": ordered.arn, "SqsParameters": {"MessageGroupId": "g"}},
        bus="second",
        source=["travel"],
    )
    put_rule(cloud, "arrive-topic", {"Arn": topic}, bus="second", source=["travel"])
    logs = f"arn:aws:logs:us-east-1:{cloud.account_id}:log-group:/aws/events/all"
    put_rule(cloud, "arrive-logs", {"Arn": logs}, bus="second", source=["travel"])
    put_event(cloud, "travel", n=1)
    events.settle()
    (first,) = ordered.receive()
    assert first["Attributes"]["MessageGroupId"] == "g"
    (second,) = plain.bodies()
    assert second == json.loads(first["Body"])
    written = cloud.client("logs").filter_log_events(logGroupName="/aws/events/all")["events"]
    assert [json.loads(line["message"])["id"] for line in written] == [second["id"]]


def test_a_disabled_rule_and_a_rule_with_a_schedule_only_match_nothing(
    cloud: Cloud, queue: MakeQueue, events: EventsEmulator
) -> None:
    target = queue("never")
    put_rule(cloud, "never", {"Arn": target.arn})
    cloud.client("events").disable_rule(Name="never")
    cloud.client("events").put_rule(Name="only-on-time", ScheduleExpression="rate(1 day)")
    cloud.client("events").put_targets(Rule="only-on-time", Targets=[{"Id": "it", "Arn": target.arn}])
    put_event(cloud, "never")
    events.settle()
    assert target.receive() == []
    cloud.client("events").remove_targets(Rule="only-on-time", Ids=["it"])


def test_an_archive_keeps_events_and_plays_them_again(cloud: Cloud, queue: MakeQueue, events: EventsEmulator) -> None:
    client = cloud.client("events")
    bus = client.create_event_bus(Name="archived")["EventBusArn"]
    archive = client.create_archive(ArchiveName="all", EventSourceArn=bus)["ArchiveArn"]
    target = queue("replayed")
    put_rule(cloud, "replayed", {"Arn": target.arn}, bus="archived")
    put_event(cloud, "replayed", bus="archived", n=1)
    events.settle()
    (original,) = target.bodies()
    now = cloud.clock.now()
    client.start_replay(
        ReplayName="again",
        EventSourceArn=archive,
        EventStartTime=now - timedelta(hours=1),
        EventEndTime=now,
        Destination={"Arn": bus},
    )
    events.settle()
    (again,) = target.bodies()
    assert (again["replay-name"], again["detail"], again["time"]) == ("again", {"n": 1}, original["time"])
    assert client.describe_archive(ArchiveName="all")["EventCount"] == 1


def test_tests_can_have_every_event_delivered_twice_or_in_another_order(
    cloud: Cloud, queue: MakeQueue, events: EventsEmulator
) -> None:
    target = queue("faults")
    put_rule(cloud, "faults", {"Arn": target.arn})
    events.deliver_twice = True
    put_event(cloud, "faults", n=1)
    events.settle()
    first, second = target.bodies()
    assert first == second
    events.deliver_twice = False
    with events.reordered():
        for n in range(3):
            put_event(cloud, "faults", n=n)
    assert [event["detail"]["n"] for event in target.bodies()] == [2, 1, 0]


def test_a_target_with_two_inputs_is_refused(cloud: Cloud) -> None:
    cloud.client("events").put_rule(Name="inputs", EventPattern='{"source": ["inputs"]}')
    with pytest.raises(ClientError, match="Only one of Input, InputPath, or InputTransformer must be provided"):
        cloud.client("events").put_targets(
            Rule="inputs", Targets=[{"Id": "it", "Arn": "arn:aws:sqs:us-east-1:1:q", "Input": "{}", "InputPath": "$"}]
        )
