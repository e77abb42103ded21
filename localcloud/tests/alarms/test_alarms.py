"""Alarms change their state by the clock, and tell whoever should know."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from localcloud.cloud import Cloud
from localcloud.events import EventsEmulator

MINUTE = timedelta(minutes=1)


@pytest.fixture
def alarm(cloud: Cloud) -> Iterator[Callable[..., None]]:
    """Puts alarms that are gone after the test: the clock is shared."""
    made: list[str] = []

    def put(name: str, **settings: Any) -> None:
        made.append(name)
        common = {
            "Namespace": f"Test/{name}",
            "MetricName": "Errors",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        if "Metrics" in settings:
            for key in ("Namespace", "MetricName", "Statistic", "Period"):
                del common[key]
        if "ExtendedStatistic" in settings:
            del common["Statistic"]
        cloud.client("cloudwatch").put_metric_alarm(AlarmName=name, **(common | settings))

    yield put
    cloud.client("cloudwatch").delete_alarms(AlarmNames=made)


def inbox(cloud: Cloud, name: str) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
    """A topic, and what it has sent to a queue since the last time."""
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def receive() -> list[dict[str, Any]]:
        cloud.emulator(EventsEmulator).settle()
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return topic, receive


def describe(cloud: Cloud, name: str) -> dict[str, Any]:
    (found,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def state(cloud: Cloud, name: str) -> str:
    return str(describe(cloud, name)["StateValue"])


def test_an_error_raises_the_alarm_which_tells_its_topic_as_aws_does(cloud: Cloud, alarm: Callable[..., None]) -> None:
    topic, receive = inbox(cloud, "raised")
    alarm(
        "raised",
        AlarmDescription="it broke",
        AlarmActions=[topic],
        OKActions=[topic],
        TreatMissingData="notBreaching",
        Dimensions=[{"Name": "FunctionName", "Value": "f"}],
    )
    assert state(cloud, "raised") == "INSUFFICIENT_DATA"
    cloud.put_metric("Test/raised", "Errors", [1.0, 2.0], {"FunctionName": "f"})
    cloud.clock.advance(MINUTE)
    assert state(cloud, "raised") == "ALARM"
    (envelope,) = receive()
    assert envelope["Subject"] == 'ALARM: "raised" in US East (N. Virginia)'
    message = json.loads(envelope["Message"])
    assert (message["OldStateValue"], message["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert message["NewStateReason"].startswith("Threshold Crossed: 1 datapoint [3.0 (")
    assert message["NewStateReason"].endswith("was greater than the threshold (0.0).")
    assert message["AWSAccountId"] == cloud.account_id
    assert message["Region"] == "US East (N. Virginia)"
    assert message["AlarmDescription"] == "it broke"
    assert message["Trigger"] == {
        "MetricName": "Errors",
        "Namespace": "Test/raised",
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [{"name": "FunctionName", "value": "f"}],
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
    }
    described = json.loads(describe(cloud, "raised")["StateReasonData"])
    assert described["recentDatapoints"] == [3.0]
    assert described["evaluatedDatapoints"][0]["sampleCount"] == 2

    cloud.clock.advance(timedelta(days=30))
    (envelope,) = receive()
    message = json.loads(envelope["Message"])
    assert (message["OldStateValue"], message["NewStateValue"]) == ("ALARM", "OK")
    assert "treated as [NonBreaching]" in message["NewStateReason"]
    history = cloud.client("cloudwatch").describe_alarm_history(AlarmName="raised")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ]
    data = json.loads(history[1]["HistoryData"])
    assert data["newState"]["stateReasonData"]["threshold"] == 0.0


def test_m_out_of_n_datapoints_raise_an_alarm(cloud: Cloud, alarm: Callable[..., None]) -> None:
    alarm("some", EvaluationPeriods=3, DatapointsToAlarm=2, Threshold=5)
    states = []
    for value in (1, 9, 1, 9, 9, 1, 1):
        cloud.put_metric("Test/some", "Errors", [value], {})
        cloud.clock.advance(MINUTE)
        states.append(state(cloud, "some"))
    assert states[2:] == ["OK", "ALARM", "ALARM", "ALARM", "OK"]
    assert "out of the last 3 datapoints" in describe(cloud, "some")["StateReason"]


def test_a_percentile_is_held_against_the_threshold(cloud: Cloud, alarm: Callable[..., None]) -> None:
    alarm("slow", MetricName="Latency", ExtendedStatistic="p90", Threshold=90)
    cloud.put_metric("Test/slow", "Latency", [float(number) for number in range(1, 101)], {}, unit="Milliseconds")
    cloud.clock.advance(MINUTE)
    assert state(cloud, "slow") == "ALARM"
    now = cloud.clock.now()
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="Test/slow",
        MetricName="Latency",
        StartTime=now - timedelta(hours=1),
        EndTime=now,
        Period=3600,
        ExtendedStatistics=["p50", "p99"],
    )
    (point,) = answer["Datapoints"]
    assert point["ExtendedStatistics"]["p50"] == pytest.approx(50.5)
    assert point["ExtendedStatistics"]["p99"] == pytest.approx(99.01)


def test_a_formula_is_held_against_the_threshold(cloud: Cloud, alarm: Callable[..., None]) -> None:
    def stat(name: str) -> dict[str, Any]:
        return {
            "Metric": {"Namespace": "Test/rate", "MetricName": name, "Dimensions": []},
            "Period": 60,
            "Stat": "Sum",
        }

    metrics = [
        {"Id": "rate", "Expression": "100 * errors / calls", "Label": "error rate", "ReturnData": True},
        {"Id": "errors", "MetricStat": stat("Errors"), "ReturnData": False},
        {"Id": "calls", "MetricStat": stat("Calls"), "ReturnData": False},
    ]
    alarm("rate", Metrics=metrics, Threshold=5)
    cloud.put_metric("Test/rate", "Errors", [1], {})
    cloud.put_metric("Test/rate", "Calls", [10], {})
    cloud.clock.advance(MINUTE)
    assert state(cloud, "rate") == "ALARM"
    now = cloud.clock.now()
    answer = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=metrics, StartTime=now - timedelta(hours=1), EndTime=now
    )
    (result,) = answer["MetricDataResults"]
    assert (result["Id"], result["Label"], result["Values"]) == ("rate", "error rate", [10.0])


def test_setting_a_state_by_hand_acts_and_lasts_until_the_next_evaluation(
    cloud: Cloud, alarm: Callable[..., None]
) -> None:
    topic, receive = inbox(cloud, "by-hand")
    alarm("by-hand", AlarmActions=[topic], TreatMissingData="notBreaching")
    cloud.clock.advance(timedelta(hours=1))
    assert state(cloud, "by-hand") == "OK"
    cloud.client("cloudwatch").set_alarm_state(AlarmName="by-hand", StateValue="ALARM", StateReason="a test")
    (envelope,) = receive()
    assert json.loads(envelope["Message"])["NewStateReason"] == "a test"
    cloud.clock.advance(2 * MINUTE)
    assert state(cloud, "by-hand") == "OK"


def test_an_alarm_whose_actions_are_disabled_changes_but_tells_nobody(cloud: Cloud, alarm: Callable[..., None]) -> None:
    topic, receive = inbox(cloud, "quiet")
    alarm("quiet", AlarmActions=[topic], ActionsEnabled=False)
    cloud.put_metric("Test/quiet", "Errors", [1], {})
    cloud.clock.advance(MINUTE)
    assert state(cloud, "quiet") == "ALARM"
    assert receive() == []


def test_a_change_is_an_event(cloud: Cloud, alarm: Callable[..., None]) -> None:
    _, _ = inbox(cloud, "as-event")
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName="as-event-direct")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": ["as-event"], "state": {"value": ["ALARM"]}}}
    events.put_rule(Name="as-event", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="as-event", Targets=[{"Id": "it", "Arn": arn}])
    alarm("as-event")
    cloud.put_metric("Test/as-event", "Errors", [1], {})
    cloud.clock.advance(MINUTE)
    cloud.emulator(EventsEmulator).settle()
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"] == [describe(cloud, "as-event")["AlarmArn"]]
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert json.loads(event["detail"]["state"]["reasonData"])["period"] == 60
    (metric,) = event["detail"]["configuration"]["metrics"]
    assert metric["metricStat"]["metric"] == {"namespace": "Test/as-event", "name": "Errors", "dimensions": {}}


def test_a_message_in_a_dead_letter_queue_raises_an_alarm_until_it_is_gone(
    cloud: Cloud, alarm: Callable[..., None]
) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="watched")["QueueUrl"]
    alarm(
        "watched",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Statistic="Maximum",
        Dimensions=[{"Name": "QueueName", "Value": "watched"}],
    )
    cloud.clock.advance(timedelta(hours=1))
    assert state(cloud, "watched") == "OK"
    sqs.send_message(QueueUrl=url, MessageBody="lost")
    cloud.clock.advance(MINUTE)
    assert state(cloud, "watched") == "ALARM"
    cloud.clock.advance(timedelta(days=7))
    assert state(cloud, "watched") == "ALARM"
    sqs.purge_queue(QueueUrl=url)
    cloud.clock.advance(MINUTE)
    assert state(cloud, "watched") == "OK"


def test_an_alarm_that_is_put_again_keeps_its_state(cloud: Cloud, alarm: Callable[..., None]) -> None:
    alarm("kept")
    cloud.put_metric("Test/kept", "Errors", [1], {})
    cloud.clock.advance(MINUTE)
    alarm("kept", AlarmDescription="another text")
    assert state(cloud, "kept") == "ALARM"


def test_what_is_measured_without_a_time_is_measured_by_the_clouds_clock(cloud: Cloud) -> None:
    cloud.clock.advance(timedelta(days=1))
    cloud.client("cloudwatch").put_metric_data(
        Namespace="Test/now", MetricData=[{"MetricName": "x", "Value": 1, "Unit": "Count"}]
    )
    now = cloud.clock.now()
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="Test/now",
        MetricName="x",
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum", "Average", "SampleCount"],
    )
    (point,) = answer["Datapoints"]
    assert (point["Sum"], point["Average"], point["SampleCount"], point["Unit"]) == (1, 1, 1, "Count")
    assert isinstance(point["Timestamp"], datetime)
