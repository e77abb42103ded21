"""``/alarms``, ``/mutes`` and ``/heartbeats``: people's questions and verbs, and the page behind a link."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater import routes
from headwater.alarms import page, requests
from headwater.alarms.alive.heartbeats import Heartbeats
from headwater.alarms.alive.store import AliveStore
from headwater.alarms.errors import (
    AlarmBodyTooLarge,
    CallerUnknown,
    GroupChanged,
    InvalidAlarmRequest,
    LinkRefused,
    MuteChanged,
)
from headwater.alarms.links import LinkVerifier
from headwater.alarms.people import Outcome, People
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import AlarmStore, Queue
from headwater.errors import HeadwaterError, InvalidRequest
from headwater.handlers.alarms.settings import AlarmSettings
from headwater.handlers.answers import Answer, answer, body_of, of_text
from headwater.handlers.observability import observe
from headwater.settings import at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table

logger, tracer, metrics, entry = observe("alarms")
HTML = "text/html; charset=utf-8"


class Settings(AlarmSettings):
    """Environment of the answer function."""

    link_key: str
    """Name of the SSM parameter with the key that signs links."""


class Services(NamedTuple):
    """Services that live as long as the function's environment."""

    people: People
    manager: AlarmManager
    store: AlarmStore
    links: LinkVerifier


@at_init_from(Settings)
def services(settings: Settings) -> Services:
    """The alarm manager's verbs."""
    declared = settings.declared()
    table = Table(settings.registry_table, CLIENTS)
    store, queue = AlarmStore(table), Queue(settings.alarms_queue_url, CLIENTS)
    manager = AlarmManager(store, queue, declared)
    heartbeats = Heartbeats(AliveStore(table), queue, declared, stack=settings.stack)
    links = LinkVerifier(KeyStore(settings.link_key, CLIENTS, pause=time.sleep))
    return Services(People(manager, store, heartbeats), manager, store, links)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request. Neither links' tokens nor names that people typed are logged."""
    # The API's own word for what it matched: IAM has checked that route, and no other may be taken for it.
    key = str(event.get("routeKey") or "")
    if key in _PAGES:
        return _page(event)
    seen: list[int | None] = [None]

    def call() -> Mapping[str, Any]:
        body, seen[0] = _routed(key, event)
        return body

    found = answer(_naming(call, seen), logger, context.aws_request_id)
    if seen[0] is not None:
        found["headers"]["ETag"] = f'"{seen[0]}"'
    found["headers"]["Cache-Control"] = "no-store"
    return found


def _naming(call: Callable[[], Mapping[str, Any]], seen: list[int | None]) -> Callable[[], Mapping[str, Any]]:
    """``call``, but a refusal because somebody was faster leaves the generation by now in ``seen``."""

    def named() -> Mapping[str, Any]:
        try:
            return call()
        except (GroupChanged, MuteChanged) as error:
            seen[0] = error.generation
            raise

    return named


def _routed(key: str, event: dict[str, Any]) -> Outcome:
    if not (event["requestContext"].get("authorizer") or {}).get("iam"):
        # API Gateway lets nobody through without; a route that was made by mistake would.
        raise CallerUnknown("this route is for callers whom IAM knows")
    people, names = services().people, event.get("pathParameters") or {}
    if key == routes.ALARMS.key:
        return people.groups()
    if key == routes.ALARM.key:
        return people.group(names["group"])
    if key == routes.MUTES.key:
        return people.mutes()
    if key == routes.MUTE.key:
        return people.mute(names["mute"])
    if key == routes.BEAT.key:
        return people.beat(names["name"])
    if key == routes.NEW_MUTE.key:
        return people.new_mute(_body(event), event, preview=_preview(event))
    generation = requests.condition(event.get("headers") or {})
    if key == routes.END_MUTE.key:
        return people.end_mute(names["mute"], generation, event)
    verbs = {
        routes.ACK.key: people.acknowledge,
        routes.SNOOZE.key: people.snooze,
        routes.UNACK.key: people.reopen,
        routes.CLOSE.key: people.close,
    }
    if key not in verbs:
        raise InvalidAlarmRequest(f"{key}: no route of this function")
    return verbs[key](names["group"], _body(event), generation, event)


def _body(event: Mapping[str, Any]) -> bytes:
    return body_of(event, InvalidAlarmRequest)


def _preview(event: Mapping[str, Any]) -> bool:
    return (event.get("queryStringParameters") or {}).get("preview") == "true"


# The page: no JSON, no identity but the link's token.


def _page(event: dict[str, Any]) -> Answer:
    status, text = HTTPStatus.OK, ""
    try:
        text = _shown(event) if event["routeKey"] == routes.ALARM_PAGE.key else _sent(event)
    except HeadwaterError as error:
        logger.info("a page was refused", extra={"reason": error.reason})
        status = HTTPStatus(error.http_status)
        text = page.of_refusal(error.message if status < HTTPStatus.INTERNAL_SERVER_ERROR else _LATER)
    except Exception as error:
        # Nothing of an unexpected error leaves the house; its stack goes to the log.
        logger.error("unexpected error", exc_info=error)
        status, text = HTTPStatus.INTERNAL_SERVER_ERROR, page.of_refusal(_LATER)
    found = of_text(status, text, HTML)
    found["headers"] |= page.HEADERS
    return found


def _shown(event: Mapping[str, Any]) -> str:
    """The page of a group; changes nothing, for programs follow links in messages."""
    id_ = _group(event)
    token = str((event.get("queryStringParameters") or {}).get("token") or "")
    services().links.admit(token, id_)
    return _of(id_, token)


def _sent(event: Mapping[str, Any]) -> str:
    """Acknowledge, by the page's form."""
    id_, fields = _group(event), _form(_body(event))
    token = fields.get("token", "")
    receiver = services().links.admit(token, id_)
    name = " ".join(fields.get("name", "").split())
    if not 0 < len(name) <= page.LONGEST_NAME or len(fields.get("note", "")) > page.LONGEST_NOTE:
        return _of(id_, token, refused="Say your name, in at most 80 characters, and a note of at most 300.")
    hours, generation = fields.get("hours", ""), fields.get("generation", "")
    if hours not in map(str, page.HOURS) or not generation.isascii() or not generation.isdigit() or len(generation) > 9:
        return _of(id_, token, refused="The form is not the page's: open the link again.")
    lasts = requests.QuietBody.model_validate({"lasts": f"{hours}h"})
    try:
        changed = services().manager.acknowledge(
            id_, by=f"{name} (by the link to {receiver})", until=lasts.end(_now()), note=fields.get("note", ""),
            generation=int(generation),
        )  # fmt: skip
    except GroupChanged:
        return _of(id_, token, refused="It changed while you were reading: this is how it is now.")
    except HeadwaterError as error:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return _of(id_, token, refused=error.message)
    logger.info("acknowledged by a link", extra={"group": id_, "receiver": receiver})
    metrics.add_metric("AlarmsAcknowledgedByLink", "Count", 1)
    return _of(id_, token, said=f"Thank you. It is yours until {changed.until:%Y-%m-%d %H:%M} UTC.")


def _of(id_: str, token: str, *, said: str = "", refused: str = "") -> str:
    store, now = services().store, _now()
    group = store.group(id_)
    if group is None:
        raise LinkRefused("there is no such group of alarms (any more)")
    return page.of_group(group, store.members(id_), now, token, said=said, refused=refused)


def _group(event: Mapping[str, Any]) -> str:
    return str((event.get("pathParameters") or {}).get("group") or "")


def _form(body: bytes) -> dict[str, str]:
    if len(body) > requests.MOST_BYTES:
        raise AlarmBodyTooLarge(f"the form has {len(body):,} bytes: at most {requests.MOST_BYTES:,}")
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=False, max_num_fields=10)
    except ValueError as error:
        raise InvalidRequest("the form can't be read: open the link again") from error
    return {name: values[0] for name, values in found.items()}


def _now() -> datetime:
    return datetime.now(UTC)


_PAGES = {routes.ALARM_PAGE.key, routes.ALARM_PAGE_SENT.key}
_LATER = "That went wrong, and nothing was changed. Try again in a moment, or use headwater alarms ack."
