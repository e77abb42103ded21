"""A feature that is text, from the landed file to the answer: which carrier flew this plane last."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any, NamedTuple

import pandas
import pandera.pandas as pa
import pyarrow
import pytest
from rich.console import Console
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from headwater import declare
from headwater.cli.render.features import show_details, show_statistics
from headwater.client import Stack, connect
from headwater.features.errors import InvalidRows
from headwater.features.online.encoding import pack, text_places, unpack
from headwater.features.online.materialising import MaterialiseOptions
from headwater.features.online.reading import attribute_of
from headwater.features.online.store import OnlineStore, OnlineWrite
from headwater.features.service import Features
from headwater.features.stream.commits import StreamCommitter
from headwater.features.stream.rows import Streaming
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.locks import FOLDER
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import Candidate, Package
from headwater.serving.errors import InvalidBody
from headwater.serving.models import ServingModels
from headwater.serving.service import Serving
from headwater.serving.staging import Staging
from headwater.serving.store import PredictionStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.describing import Profile
from headwater.training.prepare import Preparation
from headwater.training.rebuilding import rebuild
from headwater.training.registration import Registration
from headwater.training.service import Training
from headwater.training.store import RunFiles
from headwater.versions.service import Versions
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.lake.world import ARTIFACTS, FEATURES, LAKE, REGISTRY, World, new_world

HERE = "tests.unit.training.test_text_features"
START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 600
NOW = START + timedelta(minutes=4 * ROWS)
CARRIERS = ("1", "01", "é", "a\0b", "")
LATE_AFTER = {"01", "a\0b"}

CONTRACT = pa.DataFrameSchema(
    {
        "tail": pa.Column(str),
        "carrier": pa.Column(str, nullable=True),
        "flew_at": pa.Column("datetime64[us]"),
        "late": pa.Column(int),
    },
    coerce=True,
)
FLIGHTS = declare.Source(name="legs", contract=f"{HERE}:CONTRACT", event_time="flew_at")
PLANES = declare.FeatureView(
    name="planes",
    entity=("tail",),
    sources=("legs",),
    aggregate=declare.Aggregations(),
    features=(
        declare.Feature(name="legs", aggregate=declare.count(over="1d")),
        declare.Feature(
            name="last_carrier",
            description="Who flew it last",
            kind="category",
            aggregate=declare.last("carrier", over="1d"),
            max_length=20,
        ),
    ),
    ttl="1d",
)
MODEL = declare.Model(
    name="punctual",
    task="classification",
    inputs=(declare.category("tail"), declare.timestamp("asked_at")),
    features=("planes.last_carrier", "planes.legs"),
    on_demand=(declare.OnDemand(name="is_first", sql="CASE WHEN planes.last_carrier = '01' THEN 1 ELSE 0 END"),),
    examples=declare.Examples(
        sources=("legs",),
        sql="SELECT tail, flew_at - INTERVAL 1 SECOND AS asked_at, late FROM legs",
        label="late",
        positive="late",
    ),
    train=f"{HERE}:fit",
    holdout=declare.Holdout(last=f"{4 * ROWS // 4}m"),
    gates=(declare.Gate(metric="roc_auc", at_least=0.8),),
)


def products() -> declare.Catalog:
    return declare.catalog([declare.Product(sources=(FLIGHTS,), views=(PLANES,), models=(MODEL,))])


def fit(params: Mapping[str, Any], inputs: pandas.DataFrame, label: Any) -> Pipeline:
    """A line over the texts' presence and the numbers."""
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
    encode = ColumnTransformer(
        [
            ("texts", texts, make_column_selector(dtype_include=object)),
            ("numbers", numbers, make_column_selector(dtype_include="number")),
        ]
    )
    return Pipeline([("encode", encode), ("learn", LogisticRegression(**params))]).fit(inputs, label)


def legs() -> bytes:
    """A Parquet file: a plane that "01" flew is late the next time, one that "1" flew isn't."""
    dice, rows, last = random.Random(1), [], {}
    for number in range(ROWS):
        tail, carrier = dice.choice("ABCDEF"), dice.choice(CARRIERS)
        late = int(dice.random() < (0.9 if last.get(tail) in LATE_AFTER else 0.1))
        # An empty text tells nothing: what is known stays.
        last[tail] = carrier or last.get(tail)
        rows.append((tail, carrier or dice.choice(["", None]), START + timedelta(minutes=4 * number), late))
    frame = pandas.DataFrame(rows, columns=["tail", "carrier", "flew_at", "late"])
    body = BytesIO()
    frame.assign(flew_at=frame["flew_at"].dt.tz_localize(None)).to_parquet(body)
    return body.getvalue()


class Flown(NamedTuple):
    """A stack on which the model was trained, and serves."""

    world: World
    candidate: Candidate
    package: Package
    serving: Serving
    stack: Stack

    def predict(self, *tails: str, **more: Any) -> tuple[list[float], list[dict[str, Any]]]:
        """Probabilities, and what the log keeps of each."""
        instances = [{"tail": tail, "asked_at": NOW.isoformat()} for tail in tails]
        body = json.dumps({"instances": instances, "as_of": NOW.isoformat(), **more}).encode()
        answer = self.serving.predict("punctual", body, request_id="-".join(tails))
        if answer.record.looked_up:
            PredictionStore("predictions", CLIENTS).write(answer.record)
        logged = answer.record.predictions
        return [entry["probability"] for entry in answer.body["predictions"]], logged

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """The predict function without its handler."""
        alias = event["queryStringParameters"]["alias"]
        answer = self.serving.predict("punctual", event["body"].encode(), request_id="r", alias=alias)
        return {"statusCode": 200, "body": json.dumps(answer.body)}


@pytest.fixture(scope="module")
def flown() -> Iterator[Flown]:
    with pytest.MonkeyPatch.context() as monkeypatch, new_world(monkeypatch) as world:
        describe("dev", {**OUTPUTS, "region": "eu-central-1", "views": "planes"})
        CLIENTS("s3").create_bucket(
            Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        declared = products()
        lake = Lake(declared, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
        lake.ingest(world.upload("landing/legs/one.parquet", legs()))
        store = OnlineStore(FEATURES, CLIENTS)
        Features(declared, lake, online=store, now=lambda: NOW).materialise("planes")
        Preparation.over(
            declared, CLIENTS, lake_bucket=LAKE, registry_table=REGISTRY, artifacts_bucket=ARTIFACTS
        ).prepare("punctual", "run-1")  # fmt: skip
        registry, artifacts = Registry(Table(REGISTRY, CLIENTS)), ArtifactStore(ARTIFACTS, CLIENTS)
        training = Training(
            declared, registry, ARTIFACTS, CLIENTS, code_version="abc", lock=FOLDER / "training.txt", now=lambda: NOW
        )
        candidate = training.train("punctual", "run-1")
        version = Registration(registry, artifacts, Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS)).register(
            "punctual", "run-1"
        )
        registry.promote("punctual", alias=PRODUCTION, to=version.version, expected=None)
        serving = Serving(ServingModels(registry, artifacts, refresh_after=0), store, now=lambda: NOW)
        package = artifacts.load(candidate.package, Package)
        yield Flown(world, candidate, package, serving, connect("dev"))


def last_carriers() -> dict[str, str]:
    """What the file says, counted by hand."""
    frame = pandas.read_parquet(BytesIO(legs()))
    known = frame[frame["carrier"].fillna("") != ""]
    return dict(known.groupby("tail")["carrier"].last())


def test_a_model_learns_from_text_that_only_history_knows(flown: Flown, tmp_path: Any) -> None:
    candidate = flown.candidate
    assert candidate.failures == ()
    assert candidate.parity.passed
    assert candidate.inputs_alone is not None
    assert candidate.metrics["roc_auc"] > candidate.inputs_alone["roc_auc"] + 0.2
    assert flown.package.categories == ("tail", "planes__last_carrier")
    assert {feature.name: feature.kind for feature in flown.package.features} == {
        "planes.last_carrier": "category", "planes.legs": "number",
    }  # fmt: skip
    body = RunFiles(ARTIFACTS, "punctual", "run-1", CLIENTS).get("profile.json") or b""
    counts = Profile.model_validate_json(body).categories["planes__last_carrier"].counts
    assert set(counts) == {carrier for carrier in CARRIERS if carrier}
    version = Registry(Table(REGISTRY, CLIENTS)).version("punctual", 1)
    path = tmp_path / "again.parquet"
    again = rebuild(version, CLIENTS, lake_bucket=LAKE, table=Table(REGISTRY, CLIENTS), path=path)
    assert again == candidate.training_set


def test_an_answer_follows_the_text_that_is_online_and_the_log_keeps_it(flown: Flown) -> None:
    expected = last_carriers()
    probabilities, logged = flown.predict(*expected)
    (key,) = flown.world.keys("predictions")
    assert {entry["inputs"]["tail"]: entry["features"]["planes.last_carrier"] for entry in logged} == expected
    for carrier, probability in zip(expected.values(), probabilities, strict=True):
        assert (probability > 0.5) == (carrier in LATE_AFTER)
    given = [dict(entry["features"]) for entry in logged]
    assert flown.predict(*expected, features=given)[0] == probabilities
    (skew,) = [entry for entry in flown.stack.features.skew("punctual").features if "carrier" in entry.feature]
    assert (skew.compared, skew.share, skew.mean_difference) == (len(expected), 0, None)
    record = json.loads(CLIENTS("s3").get_object(Bucket="predictions", Key=key)["Body"].read())
    record["predictions"][0]["features"]["planes.last_carrier"] = "another"
    record["predictions"][1]["features"]["planes.last_carrier"] = None
    CLIENTS("s3").put_object(Bucket="predictions", Key="punctual/date=2024-01-02/other.json", Body=json.dumps(record))
    skewed = flown.stack.features.skew("punctual").features[0]
    assert (skewed.feature, skewed.compared) == ("planes.last_carrier", 2 * len(expected))
    assert (skewed.different, skewed.missing_online, skewed.missing_offline) == (1, 1, 0)


def test_what_is_missing_or_was_never_seen_is_answered_as_of_a_category_input(flown: Flown) -> None:
    texts = ["01", None, "", "never seen", "1"]
    given = [{"planes.last_carrier": text, "planes.legs": 1} for text in texts]
    probabilities, logged = flown.predict(*"AAAAA", features=given)
    assert [entry["missing_features"] for entry in logged] == [[], *[["planes.last_carrier"]] * 2, [], []]
    assert probabilities[1] == probabilities[2]
    assert probabilities[0] > max(probabilities[1:])
    assert flown.predict("nowhere")[1][0]["missing_features"] == ["planes.last_carrier", "planes.legs"]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"planes.last_carrier": 1}, "planes.last_carrier: 1, expected text of at most 1,024 characters or null"),
        ({"planes.last_carrier": "x" * 1025}, "expected text of at most"),
        ({"planes.last_carrier": "\ud800"}, r"'\\ud800', expected text of at most"),
        ({"planes.legs": "1"}, "planes.legs: '1', expected a number or null"),
    ],
)
def test_a_given_feature_of_the_wrong_kind_is_refused(flown: Flown, features: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidBody, match=words):
        flown.predict("A", features=[features])


def test_a_version_with_text_proves_itself_in_staging(flown: Flown) -> None:
    registry, artifacts = Registry(Table(REGISTRY, CLIENTS)), ArtifactStore(ARTIFACTS, CLIENTS)
    report = Staging(registry, artifacts, flown, pause=lambda _: None).stage("punctual", 1)
    assert report.compared == 20
    assert report.largest_difference < 1e-4


def test_frames_have_text_columns(flown: Flown) -> None:
    tails = ["A", "nowhere"]
    wanted = ["planes.last_carrier", "planes.legs"]
    expected = [last_carriers()["A"], None]
    frame = flown.stack.features.online(pandas.DataFrame({"tail": tails}), wanted, as_of=NOW)
    assert [None if pandas.isna(text) else text for text in frame["planes__last_carrier"]] == expected
    assert (frame["planes__last_carrier"].dtype, frame["planes__legs"].dtype) == ("str", "float64")
    rows = pyarrow.table({"tail": tails, "asked_at": [NOW.replace(tzinfo=None)] * 2})
    table = flown.stack.features.historical(rows, wanted)
    assert table.column("planes__last_carrier").to_pylist() == expected
    assert table.schema.field("planes__last_carrier").type == pyarrow.string()
    nobody = flown.stack.features.historical(rows.slice(1), wanted)
    assert nobody.column("planes__last_carrier").to_pylist() == [None]


def test_statistics_count_the_most_frequent_texts_and_people_see_them(flown: Flown) -> None:
    statistics = flown.stack.features.stats("planes").statistics
    assert statistics is not None
    carrier = statistics.features["last_carrier"]
    assert sorted(carrier.top) == sorted(carrier for carrier in CARRIERS if carrier)
    assert list(carrier.top.values()) == sorted(carrier.top.values(), reverse=True)
    assert sum(carrier.top.values()) == round(statistics.rows * (1 - carrier.missing))
    assert (carrier.mean, carrier.quantiles, carrier.histogram, carrier.distinct) == (None, (), (), 4)
    console = Console(file=(file := StringIO()), width=160)
    show_statistics(console, flown.stack.features.stats("planes"))
    show_details(console, flown.stack.features.show("planes"))
    said = " ".join(file.getvalue().split())
    times = carrier.top["a\0b"]
    assert f"'a\\x00b' {times}" in said
    assert "legs" in said
    assert "category last(carrier) over 1 d, text of at most 20 characters" in said
    assert next(hit.name for hit in flown.stack.features.search("last carrier").hits) == "planes.last_carrier"


def test_parity_sees_another_text(flown: Flown) -> None:
    (parity,) = flown.stack.features.parity()
    assert (parity.sampled, parity.equal, parity.different) == (6, 6, 0)
    view = products().view("planes")
    kept = flown.world.online()["tail|A"]
    at = unpack(kept[attribute_of(view.version)]["B"])
    written = OnlineWrite(
        "tail|A", pack(at._replace(revision=99, values=(at.values[0], "zz")), text_places(view)), 2**32
    )
    try:
        OnlineStore(FEATURES, CLIENTS).write(view.version, [written])
        (parity,) = flown.stack.features.parity()
        (mismatch,) = parity.mismatches
        assert (mismatch.online, mismatch.offline) == ("zz", last_carriers()["A"])
        assert "planes.last_carrier of A: online 'zz' (FOUND" in str(mismatch)
    finally:
        CLIENTS("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": "tail|A"}})
        Features(
            products(),
            Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)),
            online=OnlineStore(FEATURES, CLIENTS),
            now=lambda: NOW,
        ).materialise("planes", options=MaterialiseOptions(full=True))
    assert flown.world.online()["tail|A"] == kept


def test_streamed_text_is_checked_and_gives_way_as_numbers_do(flown: Flown) -> None:
    streaming = Streaming(products(), OnlineStore(FEATURES, CLIENTS), Arrivals(LAKE, CLIENTS), now=lambda: NOW)
    row = {"tail": "S", "event_time": NOW.isoformat(), "legs": 1}
    for wrong in (7, True, "x" * 21, "\udfff", ["01"]):
        with pytest.raises(InvalidRows, match=r"last_carrier: .*, expected text of at most 20 characters"):
            streaming.ingest("planes", [{**row, "last_carrier": wrong}])
    with pytest.raises(InvalidRows, match="legs: '1', expected a number that float32 can hold"):
        streaming.ingest("planes", [{**row, "legs": "1"}])
    assert streaming.ingest("planes", [{**row, "last_carrier": "a\0b"}, {**row, "last_carrier": "01"}]).written == 1
    # Of two rows of one moment the larger text counts, whatever came first.
    assert streaming.ingest("planes", [{**row, "last_carrier": ""}]).written == 0
    assert flown.world.rows_online(products().view("planes"))["tail|S"] == {"legs": 1.0, "last_carrier": "a\0b"}


def test_streamed_text_is_what_training_sees_once_it_is_committed(flown: Flown) -> None:
    row = {"tail": "S", "event_time": NOW.isoformat(), "legs": 1, "last_carrier": "a\0b"}
    Streaming(products(), OnlineStore(FEATURES, CLIENTS), Arrivals(LAKE, CLIENTS), now=lambda: NOW).ingest(
        "planes", [row]
    )
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    StreamCommitter(lake, Arrivals(LAKE, CLIENTS)).commit("planes")
    asked = pandas.DataFrame({"tail": ["S"], "asked_at": [NOW + timedelta(microseconds=1)]})
    offline = Features(products(), lake).historical(asked, ["planes.last_carrier", "planes.legs"])
    assert offline.select(["planes__last_carrier", "planes__legs"]).to_pylist() == [
        {"planes__last_carrier": "a\0b", "planes__legs": 1.0}
    ]
