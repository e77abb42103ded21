"""Lineage of retraining: a run that the policy requested was made by a decision, for a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.registry.service import Registry
from headwater.retraining.store import LOG, PREFIX
from headwater.retraining.types import Decision, Verdict
from headwater.storage.logs import ItemLog
from headwater.training.facts import run_node


def decision_node(model: str, revision: int) -> Node:
    """The node of a decision of a model's retraining policy, by the revision of the policy's state after it."""
    return Node("decision", model, str(revision))


def _told(item: dict[str, Any]) -> Told:
    decision = Decision.model_validate_json(item["document"])
    if decision.verdict is not Verdict.REQUESTED:
        return Told()
    node, run = decision_node(decision.model, decision.revision), run_node(decision.model, decision.run_id)
    fact = f"{PREFIX}{decision.model}/{item['sk']}"
    notes = {"reason": str(decision.kind or ""), "said": decision.words}
    known = Known(node, decision.at, decision.at, fact, {name: words for name, words in notes.items() if words})
    return Told([Edge(run, Role.MADE_BY, node, decision.at, decision.at, fact)], [known])


def _logs(places: Places) -> Iterator[Log[Told]]:
    table = places.table
    for model in Registry(table).models():
        # Positions are times of several writers, whose clocks may differ.
        yield ItemLog(
            name=f"retraining/{model}", table=table, pk=PREFIX + model, prefix=LOG, tell=_told, is_ordered=False
        )


FACTS = Contribution(
    kinds=[
        NodeKind(
            "decision",
            "decision:<model>@<revision>",
            "a decision of a model's retraining policy to train it, with the reason",
        ),
    ],
    logs=_logs,
)
