"""Labels of a person: found by the inputs or by the id that they name, in each version of each batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from headwater.lineage.forgetting.report import Forgetting, UnknownColumn
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.types import COLUMNS, Label, LabelBatch, packed
from headwater.serving.store import PredictionStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import REGISTRY, new_world
from tests.unit.lineage.conftest import PREDICTIONS, record
from tests.unit.lineage.test_forgetting import GONE, counted, forget

NOW = datetime.now(UTC)
REQUEST = "01111111-1111-4111-8111-111111111111"


def label(prediction_id: str | None = None, **inputs: object) -> Label:
    keys = json.dumps(inputs) if inputs else None
    return Label(prediction_id, keys, 0 if keys else None, 1.0, None, "clerk", None)


def write(*labels: Label) -> LabelBatch:
    """A call's labels, as the API stores them."""
    store = LabelStore(PREDICTIONS, Table(REGISTRY, CLIENTS), CLIENTS)
    name, body = packed(labels)
    batch = LabelBatch(model="buys", name=name, kind="json", labels=len(labels), received_at=NOW)
    store.put(batch, body)
    store.note(batch)
    return batch


def write_file(path: Path, *labels: Label) -> LabelBatch:
    """A file's labels, as the upload stores them."""
    store = LabelStore(PREDICTIONS, Table(REGISTRY, CLIENTS), CLIENTS)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(COLUMNS))})", [list(one) for one in labels])  # noqa: S608
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    batch = LabelBatch(model="buys", name="f" * 64, kind="parquet", labels=len(labels), received_at=NOW)
    store.put_file(batch, path)
    store.note(batch)
    return batch


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LabelBatch, LabelBatch, LabelBatch]]:
    """Labels of the shop by its inputs, by a prediction's id and from a file; and one that is none of its business."""
    with pytest.MonkeyPatch.context() as patches, new_world(patches):
        CLIENTS("s3").create_bucket(
            Bucket=PREDICTIONS, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        CLIENTS("s3").put_bucket_versioning(Bucket=PREDICTIONS, VersioningConfiguration={"Status": "Enabled"})
        kept = record(REQUEST, 1, received_at=NOW)
        kept.predictions[0]["inputs"]["shop"] = GONE
        PredictionStore(PREDICTIONS, CLIENTS).write(kept)
        by_inputs = write(label(shop=GONE, amount=1), label(shop="n", amount=1), label(shop="n", amount=2))
        by_id = write(label(f"{REQUEST}.0"))
        write(label(f"{REQUEST}.7"), label(shop="n"))
        file = write_file(
            tmp_path_factory.mktemp("labels") / "made.parquet",
            label(shop=GONE, amount=1), label(shop=GONE, amount=1), label(f"{REQUEST}.0"), label(shop="s"),
        )  # fmt: skip
        yield by_inputs, by_id, file


def labels_of(found: Forgetting) -> dict[str, int | None]:
    return {held.at.key: held.rows for held in found.files if held.kind == "label"}


def test_labels_are_found_by_their_inputs_and_by_the_predictions_that_they_name(
    batches: tuple[LabelBatch, LabelBatch, LabelBatch],
) -> None:
    by_inputs, by_id, file = batches
    found = forget(shop=GONE)
    assert labels_of(found) == {by_inputs.key: 1, by_id.key: 1, file.key: 3}
    assert all(held.of == "model buys" for held in found.files if held.kind == "label")
    assert any(note.startswith("3 labels of others are in the same batches") for note in found.unsearched)
    deleting = [command for command in found.commands if "/labels/" in command or "labels/buys" in command]
    assert len(deleting) == 3
    assert {each.kind: each.objects for each in found.searched}["label"] == 4


def test_a_batch_that_was_deleted_is_searched_in_its_earlier_version(
    batches: tuple[LabelBatch, LabelBatch, LabelBatch],
) -> None:
    by_inputs = batches[0]
    CLIENTS("s3").delete_object(Bucket=PREDICTIONS, Key=by_inputs.key)
    assert labels_of(forget(shop=GONE))[by_inputs.key] == 1


def test_labels_by_id_of_days_that_were_not_searched_are_told(
    batches: tuple[LabelBatch, LabelBatch, LabelBatch],
) -> None:
    found = forget(days=0, shop=GONE)
    assert batches[1].key not in labels_of(found)
    assert any(note.startswith("labels that name a prediction by its id alone") for note in found.unsearched)


def test_what_no_label_names_is_refused(batches: tuple[LabelBatch, LabelBatch, LabelBatch]) -> None:
    with pytest.raises(UnknownColumn):
        forget(customer="4711")


def test_a_batch_that_cannot_be_read_is_told_and_not_passed_over(
    batches: tuple[LabelBatch, LabelBatch, LabelBatch],
) -> None:
    for name, body in (("torn.jsonl.gz", b"\x1f\x8b torn"), ("odd.parquet", b"PAR1 no"), ("plain.jsonl.gz", b"{}")):
        CLIENTS("s3").put_object(Bucket=PREDICTIONS, Key=f"labels/buys/{name}", Body=body)
    found = forget(shop=GONE)
    told = [note for note in found.unsearched if "no batch of labels that can be read" in note]
    assert sorted(note.rpartition("?")[0].rpartition("/")[2] for note in told) == [
        "odd.parquet", "plain.jsonl.gz", "torn.jsonl.gz"
    ]  # fmt: skip
    assert counted(found)["label"] == 3
