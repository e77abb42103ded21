"""From a figure of performance to the labels and commits that it follows from, and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.graph import InvalidNode, Node, Places
from headwater.lineage.errors import UnknownNode
from headwater.lineage.service import LineageService
from headwater.monitoring.facts import labels_node, performance_node
from headwater.monitoring.labels.store import BEGINNING, LabelStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY
from tests.unit.monitoring.logs import BUCKET, HOUR
from tests.unit.monitoring.performing import MODEL, Performing
from tests.unit.monitoring.test_look_performance import history
from tests.unit.monitoring.watched import TODAY, morning, new_watched

PLACES = Places(
    registry_table=REGISTRY, lake_bucket=LAKE, artifacts_bucket=ARTIFACTS, clients=CLIENTS, predictions_bucket=BUCKET
)


@pytest.fixture(scope="module")
def model() -> Iterator[Performing]:
    """A day without labels, with half of them by the API, and with all by the API and the lake."""
    with new_watched() as watched:
        made = Performing(watched)
        made.version()
        made.days(TODAY, 1, labelled=False)
        made.tell(TODAY, morning(TODAY) + HOUR, share=0.5)
        made.hour(morning(TODAY) + 2 * HOUR)
        made.land(TODAY, morning(TODAY) + 3 * HOUR)
        made.hour(morning(TODAY) + 4 * HOUR)
        yield made


def above(node: Node) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for edge in LineageService(PLACES).walk(node, "UP", depth=1).edges:
        found.setdefault(edge.above.kind, []).append(edge.above.id)
    return found


def test_a_figure_leads_to_the_labels_and_commits_that_were_known_by_then(model: Performing) -> None:
    said = history(model)
    assert [one.labelled for one in said] == [0, 40, 80]
    nodes = [performance_node(MODEL, 1, one.until, one.known) for one in said]
    (batch,) = LabelStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS).batches(MODEL, BEGINNING, said[-1].known)
    labels = labels_node(MODEL, batch.name).id
    first, second, third = (above(LineageService(PLACES).resolve(node.id)) for node in nodes)
    assert first == {"model": [f"model:{MODEL}@1"]}
    assert second == {"model": [f"model:{MODEL}@1"], "labels": [labels]}
    assert (third["labels"], len(third["data"])) == ([labels], 1)


def test_labels_lead_to_their_object_and_to_the_figures_that_knew_them(model: Performing) -> None:
    said = history(model)
    (batch,) = LabelStore(BUCKET, Table(REGISTRY, CLIENTS), CLIENTS).batches(MODEL, BEGINNING, said[-1].known)
    node = LineageService(PLACES).resolve(f"labels:{MODEL}@{batch.name}")
    (file,) = above(node)["file"]
    assert file.startswith(f"file:s3://{BUCKET}/labels/{MODEL}/{batch.name}.jsonl.gz?versionId=")
    down = LineageService(PLACES).walk(node, "DOWN", depth=1)
    assert {edge.below for edge in down.edges} == {
        performance_node(MODEL, 1, one.until, one.known) for one in said if one.labelled
    }
    # Notes can be put on it as long as it is there.
    LineageService(PLACES).annotate(node.id, note="made by the new till")
    CLIENTS("s3").delete_object(Bucket=BUCKET, Key=batch.key)
    with pytest.raises(UnknownNode, match="there is no record of"):
        LineageService(PLACES).annotate(node.id, note="gone")


def test_what_is_no_figure_is_refused(model: Performing) -> None:
    with pytest.raises(InvalidNode, match="expected performance:MODEL/vVERSION/YYYY-MM-DD@MOMENT"):
        above(Node("performance", "buys", "now"))
    assert above(Node("performance", f"{MODEL}/v1/{TODAY}", "2020-01-01")) == {}
