"""Where moto's SNS hands over to the local cloud; see `localcloud.events.moto_patches` for the manner."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse

from localcloud.events import moto_patches
from localcloud.events.sns import MUST_CONFIRM, PROTOCOLS, Message
from localcloud.moto_patches.patches import Patches

active = moto_patches.active


def _publish(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto delivers while it holds its lock (a webhook could stall the whole cloud), runs functions on Docker, takes the
    # text "false" for true, and sends nothing to mailboxes.
    def publish(
        self: Subscription,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        if active.emulator is None or self.protocol not in PROTOCOLS:
            original(
                self,
                message,
                message_id,
                subject=subject,
                message_attributes=message_attributes,
                group_id=group_id,
                deduplication_id=deduplication_id,
                message_structure=message_structure,
            )
            return
        matcher = self._filter_policy_matcher
        if matcher is not None and not matcher.matches(message_attributes, message):
            return
        if message_structure == "json":
            message = self._parse_message_structure(message, self.protocol)
        attributes = message_attributes or {}
        active.emulator.topics.post(self, Message(message_id, message, subject, attributes, group_id, deduplication_id))

    return publish


def _subscribe(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto takes everyone's agreement for granted.
    def subscribe(self: SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        known = set(self.subscriptions)
        subscription: Subscription = original(self, topic_arn, endpoint, protocol)
        if active.emulator is not None and protocol in MUST_CONFIRM and subscription.arn not in known:
            active.emulator.topics.ask_to_confirm(subscription)
        return subscription

    return subscribe


def _subscribe_response(original: Callable[..., Any]) -> Callable[..., Any]:
    def subscribe(self: SNSResponse) -> ActionResult:
        answer: ActionResult = original(self)
        wants_arn = str(self._get_param("ReturnSubscriptionArn")).lower() == "true"
        subscription = self.backend.subscriptions.get(answer.result["SubscriptionArn"])  # type: ignore[index]
        if subscription is not None and _is_pending(subscription) and not wants_arn:
            return ActionResult({"SubscriptionArn": "pending confirmation"})
        return answer

    return subscribe


def _list(original: Callable[..., Any]) -> Callable[..., Any]:
    def list_subscriptions(self: SNSResponse) -> ActionResult:
        answer: ActionResult = original(self)
        result: dict[str, Any] = dict(answer.result)  # type: ignore[call-overload]
        result["Subscriptions"] = [_as_listed(subscription) for subscription in result["Subscriptions"]]
        return ActionResult(result)

    return list_subscriptions


def _as_listed(subscription: Subscription) -> Subscription:
    if not _is_pending(subscription):
        return subscription
    listed = copy.copy(subscription)
    listed.arn = "PendingConfirmation"
    return listed


def _is_pending(subscription: Subscription) -> bool:
    return subscription.attributes.get("PendingConfirmation") is True


def _confirm(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto confirms any token, of no subscription.
    def confirm_subscription(self: SNSResponse) -> ActionResult:
        answer: ActionResult = original(self)
        if active.emulator is None:
            return answer
        arn = active.emulator.topics.confirm(self._get_param("Token") or "")
        if arn is None:
            raise SNSInvalidParameter("Invalid parameter: Token")
        return ActionResult({"SubscriptionArn": arn})

    return confirm_subscription


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _private_key(_: Subscription) -> rsa.RSAPrivateKey:
    # Moto makes a key for each subscription, a tenth of a second of work each; one signs as well.
    return _signing_key()


def apply(patches: Patches) -> None:
    """Hand over, until the patches are undone."""
    patches.wrap(Subscription, "publish", _publish)
    patches.wrap(Subscription, "private_key", lambda _: _private_key)
    patches.wrap(SNSBackend, "subscribe", _subscribe)
    patches.wrap(SNSResponse, "subscribe", _subscribe_response)
    patches.wrap(SNSResponse, "list_subscriptions", _list)
    patches.wrap(SNSResponse, "list_subscriptions_by_topic", _list)
    patches.wrap(SNSResponse, "confirm_subscription", _confirm)
