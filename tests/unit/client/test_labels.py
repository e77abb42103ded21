"""Labels in the client and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headwater.cli.app import app
from headwater.client import Stack, connect
from headwater.client.errors import BadTarget
from headwater.client.labels import LabelsRefused
from headwater.errors import InvalidRequest
from headwater.monitoring.labels import requests
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.writing import LabelWriter
from headwater.registry.store import ArtifactStore
from headwater.storage.environment import CLIENTS
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.client.fake_api import Fake, answering
from tests.unit.lake.world import ARTIFACTS
from tests.unit.monitoring.labelling import AT, DAY, Shop, logged, new_shop

HOUR = timedelta(hours=1)


@pytest.fixture
def stand() -> Iterator[Shop]:
    with new_shop() as made:
        made.register()
        yield made


@pytest.fixture
def api(stand: Shop) -> Iterator[Fake]:
    """An API whose labels the function's own code takes."""
    with answering() as fake:

        def answer(path: str, body: Any) -> tuple[int, Any]:
            writer = LabelWriter(stand.store, Definitions(stand.registry, ArtifactStore(ARTIFACTS, CLIENTS)))
            model = path.split("/")[2]
            if model != "buys":
                return 404, {"reason": "ModelNotRegistered", "message": f"no model {model!r}", "request_id": "r"}
            return 202, requests.answer(writer, model, json.dumps(body).encode())

        fake.answer = answer
        yield fake


@pytest.fixture
def stack(stand: Shop, api: Fake, monkeypatch: pytest.MonkeyPatch) -> Stack:
    describe("dev", {**OUTPUTS, "region": "eu-central-1", "api_url": api.url})
    monkeypatch.setenv("HEADWATER_STACK", "dev")
    return connect("dev")


def ask(stand: Shop, count: int) -> None:
    """Log predictions of one hour."""
    for number in range(count):
        at = AT + number * timedelta(seconds=1)
        stand.log.write(logged(f"r-{number}", at, shop="n", amount=number, seen_at="2026-03-01T06:30:00Z"))


def run(*words: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    done = CliRunner().invoke(app, words)
    return done.exit_code, done.stdout


def test_labels_are_added_listed_and_joined(stand: Shop, stack: Stack, api: Fake) -> None:
    ask(stand, 3)
    verdicts = stack.labels.add(
        "buys", [{"prediction_id": "r-0.0", "value": True}, {"prediction_id": "r-1.0", "value": 9}]
    )
    assert [one.verdict for one in verdicts] == ["TAKEN", "REFUSED"]
    assert (verdicts[1].field, verdicts[1].given) == ("value", "9")
    # A request that is sent again is the same: the client says when the label was observed.
    sent = api.asked[-1][3]["labels"][0]
    assert datetime.fromisoformat(sent["observed_at"]).tzinfo is not None
    (label,) = stack.labels.list("buys", prediction="r-0.0")
    assert (label.value, label.counts) == (1.0, True)
    frame = stack.predictions("buys", AT, AT + HOUR).frame()
    assert stack.labels.of("buys", frame)["label_state"].tolist() == ["LABELLED", "NOTHING", "NOTHING"]
    assert stack.labels.coverage("buys", AT.date(), AT.date()).labelled == 1


def test_more_labels_than_a_request_carries_go_in_several(stand: Shop, stack: Stack, api: Fake) -> None:
    verdicts = stack.labels.add("buys", [{"prediction_id": f"r-{number}.0", "value": 1} for number in range(1001)])
    assert [one.verdict for one in verdicts] == ["TAKEN"] * 1001
    assert [len(asked[3]["labels"]) for asked in api.asked] == [500, 500, 1]


def test_what_is_no_list_and_no_model_is_refused(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="expected a list of mappings"):
        stack.labels.add("buys", {"prediction_id": "r.0", "value": 1})  # type: ignore[arg-type]
    with pytest.raises(LabelsRefused, match="no model"):
        stack.labels.add("nobody", [{"prediction_id": "r.0", "value": 1}])
    with pytest.raises(BadTarget, match="is no file"):
        stack.labels.upload("buys", tmp_path / "none.csv")


def test_a_file_is_uploaded_and_refused_rows_are_named(stand: Shop, stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_text("prediction_id,value,source\nr-0.0,1,clerk\nr-1.0,maybe,clerk\nr-2.0,0,clerk\n")
    code, said = run("labels", "upload", "buys", str(path))
    assert code == 1
    assert "2 labels of 3 rows were taken, 1 were refused" in said
    assert "row 2: value: expected 0 or 1, or true or false, not 'maybe'" in said
    code, said = run("labels", "upload", "buys", str(path), "--json")
    assert (json.loads(said)["taken"], json.loads(said)["known"]) == (0, 2)


def test_coverage_is_a_picture_that_fits_a_terminal(stand: Shop, stack: Stack) -> None:
    ask(stand, 8)
    stand.land(
        *(f"n,{number},2026-03-01T06:30:00,2026-03-0{2 + number}T06:00:00,{number % 2}" for number in range(6)), at=AT
    )
    stand.write({"prediction_id": "r-0.0", "value": 1, "source": "clerk"}, {"prediction_id": "x.0", "value": 1}, at=AT)
    words = ("labels", "coverage", "buys", "--since", "2026-03-01", "--until", "2026-03-01")
    code, said = run(*words, "--as-of", "2026-03-20T00:00Z")
    assert code == 0
    assert "labelled                 6  75.0% ██████████████████████████████··········" in said
    assert "from api:clerk 1, lake 5" in said
    assert "1 labelled by two sources that differ" in said
    assert "after 2 d                2" in said
    assert max(map(len, said.splitlines())) <= 80
    found = json.loads(run(*words, "--as-of", "2026-03-04T00:00Z", "--json")[1])
    assert (found["predictions"], found["labelled"]) == (8, 2)


def test_history_is_listed_with_what_counts(stand: Shop, stack: Stack) -> None:
    ask(stand, 1)
    for value, source, hours in ((1, "clerk", 1), (0, "clerk", 5)):
        observed = (AT + hours * HOUR).isoformat()
        label = {"prediction_id": "r-0.0", "value": value, "source": source, "observed_at": observed}
        stand.write(label, at=AT + hours * HOUR + HOUR)
    code, said = run("labels", "list", "buys", "--prediction", "r-0.0")
    assert code == 0
    assert [line.split()[-1] for line in said.splitlines() if "clerk" in line] == ["replaced", "counts"]
    known = (AT + 3 * HOUR).isoformat()
    assert [one["counts"] for one in json.loads(run("labels", "list", "buys", "--as-of", known, "--json")[1])] == [True]
    done = CliRunner().invoke(app, ["labels", "list", "buys", "--as-of", "2026-03-01"])
    assert isinstance(done.exception, InvalidRequest)


def test_a_window_without_traffic_says_so(stack: Stack) -> None:
    day = AT.date().isoformat()
    code, said = run("labels", "coverage", "buys", "--since", day, "--until", day)
    assert (code, "no prediction was asked about then" in said) == (0, True)
    with pytest.raises(InvalidRequest, match="the first one not after the last"):
        stack.labels.coverage("buys", AT.date(), (AT - DAY).date())
    with pytest.raises(InvalidRequest, match="has no time zone"):
        stack.labels.coverage("buys", AT.date(), AT.date(), as_of=AT.replace(tzinfo=None))


def test_coverage_goes_by_the_days_that_were_asked_about(stand: Shop, stack: Stack) -> None:
    one = logged("r-1", AT + 9 * DAY, shop="n", amount=1, seen_at="2026-03-01T06:30:00Z")
    stand.log.write(replace(one, as_of=AT))
    assert stack.labels.coverage("buys", AT.date(), AT.date()).predictions == 1
    assert stack.labels.coverage("buys", (AT + 9 * DAY).date(), (AT + 9 * DAY).date()).predictions == 0
