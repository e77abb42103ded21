"""Validation of events against OpenLineage's own schemas, which lie beside this module: nothing is fetched.

An event is a RunEvent, a DatasetEvent or a JobEvent. A facet whose ``_schemaURL`` names one of the official facets, or
one of Headwater's, is held against that schema, if both have the same model number (``MODEL-REVISION-ADDITION``). The
specification lets everybody add facets: any other one needs only ``_producer`` and ``_schemaURL``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from headwater.lineage.openlineage.formats import FORMATS, NO_FORMATS, TIMES_AND_IDS

SPECIFICATION = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
MOST_PROBLEMS = 20
"""Problems that are listed; of more only the number is said."""
LONGEST_PROBLEM = 300
DEEPEST = 64
"""Objects and arrays within each other. The deepest official example has 13."""
_FACET = re.compile(r"/(?P<model>\d+)-\d+-\d+/(?P<name>\w+)\.json(#.*)?$", re.ASCII)
_FACETS_OF: Mapping[str, tuple[str, ...]] = {
    "run": ("facets",),
    "job": ("facets",),
    "dataset": ("facets",),
    "inputs": ("facets", "inputFacets"),
    "outputs": ("facets", "outputFacets"),
}


class EventKind(StrEnum):
    """The three kinds of events, by their names in the specification."""

    RUN = "RunEvent"
    DATASET = "DatasetEvent"
    JOB = "JobEvent"


def kind_of(event: Mapping[str, Any]) -> EventKind | None:
    """The kind of an event by its members, as the specification tells them apart; None if it is none, or two."""
    if "run" in event and "job" in event:
        return EventKind.RUN
    if ("job" in event) == ("dataset" in event):
        return None
    return EventKind.JOB if "job" in event and "run" not in event else EventKind.DATASET


def problems(event: Mapping[str, Any], *, received: bool = False) -> tuple[str, ...]:
    """Reasons why an event isn't valid, each with the path of what is wrong; empty for a valid one.

    Parameters
    ----------
    event : mapping
        As its JSON says.
    received : bool
        Leaves out formats that nothing here depends on: URIs, and all formats within facets. OpenLineage's own Spark
        integration sends ``"uri": "file"``, which the schema refuses; the lineage of such an event is none the worse.

    Returns
    -------
    tuple of str
        At most `MOST_PROBLEMS`, and how many more there are.
    """
    if not isinstance(event, Mapping):
        return ("the event: expected an object",)
    if is_deeper(event, DEEPEST):
        return (f"the event: objects and arrays lie more than {DEEPEST} deep in each other",)
    kind = kind_of(event)
    if kind is None:
        return (
            "the event: expected run and job (a RunEvent), job without run and dataset (a JobEvent), or dataset "
            f"(a DatasetEvent), not {', '.join(sorted({'run', 'job', 'dataset'} & set(event))) or 'none of them'}",
        )
    envelope, within = (TIMES_AND_IDS, NO_FORMATS) if received else (FORMATS, FORMATS)
    found = [*_told(_validator(f"{SPECIFICATION}#/$defs/{kind}", envelope).iter_errors(event), "")]
    if not found:
        for path, facet in facets(event):
            if reference := schema_of(facet["_schemaURL"]):
                found += _told(_validator(reference, within).iter_errors(facet), path)
    more = [f"and {len(found) - MOST_PROBLEMS:,} more"] if len(found) > MOST_PROBLEMS else []
    return (*found[:MOST_PROBLEMS], *more)


def facets(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each facet of an event with its path."""
    for member, groups in _FACETS_OF.items():
        value = event.get(member)
        holders = {f"{member}[{place}]": one for place, one in enumerate(value)} if isinstance(value, list) else {}
        for path, holder in (holders or {member: value}).items():
            for group in groups:
                for name, facet in ((holder or {}).get(group) or {}).items():
                    yield f"{path}.{group}.{name}", facet


def schema_of(url: str) -> str | None:
    """The schema that a ``_schemaURL`` names, as a reference; None of a facet that isn't known here."""
    known = _schemas()
    if found := _FACET.search(url):
        schema = known.get(found["name"])
        if schema and url.startswith(schema.place) and schema.model == found["model"]:
            return schema.reference
    return None


def is_deeper(value: Any, most: int) -> bool:
    """Whether objects and arrays lie more than ``most`` deep in each other."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, Mapping | list)]:
        depth += 1
        if depth > most:
            return True
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, Mapping) else outer)]
    return False


class _Schema(NamedTuple):
    place: str
    """The URL before the version."""
    model: str
    reference: str


@cache
def _documents() -> tuple[Mapping[str, Any], ...]:
    folder = files(__package__) / "schemas"
    paths = [folder / "OpenLineage.json", *(folder / "facets").iterdir(), *(folder / "headwater" / "1-0-0").iterdir()]
    return tuple(json.loads(path.read_text(encoding="utf-8")) for path in paths if path.name.endswith(".json"))


@cache
def _schemas() -> Mapping[str, _Schema]:
    """The facets' schemas by the name of their file."""
    found = {}
    for document in _documents():
        if document["$id"] != SPECIFICATION and (match := _FACET.search(document["$id"])):
            (key,) = document["properties"]
            found[match["name"]] = _Schema(
                document["$id"][: match.start()], match["model"], f"{document['$id']}#/properties/{key}"
            )
    return found


@cache
def _registry() -> Registry[Any]:
    resources = [(document["$id"], Resource.from_contents(document)) for document in _documents()]
    return Registry().with_resources(resources).crawl()


@cache
def _validator(reference: str, formats: FormatChecker) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference}, registry=_registry(), format_checker=formats)


def _told(errors: Iterable[ValidationError], path: str) -> Iterator[str]:
    for error in errors:
        # Of alternatives, the errors of the one that comes closest say more than that none of them fits.
        while error.context:
            error = min(error.context, key=lambda one: (-len(one.absolute_path), one.validator == "const"))
        place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in error.absolute_path)
        message = " ".join(ascii(error.message)[1:-1].split())
        where = ascii(f"{path}{place}".lstrip("."))[1:-1] or "the event"
        yield f"{_cut(where)}: {_cut(message)}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PROBLEM else f"{text[: LONGEST_PROBLEM - 3]}..."
