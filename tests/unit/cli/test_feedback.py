"""`headwater feedback`: what was said is shown whatever it is, and a terminal obeys none of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.cli.output import as_json, visible
from headwater.cli.render.feedback import show_history, show_summary
from headwater.client import Stack
from headwater.monitoring.feedback.service import FeedbackService
from headwater.monitoring.feedback.store import FeedbackStore
from headwater.serving.feedback.tokens import Signer, Verifier
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table
from tests.unit.cli.conftest import Run
from tests.unit.lake.world import REGISTRY
from tests.unit.monitoring.logs import Log, record
from tests.unit.monitoring.test_feedback import HOSTILE

KEY = "/headwater/headwater/dev/feedback-key"
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def token(prediction: str, asked: datetime = NOW) -> str:
    request, _, number = prediction.rpartition(".")
    return Signer(KeyStore(KEY, CLIENTS), timedelta(days=30)).tokens("buys", request, asked, int(number) + 1)[
        int(number)
    ]


def say(verdict: str, prediction: str, asked: datetime = NOW, **more: Any) -> None:
    body = {"token": token(prediction, asked), "verdict": verdict} | more
    service = FeedbackService(FeedbackStore(Table(REGISTRY, CLIENTS)), Verifier(KeyStore(KEY, CLIENTS)))
    service.take(prediction, json.dumps(body).encode())


def test_the_list_has_each_author_s_last_word_and_the_history_all(logging_stack: Stack, run: Run) -> None:
    none = run("feedback", "list", "buys")
    assert (none.out, "nobody said anything of buys's predictions" in none.err) == ("", True)
    say("right", "r-1.0", author="ann")
    say("wrong", "r-1.0", author="ann", corrected=12, comment="twelve")
    shown = run("feedback", "list", "buys").out
    assert "twelve" in shown
    assert shown.count("r-1.0") == 1
    assert [one["sequence"] for one in run("feedback", "list", "buys", "--history", "--json").json] == [1, 2]
    history = run("feedback", "show", "r-1.0").out
    assert history.index("wrong, corrected to 12") < history.index("right")
    assert "replaced since" in history
    yesterday = str((NOW - DAY).date())
    assert run("feedback", "list", "buys", "--until", yesterday, "--json").json == []
    assert run("feedback", "list", "buys", "--since", "yesterday").code == 2
    assert run("feedback", "list", "buys", "--since", "2020-01-01").code == 2
    unknown = run("feedback", "show", "r-9.0")
    assert (unknown.code, "nobody said anything of prediction 'r-9.0'" in unknown.err) == (3, True)


def test_hostile_words_reach_no_terminal_and_come_out_of_json_as_they_were(logging_stack: Stack, run: Run) -> None:
    # NetBox #3469, jfinal_cms #32: what visitors wrote was run by whoever read it; mlflow #17164: it broke printing.
    say("wrong", "r-1.0", author=HOSTILE[:100], comment=HOSTILE, corrected=HOSTILE)
    for shown in (run("feedback", "list", "buys").out, run("feedback", "show", "r-1.0").out):
        assert all(letter.isprintable() for letter in shown.replace("\n", ""))
        assert "\\x1b[2J" in shown
        assert "\\u202eevil" in shown
        assert "\\ud800" in shown
    listed = run("feedback", "list", "buys", "--json")
    assert listed.out.rstrip("\n").isprintable()
    assert (listed.json[0]["comment"], listed.json[0]["corrected"]) == (HOSTILE, HOSTILE)
    assert visible("\\x1b") != visible("\x1b")
    # Rich's markup is no markup here.
    say("wrong", "r-2.0", comment="[red]no[/red]", author="[link=file:///]x[/link]")
    assert "[red]no[/red]" in run("feedback", "show", "r-2.0").out
    assert as_json({"a": "\u00e9\U0001f600"}) == '{"a": "\u00e9\U0001f600"}'


def test_corrections_become_labels_by_a_person_who_sees_what_is_left_out(logging_stack: Stack, run: Run) -> None:
    say("wrong", "r-1.0", author="ann", corrected=12.5)
    say("wrong", "r-2.0", author="ann", corrected=1)
    say("wrong", "r-2.0", author="bob", corrected=2)
    say("wrong", "r-3.0", author="ann")
    say("wrong", "r-4.0", author="ann", corrected=1)
    say("wrong", "r-4.0", author="bob", corrected=1)
    # gradio #1811: a comma in a text made another column of a flag.
    say("wrong", "r-5.0", corrected='a, "b"\n')
    done = run("feedback", "list", "buys", "--as-labels")
    labels = [json.loads(line) for line in done.out.splitlines()]
    assert [(label["prediction_id"], label["value"]) for label in labels] == [
        ("r-1.0", 12.5), ("r-4.0", 1), ("r-5.0", 'a, "b"\n')
    ]  # fmt: skip
    assert {label["source"] for label in labels} == {"feedback"}
    assert set(labels[0]) == {"prediction_id", "value", "observed_at", "source", "write_id"}
    assert "left out: 1 predictions that authors correct in different ways" in done.err
    assert run("feedback", "list", "buys", "--as-labels", "--json").json == labels


def count_asked(at: datetime, count: int, model: str = "buys") -> None:
    """As CloudWatch makes a metric of the predict function's line."""
    CLIENTS("cloudwatch").put_metric_data(Namespace="Headwater", MetricData=[{
        "MetricName": "FeedbackAsked", "Timestamp": at, "Value": count, "Unit": "Count",
        "Dimensions": [{"Name": "service", "Value": "serving"}, {"Name": "model", "Value": model}],
    }])  # fmt: skip


def test_the_summary_never_shows_a_share_without_its_coverage(log: Log, logging_stack: Stack, run: Run) -> None:
    log.write(record("r-1", NOW, instances=10), record("r-0", NOW - DAY, instances=10))
    count_asked(NOW, 4)
    count_asked(NOW, 1)
    count_asked(NOW, 100, model="other")
    for number in range(4):
        say("right" if number else "wrong", f"r-1.{number}")
    found = run("feedback", "summary", "buys", "--since", str((NOW - 2 * DAY).date()), "--json").json
    assert (found["whole"]["predictions"], found["whole"]["asked"], found["whole"]["right"]) == (20, 5, 3)
    assert [(day["day"], day["predictions"], day["asked"]) for day in found["days"]] == [
        (str((NOW - DAY).date()), 10, 0), (str(NOW.date()), 10, 5)
    ]  # fmt: skip
    shown = run("feedback", "summary", "buys", "--since", str((NOW - DAY).date())).out
    assert "feedback on 4 predictions: 20.0% of 20 predictions, 80.0% of 5 asked about" in shown
    assert "right 75.0% (30-95%) of 4" in shown
    assert "this is no accuracy" in shown


def test_what_is_shown_fits_a_terminal_of_80_columns(log: Log, logging_stack: Stack) -> None:
    from io import StringIO

    from rich.console import Console

    log.write(record("r-1", NOW, instances=10))
    count_asked(NOW, 10)
    for number in range(10):
        say("right", f"r-1.{number}")
    screen = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    show_summary(screen, logging_stack.feedback.summary("buys"))
    shown: str = screen.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= 80
    (line,) = [line for line in shown.splitlines() if line.strip().startswith(str(NOW.date()))]
    assert "100.0%" in line
    assert line.count("\u2588") == 14
    show_history(screen, logging_stack.feedback.show("r-1.3"))


def test_a_rotation_says_from_when_on_and_revoking_refuses_what_was_given(logging_stack: Stack, run: Run) -> None:
    old = token("r-1.0")
    done = run("feedback", "rotate-key", "--json")
    assert (done.json, "key 2 signs tokens within five minutes" in done.err) == ({"key": 2, "revoked": False}, True)
    assert Verifier(KeyStore(KEY, CLIENTS)).verify(old, "r-1.0") is not None
    assert run("feedback", "rotate-key", "--revoke", "--yes", "--json").json == {"key": 3, "revoked": True}
    assert Verifier(KeyStore(KEY, CLIENTS)).verify(old, "r-1.0") is None
    assert Verifier(KeyStore(KEY, CLIENTS)).verify(token("r-1.0"), "r-1.0") is not None


def test_no_key_is_shown_or_kept_where_others_read(logging_stack: Stack, run: Run) -> None:
    run("feedback", "rotate-key")
    secret = json.loads(CLIENTS("ssm").get_parameter(Name=KEY, WithDecryption=True)["Parameter"]["Value"])["key"]
    done = run("feedback", "rotate-key", "--json")
    assert secret not in done.out + done.err
    # Who reads the parameter without the permission to decrypt it sees nothing of it.
    sealed = CLIENTS("ssm").get_parameter(Name=KEY)["Parameter"]
    assert (sealed["Type"], secret in sealed["Value"]) == ("SecureString", False)
