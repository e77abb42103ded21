"""Lineage of predictions: each is the answer of a version, and its record says so. They are never indexed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from headwater.graph import Contribution, Edge, InvalidNode, Node, NodeKind, Places, Reads, Role
from headwater.serving.store import PredictionStore


def prediction_node(model: str, day: date, request_id: str) -> Node:
    """The node of a prediction request."""
    return Node("prediction", f"{model}/{day.isoformat()}", request_id)


def place_of(node: Node) -> tuple[str, date, str]:
    """Model, day and request id of a prediction's node; raises `InvalidNode`."""
    model, _, day = node.name.partition("/")
    try:
        return model, date.fromisoformat(day), node.version
    except ValueError as error:
        raise InvalidNode(f"{node.id}: expected prediction:MODEL/YYYY-MM-DD@REQUEST") from error


def edge_of(node: Node, record: dict[str, Any]) -> Edge:
    """The edge from a prediction to the version that answered, by the prediction's record."""
    at = datetime.fromisoformat(record["answered_at"])
    fact = f"prediction:{record['model']}/{at:%Y-%m-%d}/{record['request_id']}"
    version = Node("model", record["model"], str(record["version"]))
    return Edge(node, Role.ANSWERED_BY, version, at, at, fact)


def _above(places: Places, node: Node, _: Reads) -> Iterable[Edge]:
    model, day, request_id = place_of(node)
    record = PredictionStore(places.predictions_bucket, places.clients).record(model, day, request_id)
    return () if record is None else (edge_of(node, record),)


FACTS = Contribution(
    kinds=[
        NodeKind(
            "prediction",
            "prediction:<model>/<day>@<request id>",
            "an answered request, by its record in the prediction log; not indexed",
            indexed=False,
        ),
    ],
    above={"prediction": _above},
)
