"""How a model stands: its data, its champion, and what the monitor says of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from headwater.declare import Retraining
from headwater.lake.errors import NoData
from headwater.lake.types import DataVersion, PinnedCommit
from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Finding
from headwater.monitoring.status import PerformanceFigure, Status
from headwater.monitoring.watch.records import WatchRecords
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import DEFINITION_FILE
from headwater.retraining.standing import StandingReader, key_of, learnt_by
from headwater.retraining.store import RetrainStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.prepare import definition_of
from headwater.training.store import RunFiles
from tests.unit.registry.cases import TABLE, candidate, make_table, mocked_aws
from tests.unit.schedules.world import BUCKET, make_artifacts
from tests.unit.training.products import BUYS, products

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CATALOG = products(BUYS)
DATA = DataVersion(commits={"visits": PinnedCommit(commit="a" * 64, revision=1)})


class Lake:
    def __init__(self) -> None:
        self.problem: Exception | None = None

    def pin(self, sources: Any, views: Any = ()) -> DataVersion:
        assert (list(sources), list(views)) == (["visits"], ["habits"])
        if self.problem:
            raise self.problem
        return DATA


class Stack:
    def __init__(self) -> None:
        table = Table(TABLE, CLIENTS)
        self.lake, self.registry, self.watch = Lake(), Registry(table), WatchRecords(table)
        store = RetrainStore(table)
        self.read = StandingReader(CATALOG, self.lake, self.registry, ArtifactStore(BUCKET, CLIENTS), self.watch, store)

    def serve(self, **changes: Any) -> None:
        """A champion that learnt from the data by the definition, as its run kept it."""
        kept = RunFiles(BUCKET, "buys", "run-1", CLIENTS).put_value(DEFINITION_FILE, definition_of(CATALOG, BUYS))
        given = {"data_version": DATA.id, "files": {DEFINITION_FILE: kept}, **changes}
        version = self.registry.register(candidate("run-1", model="buys", **given))
        self.registry.promote("buys", alias=PRODUCTION, to=version.version, expected=None)

    def say(self, *findings: Finding, **fields: Any) -> None:
        given = {"model": "buys", "version": 1, "at": NOON, "state": State.ALARM, "reason": "so it is", **fields}
        self.watch.put_status(Status(findings=findings, **given))


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with mocked_aws(monkeypatch):
        make_table()
        make_artifacts()
        yield Stack()


def finding(channel: Channel) -> Finding:
    return Finding(feature="habits__visits", channel=channel, score=9.0, value=1.0, usual=(0.0, 0.1), detail="0")


def figure(**fields: Any) -> PerformanceFigure:
    given = {"metric": "roc_auc", "value": 0.6, "low": 0.58, "high": 0.62, "baseline": 0.7, "limit": 0.69}
    given |= {"is_worse": True, "since": date(2026, 2, 23), "until": date(2026, 3, 1), "rows": 812, "coverage": 0.9}
    return PerformanceFigure(**{**given, **fields})


def test_before_the_first_version_only_the_data_are_known(stack: Stack) -> None:
    found = stack.read(BUYS)
    assert (found.champion, found.data_version, found.champion_data) == (None, DATA.id, None)
    assert DataVersion.model_validate_json(found.pinned) == DATA
    assert found.key == key_of(DATA.id, definition_of(CATALOG, BUYS), None)


def test_the_champions_data_count_while_its_definition_does(stack: Stack) -> None:
    stack.serve()
    assert stack.read(BUYS).champion_data == DATA.id
    other = BUYS.model_copy(update={"features": BUYS.features[:1]})
    assert stack.read(other).champion_data is None
    # How it is run and watched changes nothing of what it learns.
    policy = BUYS.model_copy(update={"retraining": Retraining(runs=3), "owner": "others"})
    assert stack.read(policy).champion_data == DATA.id
    assert learnt_by(definition_of(CATALOG, policy)) == learnt_by(definition_of(CATALOG, BUYS))


def test_a_source_without_rows_says_so(stack: Stack) -> None:
    stack.lake.problem = NoData("no data for source 'visits'")
    found = stack.read(BUYS)
    assert (found.data_version, found.no_data, found.key) == (None, "no data for source 'visits'", "")


def test_what_is_broken_is_no_drift_and_days_together_are(stack: Stack) -> None:
    stack.serve()
    stack.say(finding(Channel.STUCK), day=date(2026, 3, 1))
    found = stack.read(BUYS)
    assert (found.drifted, found.quality) == ("", "habits__visits stuck 100% (usual 0-10%) at 0 on 2026-03-01")
    stack.say(finding(Channel.STUCK), finding(Channel.RANGE), day=date(2026, 3, 1))
    assert stack.read(BUYS).drifted == "so it is"
    stack.say()
    assert (stack.read(BUYS).drifted, stack.read(BUYS).quality) == ("so it is", "")


def test_realised_performance_says_how_many_labels_there_are(stack: Stack) -> None:
    stack.serve()
    stack.say(state=State.NORMAL, realised=figure())
    found = stack.read(BUYS)
    assert (found.worse, found.labelled, found.coverage) == ("so it is", 812, 0.9)
    assert (found.labels_until, found.drifted) == (date(2026, 3, 1), "")


def test_an_estimate_alone_has_no_labels(stack: Stack) -> None:
    stack.serve()
    stack.say(state=State.NORMAL, estimated=figure())
    assert (stack.read(BUYS).worse, stack.read(BUYS).labelled) == ("so it is", 0)


def test_what_was_said_of_another_version_does_not_count(stack: Stack) -> None:
    stack.serve()
    stack.say(finding(Channel.STUCK), version=7, realised=figure())
    found = stack.read(BUYS)
    assert (found.quality, found.drifted, found.worse) == ("", "", "")
