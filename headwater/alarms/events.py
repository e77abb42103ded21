"""Alarm events as their sources write them: CloudWatch by SNS, and Alertmanager's webhook (version 4)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import AwareDatetime, Field

from headwater.alarms.errors import InvalidAlarm
from headwater.alarms.routing import fingerprint
from headwater.declare.matchers import LABEL_NAME, InvalidMatcher, Matcher
from headwater.values import Value

UNPARSED = "unparsed"
"""The name under which messages are kept that are no CloudWatch alarm."""
LONGEST_LABEL, MOST_LABELS, MOST_ALERTS = 1_024, 64, 1_000
_MARKED = re.compile(r"\n*\[headwater ([^\]]*)\]\s*$")


class AlarmState(StrEnum):
    """CloudWatch's three states, and one more."""

    ALARM = "ALARM"
    OK = "OK"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
    UNKNOWN = "UNKNOWN"
    """The state of messages that aren't CloudWatch's."""


class AlarmEvent(Value):
    """One change of an alarm's state."""

    name: str = Field(min_length=1)
    state: AlarmState
    previous: str = ""
    at: AwareDatetime
    """When the state changed (not when the message arrived)."""
    reason: str = ""
    description: str = ""
    region: str = ""
    account: str = ""
    id: str
    """The same for every delivery of the same change."""
    problem: str = ""
    """Why the message couldn't be read as an alarm; empty if it could."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Labels beside the name, such as ``model`` and ``severity``."""
    runbook: str = ""
    """Page of docs/runbooks about the alarm."""
    ends_at: AwareDatetime | None = None
    """When the alarm is over unless it is told again; None: when an event says so."""

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels, with the alarm's name."""
        return {"alarmname": self.name, **self.labels}

    @property
    def fingerprint(self) -> str:
        """Hash of the sorted labels: which alarm it is."""
        return fingerprint(self.all_labels)

    @property
    def is_message(self) -> bool:
        """True for a message that is told once and has no end."""
        return self.state is AlarmState.UNKNOWN

    @classmethod
    def parse(cls, message: str, *, message_id: str, received_at: datetime, stack: str = "", prefix: str = "") -> Self:
        """Read what CloudWatch publishes to SNS; anything else becomes an event called ``unparsed``, never an error.

        Parameters
        ----------
        message : str
            The notification's message: the alarm as JSON.
        message_id : str
            SNS's id of it, the same when it is delivered again.
        received_at : datetime
            When SNS published it, UTC.
        stack : str
            The label ``stack``.
        prefix : str
            Beginning of the names of the stack's alarms; left out of the alarm's name.
        """
        try:
            return cls._from_cloudwatch(json.loads(message), stack, prefix)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            id_ = _digest(message_id, message)
            return cls(
                name=UNPARSED,
                state=AlarmState.UNKNOWN,
                at=received_at,
                reason=message[:10_000],
                id=id_,
                problem=f"{type(error).__name__}: {error}"[:500],
                labels=_filled(stack=stack, message=id_),
                runbook=UNPARSED,
            )

    @classmethod
    def _from_cloudwatch(cls, alarm: dict[str, Any], stack: str, prefix: str) -> Self:
        at = _time(alarm["StateChangeTime"])
        full, state = str(alarm["AlarmName"]), AlarmState(alarm["NewStateValue"])
        if state is AlarmState.UNKNOWN:
            raise ValueError("UNKNOWN is no state of CloudWatch")
        description, marked = read_mark(str(alarm.get("AlarmDescription") or ""))
        trigger = alarm.get("Trigger")
        runbook = marked.pop("runbook", "")
        return cls(
            name=full.removeprefix(prefix) or full,
            state=state,
            previous=str(alarm.get("OldStateValue") or ""),
            at=at,
            reason=str(alarm.get("NewStateReason") or "")[:10_000],
            description=description,
            region=str(alarm.get("Region") or ""),
            account=str(alarm.get("AWSAccountId") or ""),
            id=_digest(full, state.value, at.isoformat()),
            labels={**_filled(stack=stack), **_dimensions(trigger if isinstance(trigger, dict) else {}), **marked},
            runbook=runbook,
        )


def mark(labels: Mapping[str, str]) -> str:
    """The end of an alarm's description that carries ``labels``: CloudWatch's messages leave out an alarm's tags."""
    words = " ".join(str(Matcher.parse(f"{name}={json.dumps(value)}")) for name, value in sorted(labels.items()))
    return f"\n[headwater {words}]"


def read_mark(description: str) -> tuple[str, dict[str, str]]:
    """A description without its mark, and the labels in the mark."""
    found = _MARKED.search(description)
    if found is None:
        return description, {}
    labels = {}
    for word in re.findall(r'\w+="(?:[^"\\]|\\.)*"', found[1]):
        try:
            matcher = Matcher.parse(word)
        except InvalidMatcher:
            continue
        labels[matcher.name] = matcher.value
    return description[: found.start()], labels


def from_alertmanager(body: Mapping[str, Any], *, stack: str = "") -> list[AlarmEvent]:
    """Events of a webhook's body as Alertmanager, Grafana and Keep send it (version 4).

    Raises
    ------
    InvalidAlarm
        The body isn't of that form; the message names the alert and the field.
    """
    alerts = body.get("alerts") if isinstance(body, Mapping) else None
    if not isinstance(alerts, list) or len(alerts) > MOST_ALERTS:
        raise InvalidAlarm(f"expected Alertmanager's webhook (version 4) with a list 'alerts' of at most {MOST_ALERTS}")
    return [_from_alert(number, alert, stack) for number, alert in enumerate(alerts)]


def _from_alert(number: int, alert: Any, stack: str) -> AlarmEvent:
    if not isinstance(alert, Mapping) or not isinstance(alert.get("labels"), Mapping) or not alert.get("startsAt"):
        raise InvalidAlarm(f"alerts[{number}]: expected an object with 'labels', an object too, and 'startsAt'")
    try:
        labels = _checked({str(name): str(value) for name, value in alert["labels"].items() if value != ""})
        resolved = alert.get("status") == "resolved"
        starts, ends = _time(alert["startsAt"]), _end(alert.get("endsAt"))
        notes = alert.get("annotations") or {}
        name = labels.pop("alertname", "") or labels.pop("alarmname", "")
        if not name:
            raise ValueError("the labels have no alertname")
        at = (ends or starts) if resolved else starts
        return AlarmEvent(
            name=name,
            state=AlarmState.OK if resolved else AlarmState.ALARM,
            at=at,
            reason=str(notes.get("summary") or "")[:10_000],
            description=str(notes.get("description") or "")[:10_000],
            id=_digest(fingerprint(labels), name, str(resolved), at.isoformat(), str(ends)),
            labels={**_filled(stack=stack), **labels},
            ends_at=None if resolved else ends,
        )
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidAlarm(f"alerts[{number}] can't be read: {error}") from error


def _checked(labels: dict[str, str]) -> dict[str, str]:
    for name, value in labels.items():
        if not LABEL_NAME.fullmatch(name) or len(name) > LONGEST_LABEL or len(value) > LONGEST_LABEL:
            raise ValueError(
                f"label {name[:60]!r}: expected a name of letters, digits and _, and {LONGEST_LABEL} characters"
            )
    if len(labels) > MOST_LABELS:
        raise ValueError(f"{len(labels)} labels, at most {MOST_LABELS}")
    return labels


def _dimensions(trigger: Mapping[str, Any]) -> dict[str, str]:
    given = trigger.get("Dimensions")
    dimensions = {
        str(one.get("name")): str(one.get("value"))
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, Mapping)
    }
    found: dict[str, str] = {name: dimensions[name] for name in ("model", "version") if name in dimensions}
    if "service" in dimensions:
        found["capability"] = dimensions["service"]
    return found


def _filled(**labels: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value}


def _end(given: Any) -> datetime | None:
    # Go writes a time that isn't there as the year 1.
    return None if not given or str(given).startswith("0001-") else _time(given)


def _time(given: Any) -> datetime:
    # Go writes nanoseconds, Python reads microseconds.
    try:
        at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(given)))
    except ValueError:
        raise ValueError(f"{str(given)[:60]!r} is no time: write it as 2026-03-01T12:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode("utf-8", "replace")).hexdigest()[:24]
