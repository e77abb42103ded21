"""Labels in bulk from files: every row is taken exactly or named with its column, its value and the reason."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater import declare
from headwater.lake.errors import FileRefused
from headwater.monitoring.labels import uploading
from headwater.monitoring.labels.errors import InvalidLabels
from headwater.monitoring.labels.uploading import BulkUpload, UploadedLabels
from tests.crashing import crash_points, dying_at
from tests.unit.monitoring.labelling import AT, DAY, MODEL, NOW, Shop, asked, changed, keys_of, predictions
from tests.unit.monitoring.test_written_labels import CALLS, KEYS

TEXT = (
    "prediction_id,value,observed_at,source\nr-1.0,1,2026-03-01T10:00:00Z,clerk\nr-2.0,0,2026-03-01T11:00:00+01:00,\n"
)


def upload(stand: Shop, path: Path, text: str | bytes, model: declare.Model = MODEL, **more: Any) -> UploadedLabels:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return BulkUpload(stand.store, model, now=lambda: more.get("at", NOW)).upload(path)


def test_a_csv_file_is_labels(stand: Shop, tmp_path: Path) -> None:
    found = upload(stand, tmp_path / "labels.csv", TEXT)
    assert (found.rows, found.taken, found.known, found.refused) == (2, 2, 0, 0)
    first, second = stand.of(asked(**KEYS), asked("r-2.0", **KEYS))
    assert (first["label"], first["label_source"]) == (1.0, "api:clerk")
    assert (second["label"], second["label_source"], second["observed_at"]) == (
        0.0,
        "api",
        AT.replace(hour=10, minute=0),
    )


def test_a_file_that_is_uploaded_again_changes_nothing(stand: Shop, tmp_path: Path) -> None:
    upload(stand, tmp_path / "labels.csv", TEXT)
    keys = keys_of()
    again = upload(stand, tmp_path / "other.csv", TEXT, at=NOW + DAY)
    assert (again.taken, again.known) == (0, 2)
    assert keys_of() == keys


def test_json_lines_and_gzip_are_read(stand: Shop, tmp_path: Path) -> None:
    lines = [{"prediction_id": "r-1.0", "value": 1}, {"prediction_id": "r-2.0", "value": 0, "write_id": "w"}]
    body = "\n".join(map(json.dumps, lines)).encode()
    assert upload(stand, tmp_path / "labels.jsonl", body).taken == 2
    assert upload(stand, tmp_path / "labels.csv.gz", gzip.compress(TEXT.encode())).taken == 2


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("labels.csv", "prediction_id,value\nr-1.0,True\nr-2.0,FALSE\n"),
        ("labels.jsonl", '{"prediction_id": "r-1.0", "value": true}\n{"prediction_id": "r-2.0", "value": false}\n'),
        ("labels.parquet", ""),
    ],
)
def test_a_classifiers_labels_may_be_truths_as_the_api_takes_them(
    stand: Shop, tmp_path: Path, name: str, body: str
) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        duckdb.sql("SELECT 'r-1.0' AS prediction_id, true AS value UNION ALL SELECT 'r-2.0', false").write_parquet(
            str(path)
        )
    assert upload(stand, path, body or path.read_bytes()).taken == 2
    assert [row["label"] for row in stand.of(asked(**KEYS), asked("r-2.0", **KEYS))] == [1.0, 0.0]


def test_parquet_names_predictions_by_inputs_of_its_own_types(stand: Shop, tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "COPY (SELECT 'n' AS shop, CAST(3.5 AS DOUBLE) AS amount, TIMESTAMPTZ '2026-03-01T06:30:00Z' AS seen_at, "
            f"TIMESTAMPTZ '{AT.isoformat()}' AS as_of, 1 AS value) TO '{path}' (FORMAT parquet)"
        )
    assert upload(stand, path, path.read_bytes()).taken == 1
    assert stand.of(asked(**KEYS))[0]["label"] == 1.0


def test_keys_of_a_csv_file_meet_the_inputs_that_were_logged(stand: Shop, tmp_path: Path) -> None:
    rows = ["shop,amount,seen_at,as_of,value"]
    given = [("n", "3.5", KEYS), ("12", "0.1", {"shop": 12, "amount": 0.1}), ("", "", {"shop": None, "amount": None}),
             ('"q""q"', "1e3", {"shop": 'q"q', "amount": 1000})]  # fmt: skip
    for shop, amount, _ in given:
        rows.append(f"{shop},{amount},2026-03-01T07:30:00+01:00,{AT.isoformat()},1")
    assert upload(stand, tmp_path / "labels.csv", "\n".join(rows)).refused == 0
    frame = stand.of(*(asked(**KEYS | inputs) for _, _, inputs in given), asked(**KEYS | {"shop": "other"}))
    assert [row["label_state"] for row in frame] == ["LABELLED"] * 4 + ["NOTHING"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("r-1.0,2,,", "value: expected 0 or 1, or true or false, not 2.0"),
        ("r-1.0,yes,,", "value: expected 0 or 1, or true or false, not 'yes'"),
        ("r-1.0,,,", "value"),
        ("r-1,1,,", "prediction_id: expected <request id>.<instance>, not r-1"),
        (",1,,", "as_of: expected a moment, as there is no prediction_id, not nothing"),
        ("r-1.0,1,04/02/2026,", "observed_at: expected"),
        ("r-1.0,1,2027-01-01T00:00:00Z,", "observed_at: expected a moment that isn't in the future"),
        (f"r-1.0,1,,{'x' * 65}", "source: expected at most 64 characters"),
    ],
)
def test_a_row_that_is_no_label_is_named(stand: Shop, tmp_path: Path, row: str, reason: str) -> None:
    found = upload(stand, tmp_path / "labels.csv", f"{TEXT}{row}\n")
    assert (found.rows, found.taken, found.refused) == (3, 2, 1)
    assert found.refused_rows[0].row == 3
    assert found.refused_rows[0].reason.startswith(reason)


def test_a_file_without_what_labels_need_is_refused_whole(stand: Shop, tmp_path: Path) -> None:
    for text, words in (
        ("prediction_id,label\nr-1.0,1\n", "value"),
        ("prediction_id,value,colour\nr-1.0,1,red\n", "colour"),
        ("value,shop\n1,n\n", "neither prediction_id nor as_of, amount, seen_at"),
        ("", "the file is empty"),
    ):
        with pytest.raises((InvalidLabels, FileRefused), match=words):
            upload(stand, tmp_path / "labels.csv", text)
    with pytest.raises(FileRefused, match="expected one of"):
        upload(stand, tmp_path / "labels.xlsx", "x")
    assert keys_of() == []


@pytest.mark.parametrize(
    "body", ["prediction_id,value\n".encode("utf-16"), b"\n", b"prediction_id,value\nr-1.0,\xe9\n"]
)
def test_nobody_is_told_to_declare_what_a_file_of_labels_can_not(stand: Shop, tmp_path: Path, body: bytes) -> None:
    with pytest.raises(FileRefused, match="write it as UTF-8, with the columns' names in its first line") as refused:
        upload(stand, tmp_path / "labels.csv", body)
    assert "declare" not in refused.value.message


def test_a_key_called_like_a_column_has_a_name_of_its_own(stand: Shop, tmp_path: Path) -> None:
    model = changed(
        inputs=(declare.category("source"), declare.timestamp("seen_at")),
        examples=MODEL.examples.model_copy(update={"sql": "SELECT shop AS source, seen_at, bought FROM baskets"}),
        holdout=declare.Holdout(share=0.1),
    )
    stand.register(model)
    text = f"keys.source,seen_at,as_of,value,source\nn,2026-03-01T06:30:00Z,{AT.isoformat()},1,clerk\n"
    assert upload(stand, tmp_path / "labels.csv", text, model).taken == 1
    (row,) = stand.of(asked(version=2, source="n", seen_at="2026-03-01T06:30:00Z"))
    assert (row["label"], row["label_source"]) == (1.0, "api:clerk")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_upload_that_is_killed_anywhere_can_be_made_again(
    stand: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(uploading, "ROWS", 2)
    rows = "".join(f"k-{number}.0,{number % 2},2026-03-01T10:00:00Z,\n" for number in range(5))
    text = TEXT.splitlines()[0] + "\n" + rows
    for number in crash_points(1, f"upload {when}"):
        model = changed(name=f"buys_{number}")
        stand.register(model)
        with dying_at(number, *CALLS, when=when) as death:
            upload(stand, tmp_path / "labels.csv", text, model)
        done = upload(stand, tmp_path / "labels.csv", text, model, at=NOW + timedelta(hours=1))
        assert done.taken + done.known == 5
        # Received at the same moment, they come in the order of their names, which are hashes.
        assert (
            sorted(batch.labels for batch in stand.store.batches(model.name, AT, NOW + DAY)) == [1, 2, 2] or death.came
        )
        assert sum(batch.labels for batch in stand.store.batches(model.name, AT, NOW + DAY)) == 5
        with stand.labels(model.name) as labels:
            frame = labels.of(predictions(*(asked(f"k-{one}.0", **KEYS) for one in range(5))), NOW + DAY)
        assert frame["label"].tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
        if not death.came:
            break
    assert number > 9
