"""Events as they are put together: runs with their ids, jobs, datasets and the facets that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from headwater import json_values
from headwater.lineage.openlineage import facets
from headwater.lineage.openlineage.facets import PRODUCER, Code, Facet, Infrastructure, official
from headwater.lineage.openlineage.moments import as_text
from headwater.lineage.openlineage.naming import DatasetName, StackNames
from headwater.version import __version__

OLEvent = Mapping[str, Any]
"""An event as its JSON says."""
EVENTS = "lineage/events"
"""Prefix of the events that Headwater writes."""
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Facts about a run that its record doesn't hold. Unknown ones are left out of the events."""

    started_at: datetime | None = None
    """With it a START event comes first."""
    parent: tuple[str, str] | None = None
    """Job and name of the run that started this one, such as ``("retraining.flight_delay", "2026-11-20")``."""
    owner: str = ""
    code: Code | None = None
    infrastructure: Infrastructure | None = None


NOTHING = RunContext()


def run_uuid(names: StackNames, job: str, run: str) -> str:
    """The id of a run of a job of the stack: the same for the same name, whoever asks."""
    return str(uuid5(uuid5(NAMESPACE_URL, names.namespace), f"{job}/{run}"))


def event_key(event: OLEvent) -> str:
    """Key of a written event in S3."""
    return f"{EVENTS}/date={event['eventTime'][:10]}/{event['run']['runId']}-{event['eventType']}.json"


def event_body(event: OLEvent) -> bytes:
    """The event's JSON: the same fact gives the same bytes."""
    return json_values.dumps(event).encode()


def run_events(
    names: StackNames,
    job: OLEvent,
    *,
    run: str,
    at: datetime,
    run_facets: dict[str, Facet],
    inputs: Sequence[OLEvent] = (),
    outputs: Sequence[OLEvent] = (),
    failure: str | None = None,
    started_at: datetime | None = None,
) -> tuple[OLEvent, ...]:
    """The last event of a run, and before it START if it is known when that was."""
    state, last = "COMPLETE", dict(run_facets)
    if failure is not None:
        state = "FAIL"
        last["errorMessage"] = official("ErrorMessageRunFacet", message=failure, programmingLanguage="PYTHON")
    started = [run_event(names, job, run, "START", started_at, run_facets, inputs)] if started_at else []
    return (*started, run_event(names, job, run, state, at, last, inputs, outputs))


def run_event(
    names: StackNames,
    job: OLEvent,
    run: str,
    state: str,
    at: datetime,
    run_facets: Mapping[str, Facet],
    inputs: Sequence[OLEvent] = (),
    outputs: Sequence[OLEvent] = (),
) -> OLEvent:
    """One event of a run, in a state such as ``COMPLETE``."""
    return {
        "eventTime": as_text(at),
        "eventType": state,
        "run": {"runId": run_uuid(names, job["name"], run), "facets": dict(run_facets)},
        "job": job,
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
    }


def job_of(names: StackNames, name: str, context: RunContext, about: Mapping[str, Facet]) -> OLEvent:
    """A job of the stack; the word before the first dot of its name is its kind."""
    made = dict(about)
    kind = name.partition(".")[0].upper()
    made["jobType"] = official("JobTypeJobFacet", processingType="BATCH", integration="HEADWATER", jobType=kind)
    if context.owner:
        made["ownership"] = facets.ownership("Job", [context.owner])
    if context.code:
        made["sourceCodeLocation"] = facets.code_location(context.code)
    return {"namespace": names.namespace, "name": name, "facets": made}


def facets_of_run(names: StackNames, context: RunContext, code_version: str = "") -> dict[str, Facet]:
    """The facets that every run has, as far as its context knows."""
    made = {
        "processing_engine": official(
            "ProcessingEngineRunFacet", name="Headwater", version=__version__, openlineageAdapterVersion=__version__
        )
    }
    if context.parent:
        job, run = context.parent
        made["parent"] = official(
            "ParentRunFacet",
            run={"runId": run_uuid(names, job, run)},
            job={"namespace": names.namespace, "name": job},
        )
    if code_version:
        made["headwater_image"] = facets.image(code_version, context.code)
    if context.infrastructure:
        made["headwater_infrastructure"] = facets.infrastructure(context.infrastructure)
    return made


def described(name: DatasetName, made: Mapping[str, Facet], **groups: Mapping[str, Facet]) -> OLEvent:
    """A dataset with its version and other facets, as an input or an output of an event."""
    version = official("DatasetVersionDatasetFacet", datasetVersion=name.version) if name.version else None
    return {
        "namespace": name.namespace,
        "name": name.name,
        "facets": {**({"version": version} if version else {}), **made},
        **groups,
    }
