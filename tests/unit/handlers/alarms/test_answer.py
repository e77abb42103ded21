"""The routes about alarms: conditional changes by callers whom IAM knows, and a page that only its form acts by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from headwater import routes
from headwater.alarms.links import Links
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import DECLARED_KEY, AlarmStore
from headwater.alarms.types import GroupStatus, Kind, Notice
from headwater.declare.alarms import Alarms, Email, Heartbeat, Route
from headwater.handlers.alarms import answer
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table
from tests.contract import held
from tests.unit.alarms.cases import Waiting, alarm
from tests.unit.lake.invocation import Context
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

KEY = "/headwater/p/s/alarm-link-key"
NASTY = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def deployed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, mocked_aws(patch):
        make_table()
        declared = Alarms(
            receivers=(Email(name="mail"),),
            route=Route(receivers=("mail",), group_by=("alarmname", "model"), group_wait="0s"),
            heartbeats=(Heartbeat(name="nightly", every="1d"),),
        )
        CLIENTS("s3").create_bucket(Bucket="artifacts")
        CLIENTS("s3").put_object(Bucket="artifacts", Key=DECLARED_KEY, Body=declared.model_dump_json())
        queue = CLIENTS("sqs").create_queue(QueueName="alarms")["QueueUrl"]
        environment = answer.Settings.environment(
            registry_table=TABLE, artifacts_bucket="artifacts", declared_sha256="1", stack="p/s",
            alarms_queue_url=queue, link_key=KEY,
        )  # fmt: skip
        for name, value in environment.items():
            patch.setenv(name, value)
        answer.services.cache_clear()  # type: ignore[attr-defined]
        yield
        answer.services.cache_clear()  # type: ignore[attr-defined]


_models = iter(range(10_000))


@pytest.fixture
def group(deployed: None) -> str:
    """A group of its own that people were told of."""
    queue = Waiting(lambda: datetime.now(UTC))
    declared = Alarms.model_validate_json(CLIENTS("s3").get_object(Bucket="artifacts", Key=DECLARED_KEY)["Body"].read())
    manager = AlarmManager(AlarmStore(Table(TABLE, CLIENTS)), queue, declared)
    manager.handle(alarm(f"drift{NASTY}", datetime.now(UTC), model=f"m{next(_models)}"))
    ((_, told),) = queue.messages
    manager.look(told["group"], told["turn"])
    return str(told["group"])


def ask(
    route: routes.Route, body: object = None, *, tag: str | None = None, iam: bool = True,
    query: dict[str, str] | None = None, **names: str,
) -> dict[str, Any]:  # fmt: skip
    event: dict[str, Any] = {
        "routeKey": route.key,
        "rawPath": route.url(**names),
        "requestContext": {"http": {"method": route.method}},
        "pathParameters": names or None,
        "queryStringParameters": query,
        "headers": {} if tag is None else {"if-match": tag},
        "body": body if isinstance(body, str) else json.dumps(body) if body is not None else "",
    }
    if iam:
        arn = "arn:aws:sts::123456789012:assumed-role/on-call/ann"
        event["requestContext"]["authorizer"] = {"iam": {"userArn": arn}}
    found = answer.handler(event, Context())  # type: ignore[arg-type]
    return held(event, found) if iam or route.path == routes.ALARM_PAGE.path else found


def said(answered: dict[str, Any], status: int = 200) -> Any:
    assert answered["statusCode"] == status, answered["body"]
    return json.loads(answered["body"])


def test_groups_are_listed_and_shown_with_the_generation_as_etag(group: str) -> None:
    listed = said(ask(routes.ALARMS))
    assert group in [one["id"] for one in listed["groups"]]
    shown = ask(routes.ALARM, group=group)
    assert shown["headers"]["ETag"] == '"1"'
    assert shown["headers"]["Cache-Control"] == "no-store"
    found = said(shown)
    assert (found["status"], found["firing"], found["alarms"][0]["told"]) == ("OPEN", 1, True)


def test_an_acknowledgement_names_its_caller_and_raises_the_generation(group: str) -> None:
    done = ask(routes.ACK, {"lasts": "2h", "note": "looking", "by": "Ann"}, tag='"1"', group=group)
    assert done["headers"]["ETag"] == '"2"'
    found = said(done)
    assert (found["status"], found["by"], found["note"]) == ("ACKED", "Ann (on-call/ann)", "looking")
    assert said(ask(routes.UNACK, tag='"2"', group=group))["status"] == "OPEN"
    assert said(ask(routes.SNOOZE, {"lasts": "1h"}, tag='W/"3"', group=group))["by"] == "on-call/ann"


def test_of_two_people_at_once_the_second_is_told_the_generation_by_now(group: str) -> None:
    assert said(ask(routes.ACK, tag='"1"', group=group))["generation"] == 2
    late = ask(routes.SNOOZE, {"lasts": "1h"}, tag='"1"', group=group)
    assert late["headers"]["ETag"] == '"2"'
    refused = said(late, 412)
    assert refused["reason"] == "GroupChanged"
    assert "is in generation 2, not 1" in refused["message"]
    assert "ACKED by on-call/ann" in refused["message"]
    assert said(ask(routes.SNOOZE, {"lasts": "1h"}, tag="*", group=group))["status"] == "SNOOZED"


@pytest.mark.parametrize(
    ("verb", "body", "tag", "status", "words"),
    [
        (routes.ACK, None, None, 428, "send the header If-Match"),
        (routes.ACK, None, "3", 400, "If-Match '3': expected an ETag"),
        (routes.ACK, "{", '"1"', 400, "Invalid JSON"),
        (routes.ACK, {"untill": "x"}, '"1"', 400, "untill: Extra inputs"),
        (routes.ACK, {"until": "2030-01-01T00:00:00"}, '"1"', 400, "until: Input should have timezone info"),
        (routes.ACK, {"until": "2030-01-01T00:00:00Z", "lasts": "1h"}, '"1"', 400, "exclude each other"),
        (routes.ACK, {"until": "2020-01-01T00:00:00Z"}, '"1"', 409, "is over; say a time after"),
        (routes.ACK, {"lasts": "soon"}, '"1"', 400, "lasts: 'soon' is no duration"),
        (routes.ACK, {"note": "x" * 1_001}, '"1"', 400, "at most 1000 characters"),
        (routes.ACK, "x" * 9_000, '"1"', 413, "the body has 9,000 bytes: at most 8,192"),
        (routes.ACK, "[" * 5_000, '"1"', 400, "the body"),
        (routes.SNOOZE, None, '"1"', 400, "say until when"),
        (routes.UNACK, None, '"1"', 409, "nobody acknowledged or snoozed it"),
        (routes.CLOSE, None, '"1"', 409, "still fires"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    group: str, verb: routes.Route, body: object, tag: str | None, status: int, words: str
) -> None:
    refused = said(ask(verb, body, tag=tag, group=group), status)
    assert words in refused["message"]
    assert "\n" not in refused["message"]
    assert said(ask(routes.ALARM, group=group))["generation"] == 1


def test_a_closed_group_takes_no_acknowledgement(group: str) -> None:
    store = AlarmStore(Table(TABLE, CLIENTS))
    found = store.group(group)
    assert found is not None
    assert store.change(found.model_copy(update={"status": GroupStatus.CLOSED, "generation": 2}), found)
    refused = said(ask(routes.ACK, tag='"2"', group=group), 409)
    assert "is CLOSED: nothing fires, so there is nothing to acknowledge" in refused["message"]


def test_unknown_groups_mutes_and_heartbeats_are_404(deployed: None) -> None:
    for route, names in (
        (routes.ALARM, {"group": "x"}), (routes.MUTE, {"mute": "x"}), (routes.BEAT, {"name": "x"}),
    ):  # fmt: skip
        assert "there " in said(ask(route, **names), 404)["message"]
    assert said(ask(routes.END_MUTE, tag='"0"', mute="x"), 404)["reason"] == "NoSuchMute"


def test_a_mute_is_previewed_made_and_ended_by_its_generation(group: str) -> None:
    model = said(ask(routes.ALARM, group=group))["labels"]["model"]
    asked = {
        "match": [f'model="{model}"'], "reason": "nights", "cron": "0 22 ? * * *", "zone": "Europe/Berlin",
        "lasts": "8h", "calendar": {"kind": "weekdays", "days": ["MON", "TUE"]},
    }  # fmt: skip
    tried = said(ask(routes.NEW_MUTE, asked, query={"preview": "true"}))
    assert (tried["kept"], tried["hits"]) == (False, 1)
    assert said(ask(routes.MUTE, mute=tried["mute"]["id"]), 404)
    made = ask(routes.NEW_MUTE, asked)
    assert made["headers"]["ETag"] == '"0"'
    mute = said(made)["mute"]
    assert (mute["author"], mute["lasts"], mute["zone"]) == ("on-call/ann", "8h", "Europe/Berlin")
    assert mute["id"] in [one["id"] for one in said(ask(routes.MUTES))["mutes"]]
    assert said(ask(routes.END_MUTE, tag='"7"', mute=mute["id"]), 412)["reason"] == "MuteChanged"
    ended = said(ask(routes.END_MUTE, tag='"0"', mute=mute["id"]))
    assert (ended["removed_by"], ended["generation"]) == ("on-call/ann", 1)
    assert said(ask(routes.END_MUTE, tag='"1"', mute=mute["id"]), 404)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"match": ["model=~("]}, "doesn't compile"),
        ({"match": []}, "match: List should have at least 1 item"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "in the past"),
        ({"cron": "0 22 30 2 ? *", "lasts": "1h"}, "it never fires"),
        ({"cron": "0 22 ? * * *", "lasts": "1h", "zone": "Mars/Olympus"}, "is no time zone"),
    ],
)
def test_a_mute_that_makes_no_sense_is_refused(deployed: None, changed: dict[str, Any], words: str) -> None:
    asked = {"match": ["model=x"], "reason": "r", **changed}
    assert words in said(ask(routes.NEW_MUTE, asked), 400)["message"]


def test_a_heartbeat_is_taken(deployed: None) -> None:
    found = said(ask(routes.BEAT, name="nightly"))
    at, by = datetime.fromisoformat(found["at"]), datetime.fromisoformat(found["next_by"])
    assert by - at >= timedelta(days=1)


def test_without_an_identity_only_the_page_answers(group: str) -> None:
    for route, names in ((routes.ALARMS, {}), (routes.ACK, {"group": group}), (routes.MUTES, {})):
        assert said(ask(route, tag='"1"', iam=False, **names), 403)["reason"] == "CallerUnknown"
    assert ask(routes.ALARM_PAGE, iam=False, group=group)["statusCode"] == 403


# The page.


def token(group: str, at: datetime | None = None) -> str:
    keys = KeyStore(KEY, CLIENTS)
    notice = Notice(
        group=group, generation=1, kind=Kind.FIRING, labels={}, firing=1, resolved=0, at=at or datetime.now(UTC)
    )
    return Links("https://api.example", keys).to(notice, "mail").partition("?token=")[2]


def send(group: str, **fields: str) -> dict[str, Any]:
    form = {"token": token(group), "generation": "1", "name": "Ann", "hours": "4", "note": "", **fields}
    return ask(routes.ALARM_PAGE_SENT, urlencode(form), iam=False, group=group)


def test_opening_the_page_changes_nothing_and_loads_nothing(group: str) -> None:
    """onetimesecret#359: programs that scan mail follow its links."""
    for _ in range(3):
        page = ask(routes.ALARM_PAGE, iam=False, query={"token": token(group)}, group=group)
    assert page["statusCode"] == 200
    assert said(ask(routes.ALARM, group=group))["generation"] == 1
    body = page["body"]
    assert not re.search(r"(?:src|href|url\(|@import|<script|<link|<img)", body.replace("&lt;script", ""))
    policy = page["headers"]["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert page["headers"]["Referrer-Policy"] == "no-referrer"


def test_an_alarms_name_is_text_on_the_page(group: str) -> None:
    body = ask(routes.ALARM_PAGE, iam=False, query={"token": token(group)}, group=group)["body"]
    assert NASTY not in body
    assert "&lt;script&gt;alert(1)" in body
    done = send(group, name=NASTY, note=NASTY)["body"]
    assert NASTY not in done


def test_the_form_acknowledges_in_the_name_that_was_typed(group: str) -> None:
    done = send(group, name=" Ann  Lee ", note="on it")
    assert "Thank you. It is yours until" in done["body"]
    assert "<form" not in done["body"]
    found = said(ask(routes.ALARM, group=group))
    assert (found["status"], found["by"], found["note"]) == ("ACKED", "Ann Lee (by the link to mail)", "on it")
    until = datetime.fromisoformat(found["until"])
    assert timedelta(hours=3.9) < until - datetime.now(UTC) <= timedelta(hours=4)


def test_a_form_that_is_sent_twice_or_late_says_what_is(group: str) -> None:
    send(group)
    late = send(group, name="Bob")
    assert late["statusCode"] == 200
    assert "It changed while you were reading" in late["body"]
    assert "Acknowledged by Ann" in late["body"]
    assert said(ask(routes.ALARM, group=group))["generation"] == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "  "}, "Say your name"),
        ({"name": "x" * 81}, "Say your name"),
        ({"note": "x" * 301}, "a note of at most 300"),
        ({"hours": "9000"}, "The form is not the page"),
        ({"generation": "²"}, "The form is not the page"),
    ],
)
def test_a_form_that_cannot_be_is_refused_in_words(group: str, fields: dict[str, str], words: str) -> None:
    assert words in send(group, **fields)["body"]
    assert said(ask(routes.ALARM, group=group))["generation"] == 1


def test_only_a_genuine_link_of_this_group_opens_it(group: str) -> None:
    good = token(group)
    text, _, code = good.rpartition(".")
    forged = [
        "", "x" * 5_000, good[:-1], f"{text}.{'A' * 22}", token("other"), good.replace("v1.mail", "v1.boss"),
        token(group, datetime.now(UTC) - timedelta(days=8)), f"{text.rpartition('.')[0]}.99.{code}",
    ]  # fmt: skip
    for one in forged:
        for answered in (
            ask(routes.ALARM_PAGE, iam=False, query={"token": one}, group=group),
            send(group, token=one),
        ):
            assert answered["statusCode"] == 403
            assert "this link doesn't open the alarm" in answered["body"].replace("&#x27;", "'")
    assert said(ask(routes.ALARM, group=group))["generation"] == 1


def test_a_form_without_bounds_is_refused(group: str) -> None:
    answered = send(group, note="x" * 9_000)
    assert answered["statusCode"] == 413
    many = ask(routes.ALARM_PAGE_SENT, "&".join(f"a{n}=1" for n in range(50)), iam=False, group=group)
    assert many["statusCode"] == 400


def test_neither_a_token_nor_a_name_is_logged(group: str, caplog: pytest.LogCaptureFixture) -> None:
    send(group, name="Ann Secret")
    send(group, token="v1.mail.1.1." + "A" * 22, name="Ann Secret")
    assert "Secret" not in caplog.text
    assert token(group) not in caplog.text
    assert "A" * 22 not in caplog.text
