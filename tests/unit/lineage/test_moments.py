"""What stood at a moment equals a plain replay of all logs to it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from headwater.graph import Node
from headwater.lineage.standing import Moments
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.service import Versions
from tests.unit.lake.world import LAKE, REGISTRY, World
from tests.unit.lineage.conftest import OF, update
from tests.unit.lineage.test_foreign import PLACES, indexed
from tests.unit.registry.cases import candidate

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_moment_equals_a_replay_of_all_logs(world: World) -> None:
    chosen = random.Random(4)
    now = [START]
    registry = Registry(Table(REGISTRY, CLIENTS), now=lambda: now[0])
    for model in ("one", "two"):
        for number in range(4):
            registry.register(candidate(model=model, run_id=f"run-{number}"))
    versions = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS, now=lambda: now[0])
    told: list[tuple[datetime, str, object]] = []
    standing: dict[str, int | None] = {}
    for step in range(60):
        now[0] += timedelta(minutes=chosen.randrange(1, 90))
        model, alias = chosen.choice(["one", "two"]), chosen.choice(["production", "staging", "prod"])
        name = f"{model}@{alias}"
        before = standing.get(name)
        if before is not None and chosen.random() < 0.2:
            registry.withdraw(model, alias=alias, expected=before)
            standing[name] = None
        else:
            to = chosen.randrange(1, 5)
            registry.promote(model, alias=alias, to=to, expected=before)
            standing[name] = to
        told.append((now[0], name, standing[name]))
        if step % 5 == 0:
            now[0] += timedelta(minutes=1)
            dataset = chosen.choice(["left", "right"])
            commit = versions.dataset(dataset).commit(f"step {step}", allow_empty=True).id
            told.append((now[0], dataset, commit))
    moments = Moments(PLACES)
    for _ in range(40):
        time = START + timedelta(minutes=chosen.randrange(-60, 60 * 90))
        expected = {name: value for at, name, value in told if at <= time}
        found = moments.at(time)
        served = {f"{each.model}@{each.alias}": each.version for each in found.served}
        heads = {each.dataset: each.commit for each in found.heads}
        assert served | heads == {name: value for name, value in expected.items() if value is not None}


def test_a_destroyed_stack_is_an_update_that_left_nothing(world: World) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    update(noon, "a" * 40)
    update(noon + timedelta(hours=1), "b" * 40, kind="destroy")
    service = indexed()
    updates = service.index.versions(f"infra:{OF}")
    assert len(updates) == 2
    kinds = {fact.notes["kind"] for node in updates for fact in service.facts(node)}
    assert kinds == {"update", "destroy"}
    stood = Moments(PLACES).at(noon + timedelta(minutes=30)).update
    assert stood is not None
    assert (stood.kind, stood.commit) == ("update", "a" * 40)
    later = Moments(PLACES).at(noon + timedelta(hours=2)).update
    assert later is not None
    assert later.kind == "destroy"
    assert {edge.above for edge in service.walk(Node("infra", str(OF), later.id), "UP", depth=1).edges} == {
        Node("code", OF.project, "b" * 40)
    }
