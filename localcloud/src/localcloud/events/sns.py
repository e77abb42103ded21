"""SNS's subscriptions: a message reaches functions, queues, webhooks and (as files) mailboxes.

Topics, filter policies and signatures are moto's. Who must confirm, what a subscriber gets and trying again are ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests
from botocore.exceptions import BotoCoreError, ClientError
from moto.sns.models import Subscription, sns_backends
from werkzeug.wrappers import Response

from localcloud.events import targets
from localcloud.events.delivery import Delivery, DeliveryFailed, DeliveryQueue, GivenUp, RetryPolicy
from localcloud.events.mail import Outbox
from localcloud.events.permissions import check_may_invoke

if TYPE_CHECKING:
    from localcloud.api_call import ApiCall
    from localcloud.context import CloudContext

logger = logging.getLogger(__name__)

MUST_CONFIRM = frozenset({"http", "https", "email", "email-json"})
PROTOCOLS = MUST_CONFIRM | {"sqs", "lambda"}

# What AWS promises for endpoints of its own, and for those of customers unless they say otherwise.
_AWS_ENDPOINT = RetryPolicy(attempts=100_015, max_age=timedelta(days=23))
_WEBHOOK_RETRIES = 3


@dataclass(frozen=True)
class Message:
    """What was published, for one subscription."""

    id: str
    text: str
    subject: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    group: str | None = None
    deduplication: str | None = None


class Topics:
    """Posts messages to subscriptions; never blocks while the dispatcher's lock is held."""

    def __init__(self, cloud: CloudContext, deliveries: DeliveryQueue) -> None:
        self._cloud = cloud
        self._deliveries = deliveries
        self.outbox = Outbox(cloud.directory / "outbox")
        self.tokens: dict[str, str] = {}
        """Subscription ARN by the token that confirms it."""
        cloud.dispatcher.add(self._answer_link)

    # Confirming

    def ask_to_confirm(self, subscription: Subscription) -> None:
        """Hold a new subscription back until whoever gets its messages has agreed."""
        subscription.attributes |= {"PendingConfirmation": True, "ConfirmationWasAuthenticated": False}
        token = secrets.token_hex(32)
        self.tokens[token] = subscription.arn
        self._deliveries.post(
            Delivery(
                what=f"confirmation of {subscription.endpoint}",
                send=partial(self._send_confirmation, subscription, token),
                retry=RetryPolicy(attempts=_WEBHOOK_RETRIES),
            )
        )

    def confirm(self, token: str) -> str | None:
        """Let the subscription of that token receive messages; its ARN, or None if nobody was sent that token."""
        arn = self.tokens.get(token)
        subscription = sns_backends[self._cloud.account_id][self._cloud.region].subscriptions.get(arn or "")
        if subscription is None:
            return None
        subscription.attributes["PendingConfirmation"] = False
        return arn

    def _send_confirmation(self, subscription: Subscription, token: str, _: int) -> None:
        text = f"You have chosen to subscribe to the topic {subscription.topic_arn}."
        message = Message(id=secrets.token_hex(8), text=text)
        link = self._link(Action="ConfirmSubscription", TopicArn=subscription.topic_arn, Token=token)
        if subscription.protocol.startswith("email"):
            self._write_mail(
                subscription,
                message,
                subject="AWS Notification - Subscription Confirmation",
                body=f"{text}\n\nTo confirm this subscription, visit\n{link}\n",
            )
            return
        envelope = self._envelope(subscription, message) | {
            "Type": "SubscriptionConfirmation",
            "Token": token,
            "Message": f"{text}\nTo confirm the subscription, visit the SubscribeURL included in this message.",
            "SubscribeURL": link,
        }
        envelope.pop("UnsubscribeURL")
        self._post_to_webhook(subscription, message, json.dumps(envelope, indent=2), "SubscriptionConfirmation")

    def _link(self, **query: str) -> str:
        return f"{self._cloud.endpoint}/?{urlencode(query)}"

    def _answer_link(self, call: ApiCall) -> Response | None:
        """The links in messages are followed by people and webhooks, which sign nothing."""
        action = call.request.args.get("Action", "")
        if call.service or call.request.method != "GET" or action not in ("ConfirmSubscription", "Unsubscribe"):
            return None
        sns = self._cloud.client("sns")
        try:
            if action == "Unsubscribe":
                sns.unsubscribe(SubscriptionArn=call.request.args.get("SubscriptionArn", ""))
                return Response("Unsubscribed.\n")
            confirmed = sns.confirm_subscription(
                TopicArn=call.request.args.get("TopicArn", ""), Token=call.request.args.get("Token", "")
            )
        except ClientError as error:
            return Response(f"{error}\n", status=400)
        return Response(f"Subscription confirmed: {confirmed['SubscriptionArn']}\n")

    # Delivering

    def post(self, subscription: Subscription, message: Message) -> None:
        """Bring ``message`` to the subscription's endpoint, unless it has yet to be confirmed."""
        if subscription.attributes.get("PendingConfirmation") is True:
            return
        policy = _AWS_ENDPOINT
        if subscription.protocol in MUST_CONFIRM:
            policy = RetryPolicy(attempts=_retries(subscription))
        self._deliveries.post(
            Delivery(
                what=f"topic {subscription.topic.name} -> {subscription.endpoint}",
                send=partial(self._send, subscription, message),
                retry=policy,
                delivered=partial(self._count, subscription, "NumberOfNotificationsDelivered"),
                given_up=partial(self._give_up, subscription, message),
            )
        )

    def _send(self, subscription: Subscription, message: Message, _: int) -> None:
        protocol = subscription.protocol
        if protocol == "lambda":
            check_may_invoke(self._cloud, subscription.endpoint, "sns.amazonaws.com", subscription.topic_arn)
            body = json.dumps({"Records": [self._record(subscription, message)]})
            targets.send(self._cloud, targets.TargetRequest(subscription.endpoint, body))
        elif protocol == "sqs":
            try:
                self._send_to_queue(subscription, message)
            except (ClientError, BotoCoreError) as error:
                raise targets.translate(error) from error
        elif protocol.startswith("http"):
            self._post_to_webhook(subscription, message, self._body(subscription, message), "Notification")
        elif protocol == "email-json":
            self._write_mail(subscription, message, subject="AWS Notification", body=self._body(subscription, message))
        else:
            leave = self._link(Action="Unsubscribe", SubscriptionArn=subscription.arn)
            self._write_mail(
                subscription,
                message,
                subject=message.subject or "AWS Notification Message",
                body=f"{message.text}\n\n--\nTo stop receiving notifications from this topic, visit\n{leave}\n",
            )

    def _give_up(self, subscription: Subscription, message: Message, given_up: GivenUp) -> None:
        self._count(subscription, "NumberOfNotificationsFailed")
        redrive = json.loads(subscription.attributes.get("RedrivePolicy") or "{}")
        if not (queue := redrive.get("deadLetterTargetArn")):
            return
        try:
            body = self._body(subscription, message)
            attributes = {"ERROR_CODE": given_up.failure.code, "ERROR_MESSAGE": given_up.failure.message}
            targets.send_dead_letter(self._cloud, queue, body, attributes)
        except Exception:
            logger.exception("topic %s: the dead letter was lost too", subscription.topic.name)

    def _envelope(self, subscription: Subscription, message: Message) -> dict[str, Any]:
        envelope = subscription.get_post_data(
            message.text, message.id, message.subject, message_attributes=message.attributes
        )
        envelope["UnsubscribeURL"] = self._link(Action="Unsubscribe", SubscriptionArn=subscription.arn)
        return envelope

    def _record(self, subscription: Subscription, message: Message) -> dict[str, Any]:
        """One of the ``Records`` that a function gets, in which two names are spelled otherwise."""
        notification = {"Subject": None, "MessageAttributes": {}} | self._envelope(subscription, message)
        notification["SigningCertUrl"] = notification.pop("SigningCertURL")
        notification["UnsubscribeUrl"] = notification.pop("UnsubscribeURL")
        return {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription.arn,
            "Sns": notification,
        }

    def _body(self, subscription: Subscription, message: Message) -> str:
        if _is_raw(subscription):
            return message.text
        return json.dumps(self._envelope(subscription, message), indent=2, ensure_ascii=False)

    def _send_to_queue(self, subscription: Subscription, message: Message) -> None:
        arguments: dict[str, Any] = {
            "QueueUrl": targets.queue_url(self._cloud, subscription.endpoint),
            "MessageBody": self._body(subscription, message),
        }
        if _is_raw(subscription):
            arguments["MessageAttributes"] = {
                name: {"DataType": value["Type"], **_attribute_value(value)}
                for name, value in message.attributes.items()
            }
        if subscription.endpoint.endswith(".fifo"):
            arguments["MessageGroupId"] = message.group
            arguments["MessageDeduplicationId"] = (
                message.deduplication or hashlib.sha256(message.text.encode()).hexdigest()
            )
        self._cloud.client("sqs").send_message(**arguments)

    def _post_to_webhook(self, subscription: Subscription, message: Message, body: str, kind: str) -> None:
        headers = {
            "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": message.id,
            "x-amz-sns-topic-arn": subscription.topic_arn,
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
        }
        if kind == "Notification":
            headers["x-amz-sns-subscription-arn"] = subscription.arn
            if _is_raw(subscription):
                headers["x-amz-sns-rawdelivery"] = "true"
        try:
            answer = requests.post(subscription.endpoint, data=body.encode(), headers=headers, timeout=15)
        except requests.RequestException as error:
            raise DeliveryFailed("CONNECTION_FAILURE", str(error), is_transient=True) from error
        if answer.status_code >= 300:
            raise DeliveryFailed(
                "ERROR_FROM_TARGET",
                f"{subscription.endpoint} answered {answer.status_code}",
                is_transient=answer.status_code >= 500 or answer.status_code == 429,
            )

    def _write_mail(self, subscription: Subscription, message: Message, *, subject: str, body: str) -> None:
        self.outbox.write(
            recipient=subscription.endpoint,
            subject=subject,
            body=body,
            message_id=message.id,
            at=self._cloud.clock.now(),
        )

    def _count(self, subscription: Subscription, metric: str) -> None:
        self._cloud.put_metric("AWS/SNS", metric, [1.0], {"TopicName": subscription.topic.name})


def _is_raw(subscription: Subscription) -> bool:
    # True from Subscribe, the text "true" or "false" from SetSubscriptionAttributes.
    return str(subscription.attributes.get("RawMessageDelivery")).lower() == "true"


def _attribute_value(value: dict[str, Any]) -> dict[str, Any]:
    if value["Type"].startswith("Binary"):
        return {"BinaryValue": base64.b64decode(value["Value"])}
    return {"StringValue": str(value["Value"])}


def _retries(subscription: Subscription) -> int:
    policy = json.loads(subscription.attributes.get("DeliveryPolicy") or "{}")
    return int(policy.get("healthyRetryPolicy", {}).get("numRetries", _WEBHOOK_RETRIES))
