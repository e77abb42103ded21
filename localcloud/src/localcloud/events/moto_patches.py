"""Where moto hands over to the local cloud: its classes are patched while a cloud is open.

Moto's control plane (names, tags, lists, attributes) stays as it is. Its data plane either isn't there (Lambda, Step
Functions and SNS as targets), runs under its one lock (S3 invoking a function, SNS posting to a webhook) or differs
from AWS. Each patch hands the work to the emulator that is open; with none open, moto does what it always did. Patched
methods run under the dispatcher's lock: they look, queue and return.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from moto.core.exceptions import JsonRESTError
from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import EventPattern, EventsBackend, Rule
from moto.events.responses import EventsHandler
from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from localcloud.events import pattern, s3, transform
from localcloud.moto_patches.patches import Patches

if TYPE_CHECKING:
    from localcloud.events.rules import Rules
    from localcloud.events.scheduler import Schedules
    from localcloud.events.sns import Topics


_TARGETS = 5  # of a rule: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html


class _Events(Protocol):
    """The emulator, as far as moto hands over to it."""

    rules: Rules
    topics: Topics
    schedules: Schedules

    def now(self) -> datetime:
        """The cloud's time."""

    def invoke_for_bucket(self, function_arn: str, records: dict[str, Any]) -> None:
        """Let a bucket's notification invoke a function."""


class _Active:
    """Which emulator is open; a process has one local cloud at a time."""

    emulator: _Events | None = None
    is_tagging = False
    """A PutObjectTagging call is being answered (under the dispatcher's lock, so there is one at most)."""


active = _Active()


def _send_to_targets(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto ignores a rule's state, transforms some targets' input only and knows no Lambda, Step Functions or SNS.
    def send_to_targets(self: Rule, original_event: Any, transform_input: bool = True) -> None:
        if active.emulator is None:
            original(self, original_event, transform_input)
        else:
            active.emulator.rules.offer(self, original_event)

    return send_to_targets


def _put_events(original: Callable[..., Any]) -> Callable[..., Any]:
    def put_events(self: EventsBackend, events: list[dict[str, Any]]) -> Any:
        for event in events:
            if active.emulator is not None and not event.get("Time"):
                event["Time"] = active.emulator.now().timestamp()  # moto would write this machine's time
            if not _is_object(event.get("Detail")):
                event["Detail"] = "{"  # AWS answers MalformedDetail where moto only warns
        return original(self, events)

    return put_events


def _is_object(detail: Any) -> bool:
    try:
        return not detail or isinstance(json.loads(detail), dict)
    except ValueError:
        return True  # moto finds this one itself


def _load(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto checks little more than that the pattern is JSON.
    def load(raw_pattern: str | None) -> EventPattern:
        if raw_pattern:
            try:
                pattern.check(raw_pattern)
            except pattern.PatternInvalid as error:
                raise InvalidEventPatternException(reason=str(error)) from error
        loaded: EventPattern = original(raw_pattern)
        return loaded

    return load


def _matches_event(_: Callable[..., Any]) -> Callable[..., Any]:
    def matches_event(self: EventPattern, event: Any) -> bool:
        raw = self.dump() or None
        # A rule with a schedule only has no pattern, and matches nothing; moto lets it match everything.
        return raw is not None and pattern.matches(raw, event)

    return matches_event


def _test_event_pattern(_: Callable[..., Any]) -> Callable[..., Any]:
    def test_event_pattern(self: EventsHandler) -> str:
        try:
            result = pattern.test(self._get_param("EventPattern"), self._get_param("Event"))
        except pattern.EventInvalid as error:
            raise ValidationException(str(error)) from error
        except pattern.PatternInvalid as error:
            raise InvalidEventPatternException(reason=str(error)) from error
        return json.dumps({"Result": result})

    return test_event_pattern


def _put_targets(original: Callable[..., Any]) -> Callable[..., Any]:
    def put_targets(self: EventsBackend, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            try:
                transform.check_target(target)
            except transform.InputInvalid as error:
                raise ValidationException(str(error)) from error
        rule = self.describe_rule(name, event_bus_arn)
        known = {target["Id"] for target in rule.targets} | {target["Id"] for target in targets}
        if len(known) > _TARGETS:
            raise JsonRESTError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
        original(self, name, event_bus_arn, targets)

    return put_targets


def _send_event_bridge_message(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto sends a bucket's events to every bus (AWS: the default one) and misspells them.
    def send(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        if active.emulator is None:
            original(account_id, bucket, event_name, key)
        else:
            event = s3.object_event(event_name, bucket, key, account=account_id, sequencer=s3.next_sequencer())
            active.emulator.rules.publish("default", event)

    return send


def _get_s3_event(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_s3_event(event_name: str, bucket: Any, key: Any, notification_id: str) -> dict[str, Any]:
        return s3.with_order(original(event_name, bucket, key, notification_id), bucket, key, s3.next_sequencer())

    return get_s3_event


def _put_object_tagging(original: Callable[..., Any]) -> Callable[..., Any]:
    def put_object_tagging(self: S3Response) -> Any:
        active.is_tagging = True
        try:
            return original(self)
        finally:
            active.is_tagging = False

    return put_object_tagging


def _send_event(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto tells of tags with each upload, where S3 does so when tags were put by a call of their own; and it tells of
    # an upload in parts twice.
    def send_event(account_id: str, event_name: str, bucket: Any, key: Any) -> None:
        kinds = notifications.S3NotificationEvent
        is_tagging = event_name == kinds.OBJECT_TAGGING_PUT_EVENT
        is_single = event_name in (kinds.OBJECT_CREATED_PUT_EVENT, kinds.OBJECT_CREATED_POST_EVENT)
        is_noise = (is_tagging and not active.is_tagging) or (is_single and getattr(key, "multipart", None) is not None)
        if active.emulator is None or not is_noise:
            original(account_id, event_name, bucket, key)

    return send_event


def _invoke_awslambda(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto would run the function under its lock, in the middle of PutObject.
    def invoke(account_id: str, event_body: Any, fn_arn: str, region_name: str) -> None:
        if active.emulator is None:
            original(account_id, event_body, fn_arn, region_name)
        else:
            active.emulator.invoke_for_bucket(fn_arn, event_body)

    return invoke


def _delete_object(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto says nothing when a delete marker is made.
    def delete_object(
        self: S3Backend, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
    ) -> tuple[bool, dict[str, Any]]:
        done: tuple[bool, dict[str, Any]] = original(self, bucket_name, key_name, version_id=version_id, bypass=bypass)
        if active.emulator is not None and version_id is None and done[1].get("delete-marker") == "true":
            bucket = self.get_bucket(bucket_name)
            event_name = notifications.S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
            configuration = bucket.notification_configuration
            if configuration is not None and configuration.event_bridge is not None:
                marker = bucket.keys.getlist(key_name)[-1]
                notifications._send_event_bridge_message(self.account_id, bucket, event_name, marker)
        return done

    return delete_object


def apply(patches: Patches) -> None:
    """Hand over, until the patches are undone."""
    patches.wrap(Rule, "send_to_targets", _send_to_targets)
    patches.wrap(EventsBackend, "put_events", _put_events)
    patches.wrap(EventsBackend, "put_targets", _put_targets)
    patches.set(EventPattern, "load", staticmethod(_load(EventPattern.load)))
    patches.wrap(EventPattern, "matches_event", _matches_event)
    patches.wrap(EventsHandler, "test_event_pattern", _test_event_pattern)
    patches.wrap(notifications, "send_event", _send_event)
    patches.wrap(S3Response, "put_object_tagging", _put_object_tagging)
    patches.wrap(notifications, "_send_event_bridge_message", _send_event_bridge_message)
    patches.wrap(notifications, "_get_s3_event", _get_s3_event)
    patches.wrap(notifications, "_invoke_awslambda", _invoke_awslambda)
    patches.wrap(S3Backend, "delete_object", _delete_object)
