"""Commands on a stack: what they print for people, what for machines, and how they end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headwater.client.ingestions import Ingestions, SentFile
from headwater.lake.errors import FileRefused
from headwater.lake.store import IngestionLog
from headwater.lake.types import Ingestion, IngestionStatus, Upload
from headwater.registry.service import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.cli.conftest import Run
from tests.unit.registry.cases import candidate

pytestmark = pytest.mark.usefixtures("stack")


def test_an_upload_says_where_it_went_and_what_comes_next(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    done = run("upload", "houses", str(file), "--json")
    assert done.code == 0
    assert (done.json[0]["key"], done.json[0]["size"]) == ("landing/houses/rows.csv", 4)
    assert "next: headwater ingestions list houses" in done.err


def test_nothing_is_uploaded_if_one_of_the_files_is_missing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    done = run("upload", "houses", str(file), str(tmp_path / "none.csv"))
    assert done.code == 2
    assert "no such file" in done.err
    assert "Contents" not in CLIENTS("s3").list_objects_v2(Bucket="lake")


def test_one_refused_file_does_not_hide_what_became_of_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("bad.csv", "good.csv", "worse.csv")
    for name in names:
        (tmp_path / name).write_text("a\n1\n")

    def wait(_: Ingestions, sent: SentFile, *, timeout: float) -> Ingestion:
        assert timeout > 0
        if sent.file != "good.csv":
            raise FileRefused(f"{sent.file}: missing columns: b", next_steps=[f"headwater ingestions show {sent.file}"])
        return Ingestion(
            source="houses", file=sent.file, upload=sent.upload, status=IngestionStatus.INGESTED, rows_in=1, rows_out=1,
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip

    monkeypatch.setattr(Ingestions, "wait", wait)
    done = run("upload", "houses", *(str(tmp_path / name) for name in names), "--wait")
    assert done.code == 5
    assert "2 of 3 files weren't ingested" in done.err
    for told in ("bad.csv: missing columns: b", "worse.csv: missing columns: b", "good.csv: 1 of 1 rows ingested"):
        assert told in done.err
    assert "headwater ingestions show worse.csv" in done.err
    alone = run("upload", "houses", str(tmp_path / "bad.csv"), "--wait")
    assert (alone.code, "weren't ingested" in alone.err) == (5, False)


def test_ingestions_show_their_reasons(run: Run) -> None:
    upload = Upload(bucket="lake", key="landing/houses/a.csv", version_id="v", size=1, sequencer="0")
    CLIENTS("s3").put_object(Bucket="lake", Key=upload.key, Body=b"a")
    entry = Ingestion(
        source="houses", file="a.csv", upload=upload, status=IngestionStatus.REFUSED, reasons=("[the file] is empty",),
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    IngestionLog(Table("registry", CLIENTS)).record(entry)
    done = run("ingestions", "list")
    assert done.code == 0
    assert "a.csv: [the file] is empty" in done.out
    assert run("ingestions", "list", "houses", "--json").json[0]["status"] == "REFUSED"
    assert run("ingestions", "list", "streets", "--json").json == []


def test_ingestions_count_the_reasons_that_they_do_not_show(run: Run) -> None:
    upload = Upload(bucket="lake", key="landing/houses/a.csv", version_id="v", size=1, sequencer="0")
    CLIENTS("s3").put_object(Bucket="lake", Key=upload.key, Body=b"a")
    entry = Ingestion(
        source="houses", file="a.csv", upload=upload, status=IngestionStatus.REFUSED,
        reasons=("one", "two", "three", "four", "five"), at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    IngestionLog(Table("registry", CLIENTS)).record(entry)
    done = run("ingestions", "list")
    assert f"a.csv: three\na.csv: and 2 more: headwater ingestions show {upload.id[:12]}" in done.out
    assert "four" not in done.out
    assert run("ingestions", "list", "--json").json[0]["reasons"][3:] == ["four", "five"]


def test_models_are_listed_shown_and_moved(run: Run) -> None:
    registry = Registry(Table("registry", CLIENTS))
    for number in (1, 2):
        registry.register(candidate(f"run-{number}"))
    assert run("models", "promote", "delays", "1", "--yes").code == 0
    assert run("models", "promote", "delays", "2").code == 0  # nobody to ask: no terminal
    assert "version 2" in run("models", "list").out
    back = run("models", "rollback", "delays", "--json")
    assert (back.json["to"], back.json["before"]) == (1, 2)
    shown = run("models", "show", "delays")
    assert "delays version 1 of 2: READY, serves as production" in shown.out
    assert "✓ gate: roc_auc 0.72, at least 0.7" in shown.out
    assert run("models", "show", "delays", "--json").json["version"] == 1


def test_a_rejected_version_is_refused_with_5(run: Run) -> None:
    Registry(Table("registry", CLIENTS)).register(candidate(passed=False))
    done = run("models", "promote", "delays", "1")
    assert done.code == 5
    assert "was rejected" in done.err
    assert "rejected: " in run("models", "show", "delays").out


def test_what_does_not_exist_exits_with_3(run: Run) -> None:
    assert run("models", "show", "prices").code == 3
    assert run("runs", "watch", "none").code == 3
    assert run("models", "list", "--stack", "prod").code == 3


def test_an_empty_stack_says_how_to_begin(run: Run) -> None:
    assert "headwater train" in run("models", "list").err
    assert "headwater upload" in run("ingestions", "list").err
    assert run("models", "list", "--json").json == []


def test_alarms_are_counted(run: Run) -> None:
    done = run("alarms", "list")
    assert done.code == 0
    assert "0 of 0 alarms are going off" in done.err


def test_an_api_that_does_not_answer_is_one_line(run: Run) -> None:
    done = run("predict", "delays", "--input", '{"a": 1}')
    assert done.code == 1
    assert "doesn't answer" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no instance was given"),
        (("--input", "{'a': 1}"), "--input 1 is no JSON"),
        (("--input", "[1]"), "must be an object"),
        (("--file", "none.csv"), "none.csv can't be read"),
        (("--input", "{}", "--as-of", "yesterday"), "--as-of 'yesterday' is no time"),
    ],
)
def test_a_malformed_request_is_refused_before_it_is_sent(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("predict", "delays", *arguments)
    assert done.code == 2
    assert words in done.err
