"""The alarm manager as SNS and its queue invoke it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from headwater.alarms.events import UNPARSED
from headwater.alarms.store import DECLARED_KEY, AlarmStore
from headwater.declare.alarms import configured_alarms
from headwater.handlers.alarms import manage
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.alarms.cases import hosting, message, sns
from tests.unit.handlers.serving.cases import Context
from tests.unit.registry.cases import TABLE, make_table, mocked_aws


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A queue that is subscribed to the notifications' topic as people are by e-mail."""
    with mocked_aws(monkeypatch):
        make_table()
        topic = CLIENTS("sns").create_topic(Name="notifications")["TopicArn"]
        queue = CLIENTS("sqs").create_queue(QueueName="mailbox")["QueueUrl"]
        CLIENTS("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn_of(queue))
        deploy(monkeypatch, topic)
        yield queue


def arn_of(queue: str) -> str:
    found = CLIENTS("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])


def deploy(monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
    timers = CLIENTS("sqs").create_queue(QueueName="alarms")["QueueUrl"]
    letters = CLIENTS("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
    CLIENTS("scheduler").create_schedule_group(Name="alarms")
    declare(emails=1)
    environment = manage.Settings.environment(
        registry_table=TABLE, artifacts_bucket="artifacts", declared_sha256="1", stack="headwater/dev",
        prefix="headwater-dev-", alarms_queue_url=timers, alarms_queue_arn=arn_of(timers), dead_letters_url=letters,
        schedule_group="alarms", schedule_role_arn="arn:aws:iam::123456789012:role/timers",
        notifications_topic_arn=topic,
    )  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget()


def declare(*, emails: int, webhooks: int = 0) -> None:
    declared = configured_alarms(emails=emails, webhooks=webhooks, repeat_interval=timedelta(hours=4))
    CLIENTS("s3").create_bucket(Bucket="artifacts")
    CLIENTS("s3").put_object(Bucket="artifacts", Key=DECLARED_KEY, Body=declared.model_dump_json())


def forget() -> None:
    for once in (manage.settings, manage.declared, manage.queue, manage.manager, manage.delivery):
        once.cache_clear()  # type: ignore[attr-defined]


def work() -> list[dict[str, Any]]:
    """Handle what waits in the queue and may be seen, as Lambda does, until there is nothing."""
    sqs, url, done = CLIENTS("sqs"), manage.settings().alarms_queue_url, []
    while found := sqs.receive_message(QueueUrl=url).get("Messages", []):
        for entry in found:
            done += manage.handler({"Records": [{"body": entry["Body"]}]}, Context())["handled"]  # type: ignore[arg-type]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=entry["ReceiptHandle"])
    return done


def mails(queue: str) -> list[tuple[str, str]]:
    """Subject and text of what arrived since the last look."""
    found = CLIENTS("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    bodies = [json.loads(entry["Body"]) for entry in found]
    return [(body["Subject"], body["Message"]) for body in bodies]


def handle(content: str, message_id: str = "m-1") -> str:
    (handled,) = manage.handler(sns(content, message_id), Context())["handled"]  # type: ignore[arg-type]
    decision: str = handled["decision"]
    return decision


def test_an_alarm_is_mailed_once_and_what_reminds_of_it_waits_with_the_scheduler(mailbox: str) -> None:
    for _ in range(2):
        assert handle(message("ALARM", name="headwater-dev-api-errors")) == "RECORDED"
        work()
    ((subject, text),) = mails(mailbox)
    assert subject == "ALARM: api-errors"
    assert "Threshold Crossed" in text
    assert "stack=headwater/dev" in text
    (reminder,) = CLIENTS("scheduler").list_schedules(GroupName="alarms")["Schedules"]
    found = CLIENTS("scheduler").get_schedule(GroupName="alarms", Name=reminder["Name"])
    assert found["ScheduleExpression"].startswith("at(")
    assert json.loads(found["Target"]["Input"])["group"] in reminder["Name"]


def test_a_message_that_is_no_alarm_is_kept_mailed_and_logged(mailbox: str, caplog: pytest.LogCaptureFixture) -> None:
    handle("the budget is used up")
    work()
    ((subject, text),) = mails(mailbox)
    assert subject == "ALARM: unparsed"
    assert "the budget is used up" in text
    assert "a message is no CloudWatch alarm; kept as it came" in caplog.text
    assert len(AlarmStore(Table(TABLE, CLIENTS)).records(UNPARSED)) == 1


def test_a_webhook_that_refuses_leaves_a_dead_letter_and_the_mail_goes_out(
    mailbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosting() as host:
        host.answer(404)
        declare(emails=1, webhooks=1)
        monkeypatch.setenv("HEADWATER_WEBHOOKS", host.url)
        monkeypatch.setenv("HEADWATER_ALLOW_HTTP_WEBHOOKS", "true")
        forget()
        handle(message("ALARM"))
        statuses = {entry["receiver"]: entry["status"] for entry in work() if "receiver" in entry}
    assert statuses == {"email": "SENT", "webhook-1": "FAILED"}
    assert len(mails(mailbox)) == 1
    (letter,) = CLIENTS("sqs").receive_message(QueueUrl=manage.settings().dead_letters_url)["Messages"]
    assert json.loads(letter["Body"])["problem"] == "127.0.0.1: HTTP 404"


def test_an_event_that_a_client_sent_is_taken_as_one_of_the_topic(mailbox: str) -> None:
    event = {"name": "disk", "state": "ALARM", "at": "2013-05-01T12:00:00Z", "id": "1", "labels": {"host": "a"}}
    manage.handler({"Records": [{"body": json.dumps({"event": event})}]}, Context())  # type: ignore[arg-type]
    work()
    assert [subject for subject, _ in mails(mailbox)] == ["ALARM: disk"]


DAILY: dict[str, Any] = {"source": "aws.events", "detail-type": "Scheduled Event"}


def test_the_daily_rule_audits_and_finds_nothing_wrong(mailbox: str) -> None:
    put_alarm("api-errors")
    handle(message("ALARM"))
    work()
    assert manage.handler(DAILY, Context()) == {"overdue": [], "removed": []}  # type: ignore[arg-type]


def test_an_alarm_that_is_taken_away_while_it_fires_is_over_the_day_after(mailbox: str) -> None:
    marked = {"AlarmDescription": 'Errors [headwater capability="serving"]'}
    put_alarm("api-errors")
    handle(message("ALARM", **marked))
    handle(message("ALARM", name="gone", **marked))
    handle(message("ALARM", name="somebody-elses"))
    handle(message("ALARM", name="over", **marked))
    handle(message("OK", 1, name="over", **marked))
    event = {"name": "disk", "state": "ALARM", "at": "2013-05-01T12:00:00Z", "id": "1", "labels": {"host": "a"}}
    manage.handler({"Records": [{"body": json.dumps({"event": event})}]}, Context())  # type: ignore[arg-type]
    work()
    # Alarms that the stack didn't deploy, and what a client sent, aren't the stack's to end.
    assert manage.handler(DAILY, Context()) == {"overdue": [], "removed": ["gone"]}  # type: ignore[arg-type]
    work()
    firing = {one.name for _, members in manage.manager().open_groups() for one in members if one.is_firing}
    assert firing == {"api-errors", "disk", "somebody-elses"}
    assert manage.handler(DAILY, Context()) == {"overdue": [], "removed": []}  # type: ignore[arg-type]


def put_alarm(name: str) -> None:
    CLIENTS("cloudwatch").put_metric_alarm(
        AlarmName=f"headwater-dev-{name}", Namespace="n", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip


def test_a_name_that_no_mail_could_carry_is_made_plain(mailbox: str) -> None:
    handle(message("ALARM", name="Größe\n" + "x" * 200))
    work()
    ((subject, _),) = mails(mailbox)
    assert subject.startswith("ALARM: Gr??e x")
    assert len(subject) == 100


def test_without_deployed_routes_the_function_says_what_to_do(mailbox: str) -> None:
    CLIENTS("s3").delete_object(Bucket="artifacts", Key=DECLARED_KEY)
    forget()
    with pytest.raises(Exception, match="there are no routes in s3://artifacts: deploy the stack again"):
        handle(message("ALARM"))
