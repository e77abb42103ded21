"""The same views on Spark, where they outgrow one machine: compute, and the point-in-time join.

``python -m headwater.features.spark.engine JOB.json ...`` runs each `Job` in one session; ``spark-submit`` takes this
file as it is. This module alone needs the extra ``pyspark`` and Java 17. A view's SQL is in DuckDB's dialect; sqlglot
translates the SQL to Spark's, and a query that sqlglot can't translate is refused. Values are the same to the last bit
as long as sums are exact in any order, as sums of whole numbers are. Join keys must be text or whole numbers: engines
write fractions differently.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlglot
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from sqlglot import exp

from headwater.declare import FeatureView, InvalidProduct
from headwater.errors import HeadwaterError
from headwater.features.errors import InvalidView
from headwater.features.offline.columns import ASKED, EVENT, KNOWN, LARGEST, entity_sql, moment_sql
from headwater.features.offline.engine import refuse_fractions
from headwater.features.offline.rows import add_streamed, compute_on
from headwater.features.spark import io as parts
from headwater.features.spark.jobs import Files, Job, Outcome
from headwater.lake.database import quoted
from headwater.lake.types import streamed_table

POSITION = "__position"
KINDS = {
    "string": "VARCHAR", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT",
    "float": "FLOAT", "double": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE",
    "timestamp_ntz": "TIMESTAMP", "timestamp": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
"""Spark's types in DuckDB's words."""
PARTS = {"TO_DAYS": 0, "TO_HOURS": 1, "TO_MINUTES": 2, "TO_SECONDS": 3}
CONFIGURATION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    # By default INT96, which has nanoseconds and says nothing of zones.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
}


def translated(query: str) -> str:
    """Translate a query from DuckDB's dialect to Spark's; raises sqlglot's `SqlglotError` for what Spark can't
    express."""
    tree = sqlglot.parse_one(query, read="duckdb")
    # Innermost first: what is replaced takes its parts along.
    for node in reversed(list(tree.walk(bfs=False))):
        if (other := _in_sparks_words(node)) is not node:
            node.replace(other)
    sql: str = tree.sql(dialect="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    return sql


def _in_sparks_words(node: exp.Expr) -> exp.Expr:
    """Translate the few expressions that sqlglot leaves as they are although Spark spells them otherwise."""
    if isinstance(node, exp.Window) and isinstance(node.this, exp.Count) and isinstance(node.this.this, exp.Distinct):
        # Spark counts no distinct values over windows; but it collects them.
        over = node.copy()
        over.set("this", exp.func("collect_set", node.this.this.expressions[0].copy()))
        return exp.func("size", over)
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
        return exp.DataType.build("DECIMAL(38, 0)")
    if isinstance(node, exp.Anonymous):
        name, arguments = node.name.upper(), node.expressions
        if name == "EPOCH_US":
            return exp.Anonymous(this="UNIX_MICROS", expressions=[exp.cast(arguments[0], "TIMESTAMPLTZ")])
        if name == "TIMEZONE" and arguments[0].name.upper() == "UTC":
            return exp.cast(arguments[1], "TIMESTAMPNTZ")
        if name == "ISFINITE":
            return exp.LTE(this=exp.Abs(this=arguments[0]), expression=exp.Literal.number(LARGEST))
        if name in PARTS:
            zeros: list[exp.Expr] = [exp.Literal.number(0) for _ in PARTS]
            zeros[PARTS[name]] = arguments[0]
            return exp.Anonymous(this="MAKE_DT_INTERVAL", expressions=zeros)
    return node


class Spark:
    """A `headwater.features.offline.engine.Engine` on a session.

    Parameters
    ----------
    session : SparkSession
        With a view of each source's rows; its time zone is UTC.
    """

    name = "Spark"
    failures: tuple[type[Exception], ...] = (PySparkException, sqlglot.errors.SqlglotError)
    whole_keys = True

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._kept: dict[str, DataFrame] = {}

    def _query(self, query: str) -> DataFrame:
        return self._session.sql(translated(query))

    def columns(self, query: str) -> dict[str, str]:
        """See `Engine`."""
        kinds = ((field.name, field.dataType.simpleString()) for field in self._query(query).schema.fields)
        return {name: KINDS.get(kind, kind.upper()) for name, kind in kinds}

    def make(self, table: str, query: str) -> None:
        """See `Engine`; rows are kept where they are, since several queries follow."""
        frame = self._query(query).persist()
        frame.createOrReplaceTempView(table)
        self._kept[table] = frame

    def drop(self, table: str) -> None:
        """See `Engine`. Tables derived from this one stay valid: Spark reads the source rows again."""
        if self._session.catalog.dropTempView(table):
            self._kept.pop(table).unpersist()

    def row(self, query: str) -> tuple[Any, ...]:
        """See `Engine`."""
        return tuple(self._query(query).head() or ())

    def transform(self, view: FeatureView, table: str) -> None:  # noqa: ARG002
        """Refused: a transform takes DuckDB's relations."""
        raise InvalidView(
            f"feature view {view.name!r}: its transform runs on DuckDB alone; Spark runs sql and aggregate"
        )


def historical(
    session: SparkSession,
    questions: str,
    views: Mapping[str, FeatureView],
    offline: Mapping[str, str],
    features: Sequence[str],
) -> DataFrame:
    """The point-in-time join by the rule, and with the parameters, of `offline.point_in_time.historical`.

    Returns
    -------
    DataFrame
        Every row of ``questions`` with a column ``view__feature`` for each feature, in the order of the rows' Parquet
        file.
    """
    engine = Spark(session)
    session.table(questions).withColumn(POSITION, F.monotonically_increasing_id()).persist().createOrReplaceTempView(
        "__asked"
    )
    present = engine.columns('SELECT * FROM "__asked"')
    asked = session.table("__asked")
    for name in dict.fromkeys(reference.partition(".")[0] for reference in features):
        if lacking := [key for key in (*views[name].entity, ASKED) if key not in present]:
            raise InvalidView(f"questions lack {', '.join(lacking)}; they have {', '.join(present)}")
        refuse_fractions(engine, "the questions", views[name].entity, 'SELECT * FROM "__asked"', present)
        chosen = [reference.partition(".")[2] for reference in features if reference.startswith(f"{name}.")]
        query = _answers(views[name], offline[name], chosen, present)
        asked = asked.join(session.sql(translated(query)), POSITION, "left")
    columns = [name for name in present if name != POSITION]
    return asked.orderBy(POSITION).select(*columns, *(reference.replace(".", "__") for reference in features))


def _answers(view: FeatureView, offline: str, chosen: Sequence[str], present: Mapping[str, str]) -> str:
    """A query for the chosen features' columns of each question with a known row.

    Rows and questions of an entity are ordered by time together; each question takes the last row before it.
    """
    keys = [quoted(key) for key in view.entity]
    names = ", ".join(keys)
    values = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in chosen)
    empty = ", ".join(
        f"{entity_sql(quoted(name), present[name])} AS {key}" for key, name in zip(keys, view.entity, strict=True)
    )
    moment = f"epoch_us({moment_sql(ASKED, present[ASKED])})"
    columns = ", ".join(f"known.{quoted(name)} AS {quoted(f'{view.name}__{name}')}" for name in chosen)
    ttl = round(view.ttl.total_seconds() * 1e6)
    return f"""
        WITH passing AS (
            SELECT {names}, {KNOWN} AS moment, 0 AS turn, CAST(NULL AS BIGINT) AS {POSITION},
                struct_pack(__event := epoch_us({EVENT}), {values}) AS known
            FROM {quoted(offline)}
            UNION ALL
            SELECT {empty}, {moment} AS moment, 1 AS turn, {POSITION}, NULL AS known FROM "__asked"
        ), met AS (
            SELECT {POSITION}, moment, last_value(known IGNORE NULLS) OVER (
                PARTITION BY {names} ORDER BY moment, turn ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS known
            FROM passing WHERE moment IS NOT NULL AND {" AND ".join(f"{key} IS NOT NULL" for key in keys)}
        )
        SELECT {POSITION}, {columns} FROM met
        WHERE {POSITION} IS NOT NULL AND known IS NOT NULL AND moment - known.__event <= {ttl}
        """


def read(session: SparkSession, name: str, files: Files) -> None:
    """Make a view of a source's rows, as `headwater.lake.service.Lake.tables` shows them.

    Raises
    ------
    InvalidView
        A column's types in two files have no type in common.
    """
    reader = parts.Read(files.paths, parts.schema_of(files.paths))
    # A task a file: each fetches its own.
    numbers = session.range(0, len(files.paths), numPartitions=len(files.paths))
    rows = numbers.mapInArrow(reader, from_arrow_schema(reader.whole, prefer_timestamp_ntz=True))
    if files.keys and len(files.paths) > 1 and set(files.keys) <= set(rows.columns):
        newest = Window.partitionBy(*files.keys).orderBy(F.desc(parts.FILE), parts.ROW)
        rows = rows.withColumn("__rank", F.row_number().over(newest)).where("__rank = 1").drop("__rank")
    rows.drop(parts.FILE, parts.ROW).createOrReplaceTempView(name)


def write(frame: DataFrame, folder: str) -> tuple[str, ...]:
    """Write a frame's partitions as Parquet. Returns their files' names in order; a frame without rows has one file."""
    found = frame.mapInArrow(parts.Write(folder, _partition), parts.WRITTEN).collect()
    paths = tuple(row["path"] for row in sorted(found, key=lambda row: row["number"]))
    return paths or (parts.write(parts.part(folder, 0), to_arrow_schema(frame.schema), ()),)


def _partition() -> int:
    context = TaskContext.get()
    assert context is not None  # noqa: S101 - asked within a task
    return int(context.partitionId())


def run(session: SparkSession, job: Job) -> Outcome:
    """Compute a job's views, write their rows, and join them to the questions if there are any.

    Raises
    ------
    InvalidView
        As `headwater.features.offline.rows.compute_on`, or two files of a source differ.
    """
    for name, files in job.sources.items():
        read(session, name, files)
    offline, written = {}, {}
    for view in job.views:
        offline[view.name] = f"__view_{view.name}"
        compute_on(Spark(session), view, offline[view.name])
        written[view.name] = write(session.table(offline[view.name]), f"{job.offline}/{view.name}")
        if job.questions is not None and view.name in job.streamed:
            computed, offline[view.name] = offline[view.name], f"__all_{view.name}"
            read(session, streamed_table(view.name), job.streamed[view.name])
            add_streamed(Spark(session), view, computed, streamed_table(view.name), offline[view.name])
    if job.questions is not None and job.frame is not None:
        read(session, "__questions", Files(paths=(job.questions,)))
        views = {view.name: view for view in job.views}
        joined = historical(session, "__questions", views, offline, job.features)
        write(joined.coalesce(1), job.frame)
    session.catalog.clearCache()
    return Outcome(parts=written)


def main(paths: Sequence[str]) -> None:
    """Run the jobs in files, or in versions of S3; one that fails is the last, and its outcome says why."""
    if not paths:
        raise InvalidProduct("give at least one job: python -m headwater.features.spark.engine JOB.json")
    builder = SparkSession.builder.appName("headwater features")
    for key, value in CONFIGURATION.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    try:
        for path in paths:
            with parts.local(path) as file:
                job = Job.model_validate_json(file.read_text())
            _run(session, job)
    finally:
        session.stop()


def _run(session: SparkSession, job: Job) -> None:
    try:
        # A session of its own: another job's tables aren't this one's.
        _tell(job, run(session.newSession(), job))
    except Exception as error:
        said = error.message if isinstance(error, HeadwaterError) else " ".join(str(error).split())[:1000]
        _tell(job, Outcome(error=type(error).__name__, message=said))
        raise


def _tell(job: Job, outcome: Outcome) -> None:
    if job.outcome is None:
        return
    with TemporaryDirectory(prefix="headwater-outcome-") as scratch:
        file = Path(scratch, "outcome.json")
        file.write_text(outcome.model_dump_json())
        parts.keep(file, job.outcome)


if __name__ == "__main__":
    main(sys.argv[1:])
