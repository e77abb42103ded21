"""Messages reach subscriptions, in AWS's formats, again if need be."""

from __future__ import annotations

import email
import email.policy
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.events import EventsEmulator

from .conftest import Functions, Queue

MakeQueue = Callable[..., Queue]


class Webhook(HTTPServer):
    """Notes what is posted to it; answers 503 as often as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[dict[str, str], str]] = []
        self.failures = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers["x-amz-sns-message-type"] == "Notification" and self.server.failures > 0:
            self.server.failures -= 1
            self.send_response(503)
        else:
            self.server.received.append((headers, body))
            self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def make_topic(cloud: Cloud, name: str) -> str:
    arn: str = cloud.client("sns").create_topic(Name=name)["TopicArn"]
    return arn


def test_a_function_gets_records_as_aws_writes_them(cloud: Cloud, functions: Functions, events: EventsEmulator) -> None:
    sns = cloud.client("sns")
    topic = make_topic(cloud, "to-function")
    arn = functions.create("noted-topic", allow="sns.amazonaws.com", source=topic)
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)["SubscriptionArn"]
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    sent = sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)["MessageId"]
    sns.publish(TopicArn=topic, Message="plain")
    events.settle()
    records = sorted(
        (event["Records"][0] for event in functions.events["noted-topic"]), key=lambda it: it["Sns"]["Message"]
    )
    record = records[0]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"] == subscription
    message = record["Sns"]
    assert {key: message[key] for key in ("Type", "MessageId", "TopicArn", "Subject", "Message")} == {
        "Type": "Notification",
        "MessageId": sent,
        "TopicArn": topic,
        "Subject": "s",
        "Message": "hello",
    }
    assert message["MessageAttributes"] == {"kind": {"Type": "String", "Value": "x"}}
    assert {"Timestamp", "SignatureVersion", "Signature", "SigningCertUrl", "UnsubscribeUrl"} < set(message)
    assert records[1]["Sns"]["Subject"] is None
    assert records[1]["Sns"]["MessageAttributes"] == {}


def test_a_function_that_doesnt_allow_the_topic_leaves_a_dead_letter(
    cloud: Cloud, functions: Functions, queue: MakeQueue, events: EventsEmulator
) -> None:
    sns = cloud.client("sns")
    topic = make_topic(cloud, "closed")
    dead = queue("topic-dead")
    arn = functions.create("noted-shut")
    redrive = json.dumps({"deadLetterTargetArn": dead.arn})
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn, Attributes={"RedrivePolicy": redrive})
    sns.publish(TopicArn=topic, Message="lost")
    events.settle()
    assert "noted-shut" not in functions.events
    assert [body["Message"] for body in dead.bodies()] == ["lost"]


def test_raw_delivery_can_be_switched_off_and_on(cloud: Cloud, queue: MakeQueue, events: EventsEmulator) -> None:
    sns = cloud.client("sns")
    topic = make_topic(cloud, "raw")
    target = queue("raw")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target.arn)["SubscriptionArn"]
    attributes = {"n": {"DataType": "Number", "StringValue": "7"}}
    for raw in ("false", "true"):
        sns.set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue=raw
        )
        sns.publish(TopicArn=topic, Message=json.dumps({"raw": raw}), MessageAttributes=attributes)
        events.settle()
    wrapped, raw_message = target.receive()
    assert json.loads(json.loads(wrapped["Body"])["Message"]) == {"raw": "false"}
    assert json.loads(raw_message["Body"]) == {"raw": "true"}
    assert raw_message["MessageAttributes"]["n"]["StringValue"] == "7"


def test_a_filter_policy_holds_messages_back(cloud: Cloud, queue: MakeQueue, events: EventsEmulator) -> None:
    sns = cloud.client("sns")
    topic = make_topic(cloud, "filtered")
    target = queue("filtered")
    policy = {"FilterPolicy": json.dumps({"severity": ["high"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target.arn, Attributes=policy)
    for severity in ("low", "high"):
        attributes = {"severity": {"DataType": "String", "StringValue": severity}}
        sns.publish(TopicArn=topic, Message=severity, MessageAttributes=attributes)
    events.settle()
    assert [body["Message"] for body in target.bodies()] == ["high"]


def test_a_webhook_is_asked_to_confirm_first_and_tried_again_when_it_fails(
    cloud: Cloud, webhook: Webhook, events: EventsEmulator
) -> None:
    sns = cloud.client("sns")
    topic = make_topic(cloud, "hook")
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    sns.publish(TopicArn=topic, Message="too early")
    events.settle()
    ((headers, body),) = webhook.received
    assert headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    request = json.loads(body)
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"

    with urlopen(request["SubscribeURL"]) as page:  # noqa: S310
        assert page.status == 200
    webhook.failures = 2
    sns.publish(TopicArn=topic, Message="now")
    events.settle()
    headers, body = webhook.received[-1]
    assert (headers["x-amz-sns-message-type"], headers["x-amz-sns-topic-arn"]) == ("Notification", topic)
    assert json.loads(body)["Message"] == "now"
    assert [json.loads(body)["Message"] for _, body in webhook.received].count("too early") == 0


def test_a_token_that_nobody_was_sent_confirms_nothing(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Token"):
        cloud.client("sns").confirm_subscription(TopicArn=make_topic(cloud, "tokens"), Token="made up")


def test_mail_is_written_to_the_outbox_once_the_subscription_is_confirmed(cloud: Cloud, events: EventsEmulator) -> None:
    sns = cloud.client("sns")
    topic = make_topic(cloud, "mail")
    arn = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ada@example.com", ReturnSubscriptionArn=True)[
        "SubscriptionArn"
    ]
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "true"
    sns.publish(TopicArn=topic, Message="too early")
    events.settle()

    def mails() -> list[Any]:
        files = sorted(events.topics.outbox.directory.glob("*ada@example.com*.eml"))
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    (confirmation,) = mails()
    link = re.search(r"http\S+", confirmation.get_content())
    assert link is not None
    with urlopen(link[0]) as page:  # noqa: S310
        assert page.status == 200
    sns.publish(TopicArn=topic, Message="The model has drifted.", Subject="ALARM")
    events.settle()
    (message,) = [mail for mail in mails() if mail["Subject"] == "ALARM"]
    assert message["To"] == "ada@example.com"
    assert "The model has drifted." in message.get_content()
    assert len(mails()) == 2
