"""Bad files through the deployed system: each is refused with a clear reason, and what counted before still does."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.client import Stack
from headwater.client.errors import IngestionFailed, NotDeclared
from headwater.client.waiting import wait_for
from headwater.lake.errors import FileRefused
from headwater.lake.types import IngestionStatus
from tests.projects import Project

pytestmark = pytest.mark.cloud


def send(deployed: Stack, folder: Path, source: str, text: str, name: str = "rows.csv") -> object:
    file = folder / name
    file.write_text(text)
    return deployed.ingestions.wait(deployed.upload(source, file), timeout=120)


def pinned(deployed: Stack) -> dict[str, str]:
    """Which version of each curated file counts."""
    return {entry.path: entry.version_id for entry in deployed.data.dataset("sources/house_price_rows").files()}


def test_an_unknown_source_is_refused_with_the_known_ones(deployed: Stack, tmp_path: Path) -> None:
    with pytest.raises(NotDeclared, match=r"has no source 'hauses': its sources are .*flights, house_price_rows"):
        send(deployed, tmp_path, "hauses", "rooms\n3\n")
    # Anybody may put a file there without asking a client.
    bucket = deployed.description.lake_bucket
    deployed.clients("s3").put_object(Bucket=bucket, Key="landing/hauses/rows.csv", Body=b"rooms\n3\n")
    (entry,) = wait_for(lambda: deployed.ingestions.list("hauses") or None, what="the refusal", timeout=120)
    assert entry.status is IngestionStatus.REFUSED
    assert "unknown source. Declared: " in entry.reasons[0]


def test_wrong_columns_are_named(deployed: Stack, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"area.*district.*price"):
        send(deployed, tmp_path, "house_price_rows", "rooms,areas\n3,70\n", "wrong-columns.csv")


@pytest.mark.parametrize("text", ["", "rooms,area,district,price\n"])
def test_an_empty_file_is_refused(deployed: Stack, tmp_path: Path, text: str) -> None:
    with pytest.raises(FileRefused, match=r"empty|no row"):
        send(deployed, tmp_path, "house_price_rows", text, f"empty-{len(text)}.csv")


def test_a_file_that_is_not_what_it_says_is_refused(deployed: Stack, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="parquet"):
        send(deployed, tmp_path, "house_price_rows", "rooms\n3\n", "rows.parquet")


def test_a_few_bad_rows_go_to_quarantine_and_the_good_ones_count(deployed: Stack, sample: Path, tmp_path: Path) -> None:
    rows = sample.read_text().splitlines()[:60]
    rows[7] = "-1,70.0,harbour,100000"
    entry = send(deployed, tmp_path, "house_price_rows", "\n".join(rows) + "\n", "some-bad.csv")
    assert (entry.rows_in, entry.rows_out, entry.rows_rejected) == (59, 58, 1)  # type: ignore[attr-defined]
    assert "rooms" in entry.reasons[0]  # type: ignore[attr-defined]
    place = entry.quarantine  # type: ignore[attr-defined]
    assert deployed.clients("s3").head_object(Bucket=place.bucket, Key=place.key, VersionId=place.version_id)


def test_too_many_bad_rows_refuse_the_file_and_the_version_before_still_counts(
    deployed: Stack, sample: Path, tmp_path: Path
) -> None:
    good = "\n".join(sample.read_text().splitlines()[:40]) + "\n"
    first = send(deployed, tmp_path, "house_price_rows", good, "replaced.csv")
    bad = good.replace("harbour", "harbour").replace("\n3,", "\n-3,")
    with pytest.raises(FileRefused, match=r"rows rejected \(limit 5%\)"):
        send(deployed, tmp_path, "house_price_rows", bad, "replaced.csv")
    kept = pinned(deployed)["replaced.csv.parquet"]
    assert first.curated.version_id == kept  # type: ignore[attr-defined]


def test_a_file_sent_twice_is_two_versions_of_one_file(deployed: Stack, sample: Path, tmp_path: Path) -> None:
    text = "\n".join(sample.read_text().splitlines()[:30]) + "\n"
    runs = {send(deployed, tmp_path, "house_price_rows", text, "twice.csv").upload.id for _ in range(2)}  # type: ignore[attr-defined]
    assert len(runs) == 2
    twice = [entry for entry in deployed.ingestions.list("house_price_rows") if entry.file == "twice.csv"]
    assert [entry.status for entry in twice] == [IngestionStatus.INGESTED] * 2
    commits = {entry.id: entry.commit.meta for entry in deployed.data.dataset("sources/house_price_rows").log()}
    assert {commits[entry.commit]["upload_id"] for entry in twice if entry.commit} == runs
    assert [path for path in pinned(deployed) if path.startswith("twice")] == ["twice.csv.parquet"]


def test_files_sent_at_once_each_end_in_the_log(deployed: Stack, sample: Path, tmp_path: Path) -> None:
    sent = [deployed.upload("house_price_rows", sample, name=f"at-once-{number}.csv") for number in range(2)]
    done = [deployed.ingestions.wait(one, timeout=120) for one in sent]
    log = {entry.id: entry.commit for entry in deployed.data.dataset("sources/house_price_rows").log()}
    for one, upload in zip(done, sent, strict=True):
        assert one.commit is not None
        meta = log[one.commit].meta
        assert (meta["upload_id"], meta["rows_in"], meta["rows_out"]) == (upload.run_id, "600", "600")
        # The bundle that the function runs from.
        assert len(meta["code_version"]) == 64
    assert {"at-once-0.csv.parquet", "at-once-1.csv.parquet"} <= pinned(deployed).keys()


def test_an_event_that_comes_again_starts_no_second_run(deployed: Stack, sample: Path) -> None:
    sent = deployed.upload("house_price_rows", sample, name="event-twice.csv")
    deployed.ingestions.wait(sent, timeout=120)
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": sent.bucket},
            "object": {"key": sent.key, "version-id": sent.version_id, "size": sent.size, "sequencer": "00AA"},
        },
    }
    import json

    answer = deployed.clients("lambda").invoke(
        FunctionName="headwater-local-lake-intake", Payload=json.dumps(event).encode()
    )
    assert json.loads(answer["Payload"].read()) == {"run_id": sent.run_id, "started": False}


def test_a_product_that_is_wrong_fails_its_run_and_says_so(deployed: Stack, tmp_path: Path) -> None:
    """A handler that raises: the error reaches the state machine, the registry and whoever waits."""
    with pytest.raises(IngestionFailed, match="nosuch"):
        send(deployed, tmp_path, "broken_rows", "rooms\n12345\n")
    (entry,) = deployed.ingestions.list("broken_rows")
    assert entry.status is IngestionStatus.REFUSED
    assert "nosuch" in entry.reasons[0]
    failed = deployed.clients("stepfunctions").list_executions(
        stateMachineArn=deployed.description.ingestion_arn, statusFilter="FAILED"
    )["executions"]
    assert entry.upload.id in {run["name"] for run in failed}


def test_the_command_tells_a_refusal_by_its_exit_code(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.touch()
    code, failure = project.refused("upload", "house_price_rows", str(file), "--wait")
    assert (code, failure["reason"]) == (5, "FileRefused")
