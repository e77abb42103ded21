"""`headwater alarms` as people type it: routes of the project, and one line for what can't be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from headwater.alarms.errors import LinkRefused
from headwater.alarms.links import Links, LinkVerifier, parameter_name
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import DECLARED_KEY, AlarmStore
from headwater.alarms.types import Kind, Notice
from headwater.declare.alarms import Alarms, Email, Route
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table
from tests.unit.alarms.cases import Waiting, alarm
from tests.unit.cli.conftest import Run

FILE = """
from headwater.declare.alarms import Alarms, Email, Route

alarms = Alarms(
    receivers=[Email(name="mail"), Email(name="night")],
    route=Route(
        receivers=["mail"],
        routes=[
            Route(match=['severity="critical"'], receivers=["night"], continue_=True, group_by=["model"]),
            Route(match=['model=~"flight.*"']),
        ],
    ),
)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: headwater\n")
    (tmp_path / "infra").mkdir()
    (tmp_path / "alarms.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def group(stack: None) -> str:
    """An alarm that fires, in its group."""
    CLIENTS("s3").create_bucket(Bucket="artifacts")
    declared = Alarms(receivers=(Email(name="mail"),), route=Route(receivers=("mail",), group_wait="0s"))
    CLIENTS("s3").put_object(Bucket="artifacts", Key=DECLARED_KEY, Body=declared.model_dump_json())
    CLIENTS("sqs").create_queue(QueueName="headwater-dev-alarms")
    queue = Waiting(lambda: datetime.now(UTC))
    manager = AlarmManager(AlarmStore(Table("registry", CLIENTS)), queue, declared)
    manager.handle(alarm("drift", datetime.now(UTC), model="flights"))
    ((_, timer),) = queue.messages
    manager.look(timer["group"], timer["turn"])
    return str(timer["group"])


def test_the_way_of_an_alarm_is_told_without_a_stack(run: Run, project: Path) -> None:
    done = run("alarms", "route", "severity=critical", "model=flight_delay")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["->", '{severity="critical"}', "night", "(grouped", "by", "model)"],
        ["->", '{model=~"flight.*"}', "mail", "(grouped", "by", "alarmname)"],
    ]


def test_an_explanation_names_routes_that_did_not_match(run: Run, project: Path) -> None:
    done = run("alarms", "route", "model=taxi", "--explain")
    assert done.out.splitlines() == [
        "-> {the root}  mail  (grouped by alarmname)",
        ' x   {severity="critical"}',
        ' x   {model=~"flight.*"}',
    ]
    assert run("alarms", "route", "model=taxi", "--json").json[0]["receivers"] == ["mail"]


def test_a_label_without_a_value_and_a_wrong_file_are_refused(run: Run, project: Path) -> None:
    done = run("alarms", "route", "severity")
    assert (done.code, done.err.splitlines()[0]) == (
        2, "error: 'severity' is no label: write LABEL=VALUE, such as severity=critical",
    )  # fmt: skip
    (project / "alarms.py").write_text("alarms = 1")
    assert "alarms.py declares no alarms" in run("alarms", "route").err


def test_people_acknowledge_show_and_list(run: Run, group: str) -> None:
    done = run("alarms", "ack", "drift", "--for", "2h", "--note", "looking")
    assert done.code == 0
    assert done.err.startswith(f"group {group}: acknowledged until ")
    shown = run("alarms", "show", group)
    assert f"group {group}: ACKED by" in shown.out
    assert "looking" in shown.out
    assert run("alarms", "list", "--json").json[0]["status"] == "ACKED"
    assert "open again" in run("alarms", "unack", group).err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ack", "nothing"], 3, "no group and no alarm 'nothing'"),
        (["ack", "drift", "--for", "soon"], 2, "--for 'soon' is no duration"),
        (["ack", "drift", "--for", "1h", "--until", "2030-01-01"], 2, "--until and --for exclude each other"),
        (["ack", "drift", "--until", "2020-01-01"], 5, "is over; say a time after"),
        (["ack", "drift", "--generation", "7"], 5, "is in generation 1, not 7"),
        (["snooze", "drift"], 2, "say for how long (--for 4h)"),
        (["close", "drift"], 5, "can't be closed: drift still fires"),
        (["unack", "drift"], 5, "nobody acknowledged or snoozed it"),
        (["mute", "model=~(", "--reason", "r", "--for", "1h"], 2, "doesn't compile"),
        (["mute", "model=a", "--reason", "r", "--until", "2020-01-01"], 2, "in the past"),
        (["mute", "model=a", "--reason", "r", "--for", "40d"], 2, "at most 30 days"),
        (["mute", "model=a", "--reason", "r"], 2, "a mute needs an end"),
        (["mute", "model=a", "--reason", "r", "--cron", "0 22 ? * * *"], 2, "need a length"),
        (["mute", "model=a", "--reason", "r", "--cron", "0 22 31 2 ? *", "--lasts", "1h"], 2, "it never fires"),
        (["mute", "model=a", "--reason", "r", "--cron", "0 22 ? * * *", "--lasts", "x"], 2, "--lasts 'x' is no"),
        (["unmute", "x"], 3, "no mute 'x'"),
        (["test", "pager"], 3, "no receiver 'pager': there are mail"),
        (["send", "/nothing"], 2, "can't be read as JSON"),
        (["mute", 'model=~"(a+)+$"', "--reason", "r", "--for", "1h"], 2, "may take for ever"),
        (["mute", "model=a", "--reason", "r", "--for", "999999999d"], 2, "is longer than time is"),
        (["mute", "model=a", "--reason", "r", "--for", "1h", "--from", "9999-12-31T23:30Z"], 2, "from 1000 to 8999"),
        (
            ["mute", "model=a", "--reason", "r", "--cron", "0 22 ? * * *", "--lasts", "8h", "--calendar", "free-days"],
            2,
            "calendar 'free-days': write business-days:DE",
        ),
        (["replay", "--since", "2026-11-30", "--until", "2026-11-01"], 2, "isn't before --until '2026-11-01'"),
        (["route", "a=1", "a=2"], 2, "a is '1' already; an alarm has each label once"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, group: str, arguments: list[str], code: int, words: str) -> None:
    done = run("alarms", *arguments)
    assert done.code == code, done.err
    assert words in done.err.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "can't be read as JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"alerts": [{"status": "firing"}]}', "alerts[0]: expected an object with 'labels', an object too, and 'sta"),
        ('{"alerts": [{"labels": {"alertname": "x", "n": NaN}, "startsAt": "2026-11-01T12:00:00Z"}]}', "NaN"),
        ('{"alerts": [{"labels": {"alertname": "x"}, "startsAt": "yesterday"}]}', "'yesterday' is no time: write it"),
    ],
)
def test_a_file_that_is_no_webhook_is_refused_in_the_words_of_people(
    run: Run, group: str, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "alarms.json").write_text(text)
    done = run("alarms", "send", str(tmp_path / "alarms.json"))
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert words in done.err
    assert "Error" not in done.err


def test_a_webhook_that_windows_wrote_begins_with_a_byte_order_mark(run: Run, group: str, tmp_path: Path) -> None:
    (tmp_path / "alarms.json").write_text('{"version": "4", "alerts": []}', encoding="utf-8-sig")
    assert run("alarms", "send", str(tmp_path / "alarms.json")).err == "0 alarms sent\n"


@pytest.mark.parametrize("verb", [["ack", "drift"], ["snooze", "drift"], ["mute", "model=flights", "--reason", "r"]])
def test_a_time_with_an_offset_is_kept_and_said_in_utc(run: Run, group: str, verb: list[str]) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    there = end.astimezone(timezone(timedelta(hours=9)))
    done = run("alarms", *verb, "--until", there.isoformat())
    assert f"until {end:%Y-%m-%d %H:%M} UTC" in done.err
    store = AlarmStore(Table("registry", CLIENTS))
    kept = run("alarms", "mutes", "--json").json[0]["ends_at"] if verb[0] == "mute" else store
    assert (kept if isinstance(kept, str) else kept.group(group).until) in {f"{end:%Y-%m-%dT%H:%M:%SZ}", end}


def test_who_lists_nothing_is_told_so(run: Run, group: str) -> None:
    assert "no mute holds or is to come" in run("alarms", "mutes").err
    assert "no heartbeat is expected" in run("alarms", "heartbeats").err


def test_a_reason_can_not_colour_the_terminal_of_who_reads_it(run: Run, group: str) -> None:
    run("alarms", "mute", "model=flights", "--reason", "\x1b[31mred\x1b]0;title\x07", "--for", "1h")
    run("alarms", "ack", "drift", "--note", "\x1b[2Jgone")
    said = run("alarms", "mutes").out + run("alarms", "show", "drift").out
    assert "\x1b" not in said
    assert r"\x1b[31mred" in said
    assert r"\x1b[2Jgone" in said


def test_a_mute_is_previewed_made_listed_and_ended(run: Run, group: str) -> None:
    wanted = ["alarms", "mute", "model=flights", "--reason", "backfill", "--for", "1h"]
    assert "would hit 1 alarm that fires now" in run(*wanted, "--preview").err
    assert run("alarms", "mutes").out == ""
    made = run(*wanted, "--json").json
    assert [hit["labels"]["alarmname"] for hit in made["hits"]] == ["drift"]
    assert "backfill" in run("alarms", "mutes").out
    assert run("alarms", "unmute", made["mute"]["id"]).code == 0
    assert run("alarms", "mutes").out == ""


def test_a_mute_that_comes_again_says_when_its_next_window_is(run: Run, group: str) -> None:
    wanted = ["alarms", "mute", "model=flights", "--reason", "night", "--cron", "0 22 ? * * 2099", "--lasts", "8h"]
    again = ["--zone", "Europe/Berlin", "--calendar", "business-days:DE"]
    refused = run(*wanted, *again)
    assert "has no window before the mute ends" in refused.err
    wanted[6] = "0 22 ? * * *"
    done = run(*wanted, *again, "--yes")
    assert done.code == 0, done.err
    assert "cron(0 22 ? * * *) Europe/Berlin for 8h, until" in done.err
    assert "its next window is from" in done.err


def test_a_rotation_keeps_links_valid_and_revoking_refuses_them(run: Run, stack: None) -> None:
    keys = KeyStore(parameter_name("headwater", "dev"), CLIENTS)
    notice = Notice(group="g-1", generation=1, kind=Kind.FIRING, labels={}, firing=1, resolved=0, at=datetime.now(UTC))
    token = Links("https://api.example.com", keys).to(notice, "mail").partition("token=")[2]
    done = run("alarms", "rotate-key", "--json")
    assert (done.json, "key 2 signs links within five minutes" in done.err) == ({"key": 2, "revoked": False}, True)
    assert LinkVerifier(keys).admit(token, "g-1") == "mail"
    assert run("alarms", "rotate-key", "--revoke", "--yes", "--json").json == {"key": 3, "revoked": True}
    with pytest.raises(LinkRefused):
        LinkVerifier(keys).admit(token, "g-1")
