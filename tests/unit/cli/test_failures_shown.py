"""What failed is shown with its values and rows, and Ctrl-C says what goes on."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headwater.cli.interrupts import Interrupted, goes_on
from headwater.declare import Product, catalog
from headwater.lake.errors import FileRefused
from headwater.lake.service import Lake
from headwater.lake.store import IngestionLog
from headwater.lake.types import SHOWN_REASONS, Ingestion, IngestionStatus, Upload
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.cli.conftest import Run
from tests.unit.lake.world import HEADER, READINGS_SOURCE

pytestmark = pytest.mark.usefixtures("stack")

BODY = HEADER + "a,1,,true\nb,251,x,true\nc,3,,true\nd,4,,true\ne,5,,true\nf,6,,true\na,7,,true\n"


@pytest.fixture
def upload() -> Upload:
    """A file of which one row breaks the contract and one repeats another's key."""
    put = CLIENTS("s3").put_object(Bucket="lake", Key="landing/readings/sub/one.csv", Body=BODY.encode())
    made = Upload(
        bucket="lake", key="landing/readings/sub/one.csv", version_id=put["VersionId"], size=len(BODY), sequencer="A1"
    )
    Lake(
        catalog([Product(sources=(READINGS_SOURCE,))]), CLIENTS, bucket="lake", table=Table("registry", CLIENTS)
    ).ingest(made)
    return made


def test_an_ingestion_is_shown_with_rejected_values_rows_counts_and_limit(run: Run, upload: Upload) -> None:
    for name in (upload.id[:12], upload.version_id, "readings/sub/one.csv", f"s3://lake/{upload.key}"):
        done = run("ingestions", "show", name)
        assert done.code == 0
        assert "level: expected in_range(0, 100), not 251" in done.out
        assert "same sensor as row 1" in done.out
        assert "(limit 25%)" in done.out
        assert upload.version_id in done.out
    found = run("ingestions", "show", upload.id, "--json").json
    assert [row["row"] for row in found["rejected"]] == [2, 7]
    assert (found["quarantined"], found["limit"], found["ingestion"]["rows_in"]) == (2, 0.25, 7)


def test_an_upload_that_is_not_there_is_told_with_where_to_look(run: Run, upload: Upload) -> None:
    for name in ("zz", "readings/none.csv", ""):
        done = run("ingestions", "show", name)
        assert done.code == 3
        assert "next: headwater ingestions list" in done.err


def test_quarantined_rows_are_written_as_they_landed(run: Run, upload: Upload, tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {}
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        path = tmp_path / name
        done = run("ingestions", "quarantine", upload.id[:12], "--to", str(path), "--json")
        assert (done.code, done.json["rows"]) == (0, 2)
        if name.endswith("csv"):
            rows[name] = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        elif name.endswith("jsonl"):
            rows[name] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        else:
            rows[name] = pq.read_table(path).to_pylist()
    for found in rows.values():
        assert [int(row["row_number"]) for row in found] == [2, 7]
        assert [str(row["level"]) for row in found] == ["251", "7"]
        assert found[0]["note"] == "x"
    assert rows["rows.csv"][0]["reasons"] == "level: expected in_range(0, 100), not 251"
    assert rows["rows.jsonl"][0]["reasons"] == ["level: expected in_range(0, 100), not 251"]


def test_a_quarantine_that_cannot_be_written_says_why_and_leaves_nothing(
    run: Run, upload: Upload, tmp_path: Path
) -> None:
    done = run("ingestions", "quarantine", upload.id, "--to", str(tmp_path / "rows.xlsx"))
    assert done.code == 2
    assert "must end with .csv, .parquet, .jsonl" in done.err
    done = run("ingestions", "quarantine", upload.id, "--to", str(tmp_path / "none" / "rows.csv"))
    assert done.code == 2
    assert "can't be written" in done.err
    assert list(tmp_path.glob("*rows*")) == []


def test_a_file_directly_under_landing_is_listed_with_what_to_do(run: Run) -> None:
    put = CLIENTS("s3").put_object(Bucket="lake", Key="landing/lost.csv", Body=b"a\n1\n")
    lost = Upload(bucket="lake", key="landing/lost.csv", version_id=put["VersionId"], size=4, sequencer="A1")
    lake = Lake(
        catalog([Product(sources=(READINGS_SOURCE,))]), CLIENTS, bucket="lake", table=Table("registry", CLIENTS)
    )
    with pytest.raises(FileRefused, match=r"must be landing/<source>/<file>, not landing/lost\.csv"):
        lake.ingest(lost)
    (entry,) = run("ingestions", "list", "--json").json
    assert (entry["file"], entry["status"]) == ("lost.csv", "REFUSED")
    shown = run("ingestions", "list").out
    assert "(no source)/lost.csv" in shown
    assert "must be landing/<source>/<file>" in shown
    assert "must be landing/<source>/<file>" in run("ingestions", "show", "lost.csv").out


def test_a_record_stays_small_however_many_and_long_its_reasons_are(run: Run) -> None:
    upload = Upload(bucket="lake", key="landing/houses/a.csv", version_id="v", size=1, sequencer="0")
    CLIENTS("s3").put_object(Bucket="lake", Key=upload.key, Body=b"a")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    refused = Ingestion(
        source="houses", file="a.csv", upload=upload, status=IngestionStatus.REFUSED, at=at
    ).because(*[f"column_{number}: {'x' * 10_000}" for number in range(500)])  # fmt: skip
    assert (len(refused.reasons), refused.reasons_left_out) == (SHOWN_REASONS, 480)
    assert len(refused.model_dump_json()) < 20_000
    IngestionLog(Table("registry", CLIENTS)).record(refused)
    assert "and 480 more rules" in run("ingestions", "show", "houses/a.csv").out
    assert "and 497 more: headwater ingestions show" in run("ingestions", "list").out


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is interrupted at once."""

    def wait(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for module in ("machines", "runs"):
        monkeypatch.setattr(f"headwater.client.{module}.wait_for", wait)
    for name in ("ingestion", "training"):
        CLIENTS("stepfunctions").create_state_machine(
            name=f"headwater-dev-{name}",
            definition='{"StartAt": "S", "States": {"S": {"Type": "Wait", "Seconds": 1000, "End": true}}}',
            roleArn="arn:aws:iam::123456789012:role/any",
        )


def test_an_interrupted_wait_says_what_goes_on_and_what_to_do(run: Run, interrupted: None, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    commands = {
        ("upload", "houses", str(file), "--wait"): (
            "ingestion of the uploaded file rows.csv goes on",
            "ingestions list",
        ),
        ("train", "delays", "--watch"): ("goes on in the cloud", "headwater runs stop delays-"),
        ("source", "reingest", "houses", "--wait"): ("goes on in the cloud", "headwater source show houses"),
    }
    for command, said in commands.items():
        done = run(*command)
        assert done.code == 130
        assert all(words in done.err for words in said)
        failed = run(*command, "--json")
        assert (failed.code, failed.json["reason"]) == (130, "Interrupted")


def test_only_an_interruption_is_told_so() -> None:
    with pytest.raises(Interrupted, match="it goes on"), goes_on("it goes on"):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="another"), goes_on("it goes on"):
        raise ValueError("another")


def test_sources_are_shown_with_their_definitions_and_files(run: Run, upload: Upload) -> None:
    shown = run("source", "show", "readings")
    assert shown.code == 0
    assert "int64 in_range" in shown.out
    found = run("source", "show", "readings", "--json").json
    assert found["files"] == {found["definition"]: 1}
    assert run("source", "list").code == 0
