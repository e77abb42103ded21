"""Events as objects of openlineage-python's own classes, and back."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Mapping
from typing import Any

import attr
import openlineage.client.generated
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated import base
from openlineage.client.serde import Serde


def _classes() -> dict[str, type]:
    found = {}
    for module in pkgutil.iter_modules(openlineage.client.generated.__path__):
        loaded = importlib.import_module(f"openlineage.client.generated.{module.name}")
        found |= {name: one for name, one in vars(loaded).items() if name.endswith("Facet") and isinstance(one, type)}
    return found


CLASSES = _classes()


def there_and_back(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event's JSON after it was an object of the client's classes."""
    made = RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        eventType=RunState[event["eventType"]],
        run=Run(runId=event["run"]["runId"], facets=_facets(event["run"]["facets"])),
        job=Job(event["job"]["namespace"], event["job"]["name"], _facets(event["job"]["facets"])),
        inputs=[_dataset(InputDataset, one, "inputFacets") for one in event["inputs"]],
        outputs=[_dataset(OutputDataset, one, "outputFacets") for one in event["outputs"]],
    )
    return Serde.to_dict(made)


def _dataset(kind: Any, one: Mapping[str, Any], group: str) -> Any:
    more = {group: _facets(one[group])} if group in one else {group: None}
    return kind(one["namespace"], one["name"], facets=_facets(one["facets"]), **more)


def _facets(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _facet(facet) for name, facet in given.items()}


def _facet(facet: Mapping[str, Any]) -> Any:
    name = facet["_schemaURL"].rpartition("/")[2]
    fields = {key: value for key, value in facet.items() if key not in {"_producer", "_schemaURL"}}
    if name in CLASSES:
        return _made(CLASSES[name], fields, producer=facet["_producer"])
    # A facet of somebody else: a class of one's own, as the client's documentation says.
    kind = base.RunFacet if name.endswith("RunFacet") else base.DatasetFacet

    class Own(kind):  # type: ignore[misc, valid-type]
        @staticmethod
        def _get_schema() -> str:
            return str(facet["_schemaURL"])

    return Own(producer=facet["_producer"]).with_additional_properties(**fields)


def _made(kind: type, fields: Mapping[str, Any], **more: Any) -> Any:
    hints = typing.get_type_hints(kind)
    given = {name: _value(hints[name], value) for name, value in fields.items()}
    # Lists that aren't there are made by default: what isn't said stays unsaid.
    for one in attr.fields(kind):
        if one.init and one.name not in given and one.default is not attr.NOTHING and not one.name.startswith("_"):
            given[one.name] = None
    return kind(**given, **more)


def _value(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    if typing.get_origin(hint) is list:
        return [_value(typing.get_args(hint)[0], one) for one in value]
    if typing.get_origin(hint) is dict:
        return {name: _value(typing.get_args(hint)[1], one) for name, one in value.items()}
    return _made(hint, value) if attr.has(hint) else value
