"""From landed files to a judged candidate, on products that are small enough to train in a test."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from headwater.aws import client
from headwater.features.inputs import encode
from headwater.features.offline.point_in_time import historical
from headwater.features.online.store import OnlineStore
from headwater.features.stream.commits import StreamCommitter
from headwater.features.stream.rows import Streaming
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.locks import FOLDER
from headwater.model import Catalog, Examples, Gate, Holdout, Model, OnDemand, RequestInput
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore, RegistryStore
from headwater.registry.types import Candidate, GoldenSet, ModelVersion, Package, Profile, Status
from headwater.training.compiling import Graph
from headwater.training.dataset import load, split
from headwater.training.errors import (
    CompilationFailed,
    FitFailed,
    InvalidExamples,
    NotReproduced,
    NotReproducible,
)
from headwater.training.prepare import Preparation
from headwater.training.rebuilding import rebuild
from headwater.training.registration import Registration
from headwater.training.service import Training
from headwater.training.store import RunFiles
from headwater.training.types import TRAINING_SET_FILE
from headwater.versions.errors import RevisionNotFound
from headwater.versions.service import Versions
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World
from tests.unit.training.products import BUYS, EXPENSIVE, HERE, PRICE, houses, products, visits

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def land(world: World, catalog: Catalog, body: str = "", source: str = "visits") -> None:
    lake = Lake(catalog, bucket=LAKE, table=REGISTRY)
    lake.ingest(world.upload(f"landing/{source}/one.csv", body or (visits() if source == "visits" else houses())))


def preparation(catalog: Catalog) -> Preparation:
    return Preparation.over(catalog, lake_bucket=LAKE, registry_table=REGISTRY, artifacts_bucket=ARTIFACTS)


def registry() -> Registry:
    return Registry(RegistryStore(REGISTRY))


def run(model: Model, run_id: str = "run-1") -> Candidate:
    catalog = products(model)
    preparation(catalog).prepare(model.name, run_id)
    return Training(
        catalog, registry(), ARTIFACTS, code_version="abc", lock=FOLDER / "training.txt", now=lambda: NOW
    ).train(model.name, run_id)


def promote(candidate: Candidate) -> ModelVersion:
    version = registry().register(candidate)
    registry().promote(candidate.model, alias=PRODUCTION, to=version.version, expected=None)
    return version


def package(candidate: Candidate) -> tuple[Package, Graph]:
    artifacts = ArtifactStore(ARTIFACTS)
    made = artifacts.load(candidate.package, Package)
    return made, Graph.of(made, artifacts.read(made.onnx))


def training_set(model: Model, run_id: str, tmp_path: Any) -> Any:
    path = tmp_path / "set.parquet"
    path.write_bytes(RunFiles(ARTIFACTS, model.name, run_id).get(TRAINING_SET_FILE) or b"")
    return load(model, path)


def changed(model: Model, **update: Any) -> Model:
    return Model.model_validate({**dict(model), **update})


def test_a_model_with_history_is_trained_judged_and_handed_over(world: World, tmp_path: Any) -> None:
    land(world, products())
    candidate = run(BUYS)
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
    body = RunFiles(ARTIFACTS, "buys", "run-1").get("profile.json")
    profile = Profile.model_validate_json(body or b"")
    assert len(profile.numbers["amount"].quantiles) == 257
    assert profile.numbers["amount"].missing == pytest.approx(0.05, abs=0.03)
    assert set(profile.categories["shop"].counts) == {"n", "s", "w"}
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
    golden = ArtifactStore(ARTIFACTS).load(candidate.golden, GoldenSet)
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
    lake = Lake(catalog, bucket=LAKE, table=REGISTRY)
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


def test_preparing_a_run_twice_keeps_the_commits_that_it_pinned_first(world: World) -> None:
    catalog = products()
    land(world, catalog)
    first = preparation(catalog).prepare("buys", "run-1")
    client("s3").delete_object(Bucket=ARTIFACTS, Key="runs/buys/run-1/prepared.json")
    land(world, catalog, visits(seed=2))
    again = preparation(catalog).prepare("buys", "run-1")
    assert (again.data_version, again.data, again.commits) == (first.data_version, first.data, first.commits)
    assert again.training_set.sha256 == first.training_set.sha256
    assert preparation(catalog).prepare("buys", "run-2").data_version != first.data_version


def test_an_old_training_set_is_rebuilt_byte_for_byte_after_the_data_changed(world: World, tmp_path: Path) -> None:
    catalog = products()
    land(world, catalog)
    preparation(catalog).prepare("buys", "uploaded")
    stream(3)
    run(BUYS, "run-1")
    version = registered("run-1")
    was = RunFiles(ARTIFACTS, "buys", "run-1").get(TRAINING_SET_FILE)
    # What was streamed is learnt from, pinned and kept from gc like what was uploaded.
    assert was != RunFiles(ARTIFACTS, "buys", "uploaded").get(TRAINING_SET_FILE)
    assert version.candidate.commits.keys() == {"visits", "streamed/habits"}
    streamed = Versions(LAKE, REGISTRY).dataset("streamed/habits")
    assert streamed.resolve("models/buys/v1") == version.candidate.commits["streamed/habits"]
    stream(7)
    # All that came of the first upload is overwritten or gone, the history of the source as well, and nothing that
    # no ref leads to is there any more.
    land(world, catalog, visits(seed=2))
    forget_history()
    for key in [*world.keys(prefix="features/"), *world.keys(ARTIFACTS, "runs/")]:
        client("s3").delete_object(Bucket=LAKE if key.startswith("features/") else ARTIFACTS, Key=key)
    path = tmp_path / "rebuilt.parquet"
    made = rebuild(version, lake_bucket=LAKE, registry_table=REGISTRY, path=path)
    assert path.read_bytes() == was
    assert made.sha256 == hashlib.sha256(was or b"").hexdigest()
    assert [file.name for file in tmp_path.iterdir()] == ["rebuilt.parquet"]
    run(BUYS, "run-2")
    second = registered("run-2")
    rebuild(second, lake_bucket=LAKE, registry_table=REGISTRY, path=path)
    assert path.read_bytes() == RunFiles(ARTIFACTS, "buys", "run-2").get(TRAINING_SET_FILE) != was


def stream(minute: int) -> None:
    """Have rows of a view streamed, and committed."""
    arrivals = Arrivals(LAKE)
    rows = [
        {"shop": "n", "event_time": datetime(2024, 1, 1, hour, minute, tzinfo=UTC), "last_bought": 1, "visits": minute}
        for hour in range(24)
    ]
    Streaming(products(), OnlineStore(FEATURES), arrivals).ingest("habits", rows)
    StreamCommitter(Lake(products(), bucket=LAKE, table=REGISTRY), arrivals).commit("habits")


def test_a_training_set_that_comes_out_differently_is_told_and_not_written(world: World, tmp_path: Path) -> None:
    land(world, products(), source="houses")
    made = run(PRICE)
    version, path = registered("run-1", "price"), tmp_path / "rebuilt.parquet"
    assert made.training_set is not None
    other = made.training_set.model_copy(update={"sha256": "0" * 64, "written_by": "duckdb 0.1"})
    forged = version.model_copy(update={"candidate": made.model_copy(update={"training_set": other})})
    with pytest.raises(NotReproduced, match=r"recorded is 0{64}; it was written by duckdb 0.1, here is duckdb"):
        rebuild(forged, lake_bucket=LAKE, registry_table=REGISTRY, path=path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotReproducible, match="model 'price' version 1 was registered without a record"):
        rebuild(
            version.model_copy(update={"commit": None}), lake_bucket=LAKE, registry_table=REGISTRY, path=path
        )  # fmt: skip


def test_a_version_s_commit_holds_what_was_learnt_from_and_with_what(world: World) -> None:
    land(world, products(), source="houses")
    candidate = run(PRICE)
    version = registered("run-1", "price")
    dataset = Versions(LAKE, REGISTRY).dataset("models/price")
    assert [entry.path for entry in dataset.files("v1")] == [
        "candidate.json", "data_version.json", "definition.json", "golden.json", "model.onnx", "package.json",
        "profile.json", "requirements.txt",
    ]  # fmt: skip
    assert dataset.read("requirements.txt", "v1") == (FOLDER / "training.txt").read_bytes()
    head = Versions(LAKE, REGISTRY).dataset("sources/houses").resolve()
    assert candidate.commits == package(candidate)[0].commits == {"houses": head}
    assert Versions(LAKE, REGISTRY).dataset("sources/houses").resolve("models/price/v1") == head
    assert version.commit == dataset.resolve()


def forget_history() -> None:
    """Point the source at a commit without a past; a month later gc takes what no ref leads to."""
    visits = Versions(LAKE, REGISTRY).dataset("sources/visits")
    entries = [(entry.path, entry) for entry in visits.files()]
    stray = visits.commit("A third delivery", edits=[(path, entry._replace(size=1)) for path, entry in entries]).id
    visits.delete_ref("main")
    visits.commit("Start anew", edits=entries)
    month = timedelta(days=30)
    for bucket in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
        for key in bucket.keys:
            for version in bucket.keys.getlist(key):
                version.last_modified -= month
    versions = Versions(LAKE, REGISTRY, now=lambda: datetime.now(UTC) + month)
    assert versions.gc(dry_run=False).commits > 0
    with pytest.raises(RevisionNotFound):
        versions.dataset("sources/visits").commit_of(stray)


def registered(run_id: str, model: str = "buys") -> ModelVersion:
    return Registration(registry(), ArtifactStore(ARTIFACTS), Versions(LAKE, REGISTRY)).register(model, run_id)


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
    inputs = tuple(RequestInput(name=name, kind="number") for name in ("rooms", "area"))
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
    training = Training(products(), registry(), ARTIFACTS)
    with pytest.raises(InvalidExamples, match="run 'nosuch' of model 'buys' has no training set"):
        training.train("buys", "nosuch")


def test_online_values_after_materialising_equal_the_offline_ones_at_that_time(world: World) -> None:
    from headwater.features.online.reading import plan, read_online
    from headwater.features.online.store import OnlineStore
    from headwater.features.service import Features
    from tests.unit.lake.world import FEATURES

    catalog = products()
    land(world, catalog)
    lake = Lake(catalog, bucket=LAKE, table=REGISTRY)
    now = datetime(2024, 1, 2, 7, 3, tzinfo=UTC)
    store = OnlineStore(FEATURES)
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
