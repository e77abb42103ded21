"""Events of Headwater's own facts: ingestions, materialisations, trainings and moves of aliases.

Lineage's truth are the facts; these events tell it to others. A run's id follows from the run's name, so that an event
made twice is one. Each function takes values as the registry keeps them and returns events in the order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headwater.graph import Node
from headwater.lineage.openlineage import facets
from headwater.lineage.openlineage.events import (
    NOTHING,
    OLEvent,
    RunContext,
    described,
    facets_of_run,
    job_of,
    run_event,
    run_events,
)
from headwater.lineage.openlineage.facets import Facet, official
from headwater.lineage.openlineage.naming import DatasetName, StackNames

if TYPE_CHECKING:
    from headwater.features.definitions import Definition as ViewDefinition
    from headwater.features.online.records import Materialisation
    from headwater.lake.types import Definition as SourceDefinition
    from headwater.lake.types import Ingestion, Upload
    from headwater.lineage.openlineage.columns import ColumnLineage
    from headwater.registry.types import AliasMove, ModelVersion, Package
    from headwater.values import Pointer


def ingestion_events(
    names: StackNames,
    ingestion: Ingestion,
    *,
    definition: SourceDefinition | None = None,
    columns: ColumnLineage | None = None,
    context: RunContext = NOTHING,
) -> tuple[OLEvent, ...]:
    """Events of an upload's ingestion: COMPLETE, or FAIL of a refused one.

    Parameters
    ----------
    definition : Definition, optional
        The source's definition at the time: its SQL, and its contract's columns.
    columns : ColumnLineage, optional
        From the landed columns to the curated ones (`columns.source_columns`).
    """
    from headwater.lake.types import IngestionStatus, dataset_of

    landed = names.dataset_of(_file(ingestion.upload))
    refused = ingestion.status is IngestionStatus.REFUSED
    read = {"schema": facets.schema(definition.columns)} if definition and definition.columns else {}
    checks = official("DataQualityAssertionsDatasetFacet", assertions=_assertions(ingestion))
    size = official("InputStatisticsInputDatasetFacet", rowCount=ingestion.rows_in, size=ingestion.upload.size)
    inputs = [described(landed, read, inputFacets={"inputStatistics": size, "dataQualityAssertions": checks})]
    made: dict[str, Facet] = {}
    if columns:
        made["schema"] = facets.schema(dict.fromkeys(columns.fields, ""))
        made["columnLineage"] = facets.column_lineage(columns, lambda _: landed)
    counted = {"outputStatistics": official("OutputStatisticsOutputDatasetFacet", rowCount=ingestion.rows_out)}
    outputs = []
    if ingestion.commit:
        dataset = names.dataset_of(Node("data", dataset_of(ingestion.source), ingestion.commit))
        # A commit holds the rows of other files too, so the count of this file's rows stands by the file alone.
        outputs.append(described(dataset, made))
    if ingestion.curated:
        outputs.append(described(names.dataset_of(_file(ingestion.curated)), made, outputFacets=counted))
    if ingestion.quarantine:
        outputs.append(described(names.dataset_of(_file(ingestion.quarantine)), {}))
    about: dict[str, Facet] = {}
    if definition and (query := definition.declared.get("sql")):
        about["sql"] = official("SQLJobFacet", query=query, dialect="duckdb")
    job = job_of(names, f"ingestion.{ingestion.source}", context, about)
    message = "; ".join(ingestion.reasons) or f"{ingestion.file} was refused"
    return run_events(
        names,
        job,
        run=ingestion.upload.id,
        at=ingestion.at,
        failure=message if refused else None,
        run_facets=facets_of_run(names, context, ingestion.code_version),
        inputs=inputs,
        outputs=outputs,
        started_at=context.started_at,
    )


def materialisation_events(
    names: StackNames,
    done: Materialisation,
    *,
    definition: ViewDefinition | None = None,
    columns: ColumnLineage | None = None,
    context: RunContext = NOTHING,
) -> tuple[OLEvent, ...]:
    """Events of a materialisation: COMPLETE, at the moment whose newest values the first run brought online.

    Parameters
    ----------
    definition : Definition, optional
        The view's definition of that version: its features and its SQL.
    columns : ColumnLineage, optional
        From the sources' columns to the view's (`columns.view_columns`).
    """
    from headwater.lake.types import dataset_of

    read = {name: names.dataset_of(Node("data", dataset_of(name), commit)) for name, commit in done.commits.items()}
    made: dict[str, Facet] = {}
    about: dict[str, Facet] = {}
    if definition:
        view = definition.view
        kinds = dict.fromkeys(view.entity, "text") | {"event_time": "timestamp", "available_time": "timestamp"}
        kinds |= {feature.name: feature.kind for feature in view.features}
        made["schema"] = facets.schema(kinds)
        if view.description:
            made["documentation"] = official("DocumentationDatasetFacet", description=view.description)
        if view.owner:
            made["ownership"] = facets.ownership("Dataset", [view.owner])
        if view.sql:
            about["sql"] = official("SQLJobFacet", query=view.sql, dialect="duckdb")
    if columns:
        made["columnLineage"] = facets.column_lineage(columns, lambda source: read[source])
    counted = official("OutputStatisticsOutputDatasetFacet", rowCount=done.rows)
    view_rows = names.dataset_of(Node("view", done.view, f"{done.version}/{done.data_version}"))
    return run_events(
        names,
        job_of(names, f"materialisation.{done.view}", context, about),
        run=f"{done.version}/{done.data_version}",
        at=done.at,
        run_facets=facets_of_run(names, context),
        inputs=[described(dataset, {}) for dataset in read.values()],
        outputs=[described(view_rows, made, outputFacets={"outputStatistics": counted})],
        started_at=context.started_at,
    )


def training_events(
    names: StackNames,
    version: ModelVersion,
    package: Package,
    *,
    also_read: Sequence[Node] = (),
    context: RunContext = NOTHING,
) -> tuple[OLEvent, ...]:
    """Events of a training run that ended with a registered version, READY or REJECTED: COMPLETE.

    Parameters
    ----------
    version : ModelVersion
    package : Package
        The version's ``package.json``.
    also_read : sequence of Node
        What else the run read, such as rows of views, beside the sources' commits and the training set.
    """
    from headwater.lake.types import dataset_of

    candidate = version.candidate
    read = [Node("data", dataset_of(name), commit) for name, commit in candidate.commits.items()]
    if candidate.training_set:
        read.append(Node("set", candidate.training_set.sha256))
    made = {"headwater_model": _model(version, package)}
    if package.description:
        made["documentation"] = official("DocumentationDatasetFacet", description=package.description)
    run_facets = facets_of_run(names, context, candidate.code_version)
    run_facets["executionParameters"] = facets.parameters(
        {**candidate.parameters, **{f"rows.{part}": rows for part, rows in candidate.rows.items()}}
    )
    return run_events(
        names,
        job_of(names, f"training.{version.model}", context, {}),
        run=version.run_id,
        at=version.registered_at,
        run_facets=run_facets,
        inputs=[described(names.dataset_of(node), {}) for node in dict.fromkeys([*read, *also_read])],
        outputs=[
            described(names.dataset_of(Node("model", version.model, str(version.version))), made),
            described(names.dataset_of(_file(package.onnx)), {}),
        ],
        started_at=context.started_at,
    )


def alias_event(names: StackNames, move: AliasMove, *, context: RunContext = NOTHING) -> OLEvent:
    """The COMPLETE event of an alias's move: a run that reads a version and makes the alias's next version.

    An alias is no node of Headwater's lineage, which asks its log instead. To others it is a dataset,
    ``alias:<model>/<alias>``, whose version is the number of the model's version.
    """
    values = {"alias": move.alias, "before": move.before, "to": move.to, "by": move.by, "why": move.why}
    run_facets = facets_of_run(names, context)
    run_facets["executionParameters"] = facets.parameters(
        {name: value for name, value in values.items() if value not in (None, "")}
    )
    alias = DatasetName(names.namespace, f"alias:{move.model}/{move.alias}", str(move.to or ""))
    if move.to is None:
        made = {"lifecycleStateChange": official("LifecycleStateChangeDatasetFacet", lifecycleStateChange="DROP")}
        inputs = []
    else:
        pointed = facets.own("HeadwaterModelDatasetFacet", model=move.model, version=move.to, alias=move.alias)
        made = {"headwater_model": pointed}
        inputs = [described(names.dataset_of(Node("model", move.model, str(move.to))), {})]
    job = job_of(names, f"promotion.{move.model}", context, {})
    run = f"{move.alias}/{move.sequence}"
    return run_event(names, job, run, "COMPLETE", move.at, run_facets, inputs, [described(alias, made)])


def _file(at: Pointer | Upload) -> Node:
    return Node("file", f"s3://{at.bucket}/{at.key}", at.version_id)


def _model(version: ModelVersion, package: Package) -> Facet:
    gates = [
        gate.model_dump(include={"metric", "rule", "limit", "value", "passed"}) for gate in version.candidate.gates
    ]
    return facets.own(
        "HeadwaterModelDatasetFacet",
        model=version.model,
        version=version.version,
        status=version.status.value,
        task=package.task,
        runId=version.run_id,
        sha256=package.sha256,
        metrics=dict(version.metrics),
        gates=gates,
        championVersion=version.candidate.champion_version,
    )


def _assertions(ingestion: Ingestion) -> list[dict[str, Any]]:
    """The contract as a whole, with the number of rejected rows, and the reasons, the most frequent first."""
    from headwater.lake.types import IngestionStatus

    severity = "error" if ingestion.status is IngestionStatus.REFUSED else "warn"
    rejected = ingestion.rows_rejected
    whole = {
        "assertion": "contract",
        "success": not rejected and severity == "warn",
        "name": ingestion.contract or "contract",
        "expected": "0",
        "actual": str(rejected),
        "severity": severity,
    }
    reasons = [
        {"assertion": "contract_rule", "success": False, "severity": severity, "description": reason}
        for reason in ingestion.reasons
    ]
    return [whole, *reasons]
