"""`headwater monitor`: how models are, since when and why, in a terminal of eighty columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from headwater.client import connect
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.monitoring.watched import MODEL, TODAY, Watched, bank_with, morning, new_watched, rows_of

LAST = TODAY + timedelta(days=2)


pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture(scope="module")
def world() -> Iterator[Watched]:
    """Three days of which the last is broken."""
    with new_watched() as made:
        made.version(bank_with(importance={"amount": 0.125}))
        made.serve(1)
        for place in range(3):
            day = TODAY + timedelta(days=place)
            made.day(day, rows_of(800 + place, **({"amount": 0.25} if day == LAST else {})))
            made.hour(morning(day))
        describe("dev", {**OUTPUTS, "region": "eu-central-1"})
        yield made


def test_status_shows_every_model_and_one_in_full(asked: Run) -> None:
    every = asked("monitor", "status")
    assert every.code == 0, every.err
    assert "ALARM" in every.out
    assert f"since {LAST:%-d %b}" in asked("monitor", "status", MODEL).out
    shown = asked("monitor", "status", MODEL)
    assert shown.out.startswith(f"{MODEL} v1 · {LAST:%-d %b %Y} · 80 predictions · score ")
    row = next(line for line in shown.out.splitlines() if line.split()[:2] == ["amount", "stuck"])
    assert row.split()[2] == "100%"
    assert row.split()[-2:] == ["0.125", "0.25"]
    assert "state   NNA" in shown.out
    assert f"headwater monitor explain {MODEL} {LAST} amount" in shown.err
    answer = asked("monitor", "status", MODEL, "--json").json
    assert answer["status"]["state"] == "ALARM"
    assert len(answer["days"]) == 3


def test_status_says_why_a_figure_is_missing(asked: Run, world: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    store = world.store
    before = store.status(MODEL)
    assert before is not None
    monkeypatch.setattr(
        "headwater.monitoring.watch.store.WatchStore.status",
        lambda *_: before.model_copy(update={"notes": ("no realised roc_auc: no label",)}),
    )
    shown = asked("monitor", "status", MODEL)
    assert "note    no realised roc_auc: no label" in shown.out.splitlines()
    assert asked("monitor", "status", MODEL, "--json").json["status"]["notes"] == ["no realised roc_auc: no label"]


def test_status_of_a_model_that_was_never_looked_at(asked: Run, world: Watched) -> None:
    missing = asked("monitor", "status", "nobody")
    assert missing.code == 3
    early = asked("monitor", "status", MODEL, "--as-of", "2020-01-01")
    assert (early.code, early.out) == (0, "")
    assert "wasn't looked at yet" in early.err


def test_drift_shows_days_and_their_features(asked: Run) -> None:
    shown = asked("monitor", "drift", MODEL)
    assert shown.code == 0, shown.err
    assert f"{LAST} amount stuck 100% (usual " in shown.out
    assert [day["day"] for day in asked("monitor", "drift", MODEL, "--json").json["days"]] == [
        f"{TODAY + timedelta(days=place)}" for place in range(3)
    ]
    assert asked("monitor", "drift", MODEL, "--since", "2020-01-01", "--until", "2020-01-02").out == ""
    wrong = asked("monitor", "drift", MODEL, "--segment", "shop=zz")
    assert (wrong.code, "It has shop=n, shop=s" in wrong.err) == (3, True)
    assert asked("monitor", "drift", MODEL, "--since", f"{LAST}", "--until", f"{TODAY}").code == 2


def test_quality_marks_what_is_above_usual(asked: Run) -> None:
    shown = asked("monitor", "quality", MODEL, "--since", f"{LAST}", "--until", f"{LAST}")
    (row,) = [line for line in shown.out.splitlines() if line.split()[:1] == ["amount"]]
    assert "100%* (" in row
    every = asked("monitor", "quality", MODEL, "--all").out.splitlines()
    assert sum(line.split()[:1] in (["amount"], ["shop"], ["predictions"]) for line in every) == 3 * 3
    assert len(asked("monitor", "quality", MODEL, "--json").json["columns"]) == 3 * 3


def test_segments_are_shown_with_their_shares(asked: Run) -> None:
    shown = asked("monitor", "segments", MODEL)
    assert "shop=(other)" in shown.out
    assert "segments raise no alarm" in shown.err
    assert sum(one["rows"] for one in asked("monitor", "segments", MODEL, "--json").json["segments"]) == 240


def test_explain_draws_a_feature_beside_its_reference(asked: Run) -> None:
    every = asked("monitor", "explain", MODEL, f"{LAST}")
    names = [line.split()[0] for line in every.out.splitlines() if line.strip()]
    assert names[-3] == "amount"
    one = asked("monitor", "explain", MODEL, f"{LAST}", "amount")
    assert "█" * 24 in one.out
    assert "shown, never decides: PSI " in one.out
    assert max(map(len, one.out.splitlines())) <= 80
    assert asked("monitor", "explain", MODEL, "2020-01-01").code == 3


def test_replay_counts_the_alarms_of_then_and_now(asked: Run) -> None:
    shown = asked("monitor", "replay", MODEL, "--since", f"{TODAY}", "--until", f"{LAST}")
    assert "alarms raised then 1, by today's rules 1" in shown.out
    assert asked("monitor", "replay", MODEL, "--since", f"{TODAY}").code == 2


def test_the_client_gives_frames(world: Watched) -> None:
    monitor = connect("dev").monitor
    assert list(monitor.drift(MODEL).frame()["rows"]) == [80, 80, 80]
    assert monitor.status(MODEL).frame().shape == (3, 8)
    assert monitor.segments(MODEL).frame()["rows"].sum() == 240
    assert set(monitor.explain(MODEL, LAST).frame()["channel"]) == {"frozen", "range", "shape"}
    assert len(monitor.quality(MODEL).frame()) > 3
    assert len(monitor.replay(MODEL, TODAY, LAST).frame()) == 3
    assert [one.model for one in monitor.statuses()] == [MODEL]
