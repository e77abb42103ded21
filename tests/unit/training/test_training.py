"""From landed files to a judged candidate, on products that are small enough to train in a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy
import pandas
import pytest

from headwater.declare import Examples, Gate, Holdout, Model, OnDemand, number
from headwater.features.inputs import encode
from headwater.features.offline.point_in_time import historical
from headwater.features.online.store import OnlineStore
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.profiles.types import Scheme
from headwater.registry.starting import StartedBy
from headwater.registry.store import ArtifactStore
from headwater.registry.types import GoldenSet, Profile, Status
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.dataset import split
from headwater.training.errors import (
    CompilationFailed,
    FitFailed,
    InvalidExamples,
)
from headwater.training.service import Training
from headwater.training.store import RunFiles
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World
from tests.unit.training.products import BUYS, EXPENSIVE, HERE, PRICE, houses, products
from tests.unit.training.runs import changed, land, package, preparation, promote, registry, run, training_set


def test_a_model_with_history_is_trained_judged_and_handed_over(world: World, tmp_path: Any) -> None:
    land(world, products())
    started = StartedBy(how="notebook", person="ada", program="explore.ipynb", commit="c" * 40, clean=False)
    candidate = run(BUYS, started_by=started)
    assert candidate.started_by == started
    kept = RunFiles(ARTIFACTS, "buys", "run-1", CLIENTS).get_value("started.json", StartedBy)
    assert kept == started
    assert candidate.failures == ()
    assert candidate.inputs_alone is not None
    assert 0.99 > candidate.metrics["roc_auc"] > candidate.inputs_alone["roc_auc"] + 0.02
    assert candidate.rows == {"train": 712, "holdout": 177, "unlabelled": 11}
    assert sorted(candidate.parameters) == ["class_weight", "learning_rate", "max_leaf_nodes"]
    assert (candidate.parity.passed, candidate.champion_version) == (True, None)
    made, graph = package(candidate)
    assert made.columns == BUYS.columns == graph.columns
    assert made.code_version == "abc"
    # Which definition of each view it learnt from stays known when the product declares another one.
    views = products(BUYS).views
    assert {(entry.view, entry.version) for entry in made.features} == {(n, views[n].version) for n in BUYS.views}
    train, held_out = split(BUYS, training_set(BUYS, "run-1", tmp_path))
    assert train.asked["asked_at"].max() < held_out.asked["asked_at"].min()
    body = RunFiles(ARTIFACTS, "buys", "run-1", CLIENTS).get("profile.json")
    profile = Profile.model_validate_json(body or b"")
    assert len(profile.numbers["amount"].quantiles) == 257
    assert profile.numbers["amount"].missing == pytest.approx(0.05, abs=0.03)
    assert set(profile.categories["shop"].counts) == {"n", "s", "w"}
    bank = Bank.unpacked(RunFiles(ARTIFACTS, "buys", "run-1", CLIENTS).get("bank.json.gz") or b"")
    assert bank.scheme == Scheme.of(profile)
    asked = pandas.concat([train.asked["asked_at"], held_out.asked["asked_at"]]).dt.date
    assert {window.start.date(): window.profile.rows for window in bank.windows} == asked.value_counts().to_dict()
    # Only what the model doesn't know has scores that tell of later ones.
    learnt_from = set(train.asked["asked_at"].dt.date)
    assert all((window.profile.scores is None) == (window.start.date() in learnt_from) for window in bank.windows)
    assert bank.windows[-1].profile.scores is not None
    # The model declares no segments; every column has its importance.
    assert bank.segments == {}
    assert bank.importance.keys() == {*profile.numbers, *profile.categories}
    assert max(bank.importance.values()) > 0
    assert registry().register(candidate).status is Status.READY


ON_DEMAND = (
    OnDemand(name="spends", sql="ln(1 + amount)"),
    OnDemand(name="often", sql="CASE WHEN shop = 'n' AND habits.visits > 3 THEN spends ELSE 0 END"),
)


@pytest.mark.parametrize("on_demand", [(), ON_DEMAND], ids=["plain", "on demand"])
def test_golden_requests_answer_through_inputs_and_graph_as_the_pipeline_did(
    world: World, on_demand: tuple[OnDemand, ...]
) -> None:
    land(world, products())
    candidate = run(changed(BUYS, on_demand=on_demand))
    assert candidate.golden is not None
    golden = ArtifactStore(ARTIFACTS, CLIENTS).load(candidate.golden, GoldenSet)
    made, graph = package(candidate)
    (request,) = golden.requests
    assert len(request.instances) == 20
    assert request.features is not None
    for instance, features, expected in zip(request.instances, request.features, request.expected, strict=True):
        columns = encode(made.inputs, json.loads(json.dumps(instance)))
        known = {name.replace(".", "__"): numpy.nan if value is None else value for name, value in features.items()}
        frame = numpy.array([0])
        answer = graph.predict(_frame({**columns, **known}))[frame[0]]
        assert answer == pytest.approx(expected, abs=golden.tolerance)


def _frame(row: dict[str, Any]) -> Any:
    import pandas

    return pandas.DataFrame([row])


def test_the_same_inputs_give_the_same_figures_and_the_same_graph(world: World) -> None:
    land(world, products())
    first, second = run(BUYS, "run-1"), run(BUYS, "run-2")
    same = ("metrics", "inputs_alone", "parameters", "rows", "parity", "data_version")
    assert first.model_dump(include=set(same)) == second.model_dump(include=set(same))
    assert package(first)[0].sha256 == package(second)[0].sha256


@pytest.mark.parametrize("model", [PRICE, EXPENSIVE], ids=["regression", "classification"])
def test_a_table_of_numbers_without_time_is_enough(world: World, model: Model) -> None:
    land(world, products(), source="houses")
    candidate = run(model)
    assert candidate.failures == ()
    assert candidate.inputs_alone is None
    assert candidate.rows["train"] + candidate.rows["holdout"] == 400
    assert candidate.rows["holdout"] == pytest.approx(100, abs=30)
    made, _ = package(candidate)
    assert made.output.column == (1 if model.task == "classification" else 0)
    assert candidate.promotion == "manual"


def test_a_champion_is_judged_on_the_same_rows_and_a_worse_candidate_is_rejected(world: World) -> None:
    land(world, products())
    good = run(BUYS, "run-1")
    assert promote(good).version == 1
    again = run(BUYS, "run-2")
    assert (again.champion, again.champion_version) == (good.metrics, 1)
    assert again.failures == ()
    worse = run(changed(BUYS, features=(), gates=(Gate(metric="roc_auc", champion_margin=0.005),)), "run-3")
    assert worse.champion is None
    assert worse.gates[0].passed
    assert "not compared with version 1" in worse.gates[0].reason
    strict = run(changed(BUYS, train=f"{HERE}:stump", search=BUYS.search.model_copy(update={"space": {}})), "run-4")
    assert strict.champion == good.metrics
    assert any("worse than the champion's" in reason for reason in strict.failures)
    assert registry().register(strict).status is Status.REJECTED


def test_a_gate_that_is_missed_says_by_how_much(world: World) -> None:
    land(world, products())
    candidate = run(changed(BUYS, gates=(Gate(metric="roc_auc", at_least=0.999), Gate(metric="brier", at_most=0.001))))
    assert candidate.failures[0].startswith("roc_auc 0.")
    assert candidate.failures[0].endswith("is below 0.999")
    assert "is above 0.001" in candidate.failures[1]


def test_the_training_set_is_what_requests_would_have_seen(world: World, tmp_path: Any) -> None:
    catalog = products()
    land(world, catalog)
    prepared = preparation(catalog).prepare("buys", "run-1")
    rows = training_set(BUYS, "run-1", tmp_path)
    assert (prepared.rows, prepared.rows + prepared.unlabelled) == (len(rows), 900)
    lake = Lake(catalog, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    with lake.tables(lake.pin(["visits"])) as tables:
        history = tables.execute(
            "SELECT shop, seen_at, bought FROM visits WHERE shop IS NOT NULL ORDER BY 2"
        ).fetchall()
    for position in range(0, len(rows), 37):
        shop, asked = rows.columns["shop"].iloc[position], rows.asked["asked_at"].iloc[position]
        known = [row for row in history if row[0] == shop and row[1] + timedelta(minutes=1) <= asked]
        fresh = [row for row in known if asked - row[1] <= timedelta(hours=3)]
        expected = fresh[-1][2] if fresh else None
        value = rows.columns["habits__last_bought"].iloc[position]
        assert value == expected or (expected is None and numpy.isnan(value))


def test_a_model_without_data_says_what_to_upload(world: World) -> None:
    with pytest.raises(NoData, match="no data for source 'visits'"):
        preparation(products()).prepare("buys", "run-1")


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"sql": "SELECT nosuch FROM visits"}, "the SQL of its examples fails: .*nosuch"),
        ({"sql": "SELECT shop, amount, seen_at, bought FROM visits"}, "its examples lack asked_at"),
        ({"sql": "SELECT *, NULL::TIMESTAMP AS asked_at FROM visits"}, "900 examples have no asked_at"),
        ({"sql": "SELECT *, 1 AS asked_at FROM visits"}, "asked_at is INTEGER, expected a timestamp"),
        (
            {"sql": "SELECT * REPLACE (3 AS bought), seen_at AS asked_at FROM visits"},
            "'bought' holds 3 in .* expected 0",
        ),
        (
            {"sql": "SELECT * REPLACE ('x' AS bought), seen_at AS asked_at FROM visits"},
            "holds 'x' in .* expected 0",
        ),
        ({"sql": "SELECT * REPLACE (-1 AS amount), seen_at AS asked_at FROM visits"}, "889 of 889 .* a number of at"),
        (
            {"sql": "SELECT * REPLACE (NULL AS bought), seen_at AS asked_at FROM visits"},
            "none of 900 .* has a label",
        ),
    ],
)
def test_examples_that_cannot_be_learnt_from_are_refused(world: World, update: dict[str, Any], words: str) -> None:
    land(world, products())
    examples = Examples.model_validate({**dict(BUYS.examples), **update})
    model = changed(BUYS, examples=examples)
    with pytest.raises(InvalidExamples, match=words):
        preparation(products(model)).prepare("buys", "run-1")


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (changed(PRICE, train=f"{HERE}:raising"), FitFailed, "raising failed with .* KeyError: 'no such column'"),
        (changed(PRICE, train=f"{HERE}:not_a_pipeline"), FitFailed, "gave object, which has no predict"),
        (changed(PRICE, train=f"{HERE}:own_code"), CompilationFailed, "can't be made into ONNX"),
        (
            changed(PRICE, train=f"{HERE}:linear_price"),
            CompilationFailed,
            "the pipeline fails when rows are as they were held out.*NaN",
        ),
        (changed(PRICE, holdout=Holdout(share=0.0001)), InvalidExamples, "none is left to judge by"),
        (
            changed(EXPENSIVE, examples={**dict(EXPENSIVE.examples), "sql": "SELECT *, 1 AS dear FROM houses"}),
            InvalidExamples,
            "all .* training examples have label 1",
        ),
    ],
)
def test_a_product_at_fault_is_told_where(world: World, model: Model, error: type[Exception], words: str) -> None:
    land(world, products(), source="houses")
    with pytest.raises(error, match=words):
        run(model)


def test_a_category_that_training_never_saw_must_be_answered(world: World) -> None:
    land(world, products())
    model = changed(BUYS, train=f"{HERE}:strict_encoder", search={})
    with pytest.raises(CompilationFailed, match="the pipeline fails when shop was never seen in training"):
        run(model)


def test_a_pipeline_that_cannot_take_what_is_never_missing_is_fine(world: World) -> None:
    land(world, products(), houses().replace(",,", ",50,"), source="houses")
    inputs = tuple(number(name) for name in ("rooms", "area"))
    candidate = run(changed(EXPENSIVE, inputs=inputs, train=f"{HERE}:linear_all"))
    assert candidate.failures == ()


def test_a_forest_answers_what_is_missing_as_scikit_learn_does(world: World) -> None:
    land(world, products(), source="houses")
    candidate = run(changed(EXPENSIVE, train=f"{HERE}:forest"))
    assert candidate.parity.passed
    assert candidate.parity.worst is None


def test_a_finished_run_is_judged_anew_by_the_champion_of_now(world: World) -> None:
    land(world, products(), source="houses")
    first, second = run(PRICE, "run-1"), run(PRICE, "run-2")
    assert first.champion_version is second.champion_version is None
    promote(first)
    again = run(PRICE, "run-2")
    assert (again.champion_version, again.champion, again.judged_anew) == (1, first.metrics, 1)
    assert again.package == second.package
    assert run(PRICE, "run-2") == again


def test_a_run_that_was_never_prepared_says_so(world: World) -> None:
    training = Training(products(), registry(), ARTIFACTS, CLIENTS)
    with pytest.raises(InvalidExamples, match="run 'nosuch' of model 'buys' has no training set"):
        training.train("buys", "nosuch")


def test_online_values_after_materialising_equal_the_offline_ones_at_that_time(world: World) -> None:
    from headwater.features.online.reading import plan, read_online
    from headwater.features.service import Features

    catalog = products()
    land(world, catalog)
    lake = Lake(catalog, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    now = datetime(2024, 1, 2, 7, 3, tzinfo=UTC)
    store = OnlineStore(FEATURES, CLIENTS)
    features = Features(catalog, lake, online=store, now=lambda: now)
    features.materialise("habits")
    with lake.tables(lake.pin(["visits"])) as tables:
        table = features.ensure(tables, catalog.view("habits"), lake.pin(["visits"]))
        tables.execute(
            "CREATE TABLE asked AS SELECT unnest(['n', 's', 'w', 'nosuch']) AS shop, ?::TIMESTAMP AS asked_at",
            [now.replace(tzinfo=None)],
        )
        offline = historical(tables, "asked", catalog.views, {"habits": table}, BUYS.features).fetchall()
    candidate = run(BUYS)
    lookups = plan(package(candidate)[0].features, [{"shop": row[0]} for row in offline])
    online = read_online(store, [lookup for row in lookups for lookup in row], now)
    assert [tuple(answer.values.values()) for answer in online] == [row[2:] for row in offline]
    assert sum(answer.values["visits"] is not None for answer in online) == 3
