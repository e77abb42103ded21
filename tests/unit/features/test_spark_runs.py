"""What a run of Spark does before and after it, and that one is started once."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.declare import Catalog, Product, catalog
from headwater.features.errors import InvalidView, NeedsSpark, SparkFailed, WaitsForSpark
from headwater.features.offline.rows import compute
from headwater.features.online.store import OnlineStore
from headwater.features.service import Features
from headwater.features.spark import io as parts
from headwater.features.spark.jobs import Files, Job, Order, Outcome, pointer_of, url_of
from headwater.features.spark.runs import SparkRuns, SparkSteps, run_name
from headwater.lake.types import DataVersion
from headwater.settings import LakeSettings
from headwater.storage.environment import CLIENTS
from headwater.values import Pointer
from tests.unit.features.test_historical import DAY, SALES, Shop, asked, shop
from tests.unit.lake.world import FEATURES, LAKE, REGISTRY

__all__ = ["shop"]

NAMES = ("large", "kept", "online")
CATALOG: Catalog = catalog(
    [
        Product(
            sources=(SALES,),
            views=tuple(
                DAY.model_copy(update={"name": name, "engine": "spark"}) for name in ("large", "kept", "online")
            ),
        )
    ]
)
LARGE = CATALOG.view("large")
WAITING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}


@pytest.fixture
def steps() -> SparkSteps:
    return SparkSteps.from_settings(CATALOG, LakeSettings(lake_bucket=LAKE, registry_table=REGISTRY), CLIENTS)


@pytest.fixture
def runs(shop: Shop) -> Iterator[SparkRuns]:
    """Runs of a machine whose executions stay as they are."""
    made = CLIENTS("stepfunctions").create_state_machine(
        name=f"spark-{uuid.uuid4().hex}", definition=json.dumps(WAITING), roleArn="arn:aws:iam::123456789012:role/spark"
    )
    return SparkRuns(made["stateMachineArn"], CLIENTS)


def version_of(shop: Shop) -> DataVersion:
    return shop.lake.pin(["sales"])


def read(path: str) -> bytes:
    with parts.local(path) as file:
        return file.read_bytes()


def put(key: str, body: bytes) -> str:
    version = CLIENTS("s3").put_object(Bucket=LAKE, Key=key, Body=body)["VersionId"]
    return url_of(Pointer(bucket=LAKE, key=key, version_id=version))


def spark(job: Job, folder: Path, *, count: int = 2) -> Outcome:
    """Stands for Spark, which test_spark.py shows to leave the same rows: in parts, as versions in S3."""
    (view,) = job.views
    connection = duckdb.connect()
    files = []
    for number, path in enumerate(job.sources["sales"].paths):
        files.append(folder / f"{number}.parquet")
        files[-1].write_bytes(read(path))
    connection.execute(f"CREATE VIEW sales AS FROM read_parquet({list(map(str, files))})")
    compute(connection, view, "rows")
    rows = connection.sql("FROM rows").to_arrow_table()
    width = -(-len(rows) // count)
    pieces = [rows.slice(start, width) for start in range(0, len(rows), width)]
    written = tuple(
        parts.write(parts.part(f"{job.offline}/{view.name}", number), piece.schema, piece.to_batches())
        for number, piece in enumerate(pieces)
    )
    outcome = Outcome(parts={view.name: written})
    tell(job, outcome)
    return outcome


def tell(job: Job, outcome: Outcome) -> None:
    put(str(job.outcome).removeprefix(f"s3://{LAKE}/"), outcome.model_dump_json().encode())


def described(steps: SparkSteps, order: Order, run: str = "run-1") -> Job:
    path = steps.describe(order, run)
    assert path is not None
    return Job.model_validate_json(read(path))


def test_a_run_describes_pinned_versions_and_keeps_what_spark_left_in_order(
    shop: Shop, steps: SparkSteps, tmp_path: Path
) -> None:
    view, version = CATALOG.view("kept"), version_of(shop)
    order = Order.of(view, version)
    job = described(steps, Order.model_validate_json(order.model_dump_json()))
    assert job.sources["sales"].keys == SALES.keys
    assert all("?versionId=" in path for path in job.sources["sales"].paths)
    outcome = spark(job, tmp_path)
    assert len(outcome.parts["kept"]) == 2
    assert steps.keep(order, "run-1") == 3
    features = Features(CATALOG, shop.lake)
    assert features.historical(asked(4), ["kept.total"])["kept__total"].to_pylist() == [21]
    # The sources needn't be read again, nor computed.
    assert features.to_read([view], version) == set()
    assert steps.describe(order, "run-2") is None


def test_a_run_fails_with_the_reason_that_the_job_left(shop: Shop, steps: SparkSteps, tmp_path: Path) -> None:
    order = Order.of(LARGE, version_of(shop))
    job = described(steps, order)
    told = json.dumps({"State": "FAILED", "StateDetails": "out of\nmemory"})
    with pytest.raises(SparkFailed, match=r"'large': Spark failed without a word of its own: out of memory$"):
        steps.keep(order, "run-1", {"Error": "States.TaskFailed", "Cause": told})
    tell(job, Outcome(error="InvalidView", message="feature view 'large': its SQL fails"))
    with pytest.raises(InvalidView, match=r"^feature view 'large': its SQL fails$"):
        steps.keep(order, "run-1", {"Cause": "whatever"})
    tell(job, Outcome(error="VersionGone", message="no such version"))
    with pytest.raises(SparkFailed, match="feature view 'large': VersionGone: no such version"):
        steps.keep(order, "run-1")
    # A second attempt of the same run may succeed; rows of another view are refused.
    spark(job, tmp_path)
    found = Outcome.model_validate_json(CLIENTS("s3").get_object(Bucket=LAKE, Key=key_of(job))["Body"].read())
    rows = pq.read_table(io.BytesIO(read(found.parts["large"][0]))).drop_columns("total")
    other = parts.write(f"{job.offline}/other.parquet", rows.schema, rows.to_batches())
    tell(job, Outcome(parts={"large": (other,)}))
    with pytest.raises(InvalidView, match="Spark left shop, event_time, available_time, sales, expected"):
        steps.keep(order, "run-1")


def key_of(job: Job) -> str:
    return str(job.outcome).removeprefix(f"s3://{LAKE}/")


def executions(runs: SparkRuns) -> list[dict[str, Any]]:
    found = CLIENTS("stepfunctions").list_executions(stateMachineArn=runs._executions.arn)["executions"]
    return sorted(found, key=lambda entry: str(entry["name"]))


def test_missing_rows_start_one_run_whoever_asks_how_often(shop: Shop, runs: SparkRuns) -> None:
    features = Features(CATALOG, shop.lake, spark=runs)
    version = version_of(shop)
    for _ in range(2):
        with pytest.raises(WaitsForSpark, match=f"aren't kept yet: run {run_name(LARGE, version)} computes them"):
            features.historical(asked(4), ["large.total"])
    (run,) = executions(runs)
    arn = run["executionArn"]
    given = json.loads(CLIENTS("stepfunctions").describe_execution(executionArn=arn)["input"])
    assert Order.model_validate(given) == Order.of(LARGE, version)
    # Newer data have to wait: the run that is under way begins the next one.
    other = version.model_copy(
        update={"commits": {"sales": version.commits["sales"].model_copy(update={"commit": "c" * 64})}}
    )
    assert runs.start(LARGE, other) == run["name"]
    assert len(executions(runs)) == 1


def test_materialisation_leaves_a_view_to_spark_and_goes_on_when_its_rows_are_kept(
    shop: Shop, runs: SparkRuns, steps: SparkSteps, tmp_path: Path
) -> None:
    view = CATALOG.view("online")
    features = Features(CATALOG, shop.lake, online=OnlineStore(FEATURES, CLIENTS), spark=runs)
    skipped = {done.view: done for done in features.materialise_all()}
    assert "computes them" in skipped["online"].skipped
    assert (skipped["online"].complete, skipped["online"].written) == (True, 0)
    assert len({run["name"].partition("-")[0] for run in executions(runs)} & {"large", "online"}) == 2
    order = Order.of(view, version_of(shop))
    spark(described(steps, order), tmp_path)
    steps.keep(order, "run-1")
    done = features.materialise_view("online", view.version)
    assert (done.skipped, done.rows, done.written) == ("", 3, 2)
    # A definition that was replaced while Spark ran is of use to nobody.
    assert "neither declared nor served" in features.materialise_view("online", "0" * 16).skipped


def test_all_views_of_a_training_set_are_started_before_one_is_waited_for(shop: Shop, runs: SparkRuns) -> None:
    features = Features(CATALOG, shop.lake, spark=runs)
    views = [CATALOG.view("large"), CATALOG.view("kept").model_copy(update={"name": "other"})]
    with pytest.raises(WaitsForSpark):
        features.to_read(views, version_of(shop))
    assert {run["name"].partition("-")[0] for run in executions(runs)} == {"large", "other"}
    fail(runs, "its SQL fails")
    with pytest.raises(SparkFailed, match="'large'"):
        features.to_read([*views, CATALOG.view("kept").model_copy(update={"name": "third"})], version_of(shop))
    assert "third" in {run["name"].partition("-")[0] for run in executions(runs)}


def test_a_run_that_failed_is_repeated_when_somebody_says_so(shop: Shop, runs: SparkRuns) -> None:
    version = version_of(shop)
    first = runs.start(LARGE, version)
    fail(runs, "its SQL fails")
    features = Features(CATALOG, shop.lake, spark=runs)
    with pytest.raises(SparkFailed, match=rf"'large': Spark couldn't compute its rows: run {first} aborted") as caught:
        features.historical(asked(4), ["large.total"])
    assert "headwater features compute large --again" in caught.value.next_steps[0]
    second = runs.start(LARGE, version, again=True)
    assert second == f"{first}-2"
    assert runs.start(LARGE, version) == second
    assert len(executions(runs)) == 2


def fail(runs: SparkRuns, cause: str) -> None:
    for entry in executions(runs):
        CLIENTS("stepfunctions").stop_execution(executionArn=entry["executionArn"], cause=cause)


def test_without_a_machine_rows_are_just_missing(shop: Shop) -> None:
    with pytest.raises(NeedsSpark) as caught:
        Features(CATALOG, shop.lake).to_read([LARGE], version_of(shop))
    assert caught.type is NeedsSpark


def test_a_version_s_address_says_bucket_key_and_version() -> None:
    pointer = Pointer(bucket="lake", key="curated/sales/a b?c=1#ä.parquet", version_id="x/Y+=z")
    assert pointer_of(url_of(pointer)) == pointer
    assert pointer_of("/some/file.parquet") is None


@pytest.mark.usefixtures("shop")
def test_files_in_s3_are_put_together_by_name_in_sparks_types() -> None:
    wide = pa.table({f"column_{number:04}": pa.array([number], pa.uint32()) for number in range(1500)})
    first = pa.table({"shop": ["a", "b"], "amount": pa.array([1, 2], pa.uint16())})
    second = pa.table({"amount": pa.array([3], pa.int64()), "sold": pa.array([5], pa.timestamp("ns", "Europe/Paris"))})

    def parquet(table: pa.Table) -> bytes:
        written = io.BytesIO()
        pq.write_table(table, written, store_schema=False)
        return written.getvalue()

    paths = [put(f"curated/sales/{number}", parquet(table)) for number, table in enumerate((first, second))]
    schema = parts.schema_of(paths)
    assert schema.names == ["shop", "amount", "sold"]
    assert [str(kind) for kind in schema.types] == ["string", "int64", "timestamp[us, tz=UTC]"]
    read_ = parts.Read(paths, schema)
    numbers = pa.RecordBatch.from_arrays([pa.array([0, 1])], ["id"])
    found = pa.Table.from_batches(read_([numbers]), read_.whole)
    assert found.column("amount").to_pylist() == [1, 2, 3]
    assert found.column("shop").to_pylist() == ["a", "b", None]
    assert list(zip(found["__file"].to_pylist(), found["__row"].to_pylist(), strict=True)) == [(0, 0), (0, 1), (1, 0)]
    # Whatever is written under the key later: the version that was pinned is read.
    put("curated/sales/0", parquet(second))
    assert parts.schema_of(paths[:1]).names == ["shop", "amount"]
    assert pq.read_table(io.BytesIO(read(paths[0]))).num_rows == 2
    # A footer that is larger than what is read at first.
    body = parquet(wide)
    assert int.from_bytes(body[-8:-4], "little") > 1 << 16
    assert parts.schema_of([put("curated/sales/wide", body)]).types == [pa.int64()] * 1500
    with pytest.raises(InvalidView, match="files of one source differ"):
        parts.schema_of([paths[0], put("curated/sales/odd", parquet(pa.table({"shop": [True]})))])


def test_a_job_without_files_is_no_job() -> None:
    with pytest.raises(ValueError, match="paths"):
        Files(paths=())
